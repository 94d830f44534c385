"""Links: in order and whole while they live, as in production; lossy only where a world says so."""

import pytest

from interrex.core.ids import HostName, WorkerName
from interrex.core.time import MS, S
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.network import Network, Peer
from interrex.simulator.plan import Conditions
from interrex.worker.interface import MessageReceived, PeerJoined, PeerLeft, WorkerEvent

A, B = WorkerName("a"), WorkerName("b")
HOST = HostName("here")


class Process:
    """A worker's process that notes what it is told."""

    def __init__(self, worker: WorkerName, life: int = 1) -> None:
        self.worker = worker
        self.host = HOST
        self.life = life
        self.member = 1
        self.alive = True
        self.answers = True
        self.known_as_of = 0
        self.is_led = False
        self.introduction = None
        self.known: dict[WorkerName, Peer] = {}
        self.events: list[WorkerEvent] = []
        self.waiting: list[bytes] = []

    def knows(self, worker: WorkerName) -> bool:
        return True

    def post(self, event: WorkerEvent) -> None:
        assert self.alive
        self.events.append(event)

    def unread(self, sender: WorkerName) -> int:
        return len(self.waiting)

    def lose_unread(self, sender: WorkerName, count: int) -> None:
        del self.waiting[len(self.waiting) - count :]

    def heard(self) -> list[bytes]:
        return [e.payload for e in self.events if isinstance(e, MessageReceived)]

    def joined(self) -> int:
        return sum(isinstance(event, PeerJoined) for event in self.events)

    def left(self) -> int:
        return sum(isinstance(event, PeerLeft) for event in self.events)


class Wire:
    """Two processes and the network between them, connected."""

    def __init__(self, seed: int = 1, conditions: Conditions | None = None) -> None:
        self.agenda = Agenda()
        self.network = Network(self.agenda, Chance(seed), conditions or Conditions())
        for name in (A, B):
            self.network.welcome(name, HOST)
        self.a, self.b = Process(A), Process(B)
        self.network.began(self.a)
        self.network.began(self.b)
        self.pass_time(100 * MS)
        assert (self.a.joined(), self.b.joined()) == (1, 1)

    def pass_time(self, duration: int) -> None:
        self.agenda.run_until(self.agenda.now + duration)

    def send(self, count: int, mail: bool = False) -> list[bytes]:
        payloads = [b"%d" % number for number in range(count)]
        for payload in payloads:
            self.network.send(self.a, B, payload, mail)
        return payloads


@pytest.mark.parametrize("loss", [0, 300])
def test_a_stream_keeps_order_and_loses_nothing(loss: int) -> None:
    wire = Wire()
    wire.network.lane(A, B).loss = loss
    sent = wire.send(500)
    wire.pass_time(100 * S)
    assert wire.b.heard() == sent


def test_a_lost_packet_of_a_stream_holds_up_what_comes_after_it() -> None:
    wire = Wire()
    wire.network.lane(A, B).loss = 1000
    wire.send(1)
    wire.pass_time(190 * MS)
    assert not wire.b.heard()


def test_the_elections_mail_is_lost_doubled_and_overtaken_where_the_world_says_so() -> None:
    wire = Wire(2, Conditions(datagrams=True, loss=200, doubled=200, overtaken=200))
    sent = wire.send(1000, mail=True)
    wire.pass_time(10 * S)
    heard = wire.b.heard()
    assert 700 < len(set(heard)) < 900
    assert len(heard) - len(set(heard)) > 50
    assert heard != sorted(heard, key=sent.index)


def test_other_messages_stay_whole_there() -> None:
    wire = Wire(3, Conditions(datagrams=True, loss=300, doubled=300, overtaken=300))
    wire.network.lane(A, B).loss = 0
    sent = wire.send(200)
    wire.pass_time(S)
    assert wire.b.heard() == sent


def test_nothing_arrives_by_a_lane_that_is_cut_and_all_of_it_when_it_is_mended() -> None:
    wire = Wire()
    wire.network.cut(A, B)
    sent = wire.send(20)
    wire.network.send(wire.b, A, b"the other way", False)
    wire.pass_time(5 * S)
    assert not wire.b.heard()
    assert wire.a.heard() == [b"the other way"]
    wire.network.mend(A, B)
    wire.pass_time(S)
    assert wire.b.heard() == sent
    assert wire.a.left() == wire.b.left() == 0


def test_a_reset_is_seen_at_both_ends_and_another_connection_is_made() -> None:
    wire = Wire()
    assert wire.network.reset(A, B)
    wire.pass_time(2 * S)
    for process in (wire.a, wire.b):
        assert (process.left(), process.joined()) == (1, 2)


def test_what_is_sent_on_a_connection_that_ended_unseen_is_answered_by_a_reset() -> None:
    """The machine at the other end was lost and is back: nothing told this end so far."""
    wire = Wire()
    wire.b.alive = False
    wire.network.ended(wire.b, silently=True)
    wire.pass_time(5 * S)
    assert wire.a.left() == 0
    wire.send(1)
    wire.pass_time(S)
    assert wire.a.left() == 1


def test_what_a_process_sent_last_may_end_with_it_but_never_a_part_from_amid_that() -> None:
    lengths = set()
    for seed in range(1, 40):
        wire = Wire(seed, Conditions(cut_short=800))
        sent = wire.send(10)
        wire.a.alive = False
        wire.network.ended(wire.a, silently=bool(seed % 2))
        wire.pass_time(S)
        heard = wire.b.heard()
        assert heard == sent[: len(heard)]
        lengths.add(len(heard))
    assert {0, 10} < lengths


def test_what_waits_at_a_peer_that_does_not_read_may_be_lost_too_once_all_under_way_is() -> None:
    left = set()
    for seed in range(1, 40):
        wire = Wire(seed, Conditions(cut_short=800))
        wire.b.waiting = [b"1", b"2", b"3"]
        sent = wire.send(3)
        wire.network.ended(wire.a, silently=True)
        wire.pass_time(S)
        assert wire.b.waiting == [b"1", b"2", b"3"][: len(wire.b.waiting)]
        assert wire.b.heard() == (sent[: len(wire.b.heard())] if len(wire.b.waiting) == 3 else [])
        left.add(len(wire.b.waiting))
    assert left == {0, 1, 2, 3}


def test_a_successor_takes_a_lost_predecessors_place() -> None:
    wire = Wire()
    wire.b.alive = False
    wire.network.ended(wire.b, silently=True)
    successor = Process(B, life=2)
    wire.network.began(successor)
    wire.pass_time(2 * S)
    assert (wire.a.left(), wire.a.joined(), successor.joined()) == (1, 2, 1)


def test_the_end_of_a_connection_comes_first_and_the_proof_of_death_after_it() -> None:
    wire = Wire()
    wire.b.alive = False
    wire.network.ended(wire.b, silently=False)
    wire.pass_time(S)
    wire.network.proved_dead(wire.a, wire.b)
    ends = [event for event in wire.a.events if isinstance(event, PeerLeft)]
    assert ends == [PeerLeft(B, proved_dead=False), PeerLeft(B, proved_dead=True)]


def test_nobody_is_connected_while_the_other_does_not_answer() -> None:
    wire = Wire()
    wire.b.answers = False
    wire.network.reset(A, B)
    wire.pass_time(3 * S)
    assert wire.a.joined() == 1
    wire.b.answers = True
    wire.pass_time(2 * S)
    assert wire.a.joined() == 2
