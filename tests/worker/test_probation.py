"""The founding of a cluster of several hosts: whose empty log may vote, and whose may not."""

from collections.abc import Iterable
from random import Random

import msgspec
import pytest

from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Founded
from interrex.core.spec import ClusterSpec
from interrex.core.state import ClusterState
from interrex.core.storage import Entry, SetFact, Stored
from interrex.elections.interface import ElectionEvent, PeerConnected, WakeUp
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.worker.founding import BROKEN_OFF, Founding
from interrex.worker.gate import ASSIGNMENT_FACT, EPOCH_FACT
from interrex.worker.interface import Send, TakeNewIdentity, WorkerEffect
from interrex.worker.probation import FOUNDERS_FACT, Probation

A, B, C = (WorkerName(name) for name in ("a-1", "b-1", "c-1"))
MARKS = {A: 11, B: 22, C: 33}


def fact(founders: dict[WorkerName, int]) -> SetFact:
    return SetFact(FOUNDERS_FACT, msgspec.msgpack.encode(founders, order="deterministic"))


def holding(founders: dict[WorkerName, int]) -> Stored:
    return Stored({FOUNDERS_FACT: fact(founders).value})


def of_a(stored: Stored | None = None, others: Iterable[WorkerName] | None = (B, C)) -> Probation:
    return Probation(A, MARKS[A], others, stored or Stored())


def new(worker: WorkerName) -> Founded:
    return Founded(MARKS[worker], {}, True)


def remembers(worker: WorkerName, founders: dict[WorkerName, int] = MARKS) -> Founded:
    return Founded(MARKS[worker], founders, True)


def test_it_stores_the_birthmarks_once_it_has_heard_them_all() -> None:
    probation = of_a()
    assert probation.record() is None
    probation.heard(B, new(B))
    assert probation.record() is None
    probation.heard(C, new(C))
    assert probation.record() == fact(MARKS)
    assert probation.record() is None


def test_it_says_them_only_once_they_are_on_its_disk() -> None:
    probation = of_a()
    for other in (B, C):
        probation.heard(other, new(other))
    probation.record()
    assert probation.word() == new(A)
    probation.stored()
    assert probation.word() == remembers(A)


def test_it_votes_when_all_others_have_the_same_on_their_disks() -> None:
    probation = of_a(holding(MARKS))
    assert probation.waits
    probation.heard(B, remembers(B))
    assert not probation.over
    assert probation.admit(WakeUp()) == []
    probation.heard(C, remembers(C))
    assert probation.over


def test_what_befell_its_peers_meanwhile_is_told_to_its_election() -> None:
    probation = of_a(holding(MARKS))
    joined = PeerConnected(B, 2)
    assert probation.admit(joined) == []
    for other in (B, C):
        probation.heard(other, remembers(other))
    assert probation.admit(WakeUp()) == [joined]
    assert not probation.waits


def test_who_died_within_its_first_write_goes_on_where_the_others_are() -> None:
    probation = of_a()
    probation.heard(B, remembers(B))
    assert probation.record() == fact(MARKS)
    probation.stored()
    probation.heard(C, Founded(MARKS[C], MARKS, False))
    assert probation.over


def test_who_has_the_birthmarks_on_disk_learns_nothing_from_one_that_lost_its_own() -> None:
    probation = of_a(holding(MARKS))
    probation.heard(B, Founded(-1, {}, False))
    assert not probation.lost_log
    assert not probation.over


def test_it_is_not_waited_for_a_word_that_nobody_can_give_any_more() -> None:
    probation = of_a(holding(MARKS))
    for other in (B, C):
        probation.heard(other, Founded(-1, {}, False))
    assert probation.lost_log


def test_one_that_waits_no_more_has_heard_it_from_all() -> None:
    probation = of_a(holding(MARKS))
    probation.heard(B, Founded(-1, {}, False))
    probation.heard(C, Founded(MARKS[C], MARKS, False))
    assert probation.over


LOST: dict[str, Founded] = {
    "another log of this worker": remembers(B, {**MARKS, A: 10}),
    "founders that this worker is none of": remembers(B, {B: 22, C: 33}),
    "nothing, and has a log": Founded(MARKS[B], {}, False),
}


@pytest.mark.parametrize("word", LOST.values(), ids=LOST)
def test_its_log_is_lost_where_a_first_member_remembers(word: Founded) -> None:
    probation = of_a()
    probation.heard(C, remembers(C))
    probation.heard(B, word)
    assert probation.lost_log
    assert probation.record() is None
    assert not probation.over


def test_who_did_not_begin_with_the_cluster_proves_nothing() -> None:
    probation = of_a()
    probation.heard(WorkerName("d-1"), Founded(44, {}, False))
    assert not probation.lost_log


def test_its_log_is_lost_where_the_cluster_has_removed_a_first_member() -> None:
    """Found by the simulator: of two hosts one had left, and the disk of the other was replaced. It
    waited for ever for the word of the one that was gone."""
    probation = of_a()
    probation.named({A, B, C})
    assert not probation.lost_log
    probation.named({A, B, WorkerName("d-1")})
    assert probation.lost_log


def test_who_has_the_birthmarks_on_disk_waits_for_those_that_were_not_removed() -> None:
    probation = of_a(holding(MARKS))
    probation.named({A, C})
    assert not probation.lost_log
    probation.named({A})
    assert probation.lost_log


def test_birthmarks_that_are_stored_never_change() -> None:
    probation = of_a(holding(MARKS))
    probation.heard(B, remembers(B, {**MARKS, C: 34}))
    assert probation.record() is None
    assert probation.word() == remembers(A)
    probation.heard(C, remembers(C))
    assert not probation.over


@pytest.mark.parametrize(
    "stored",
    [Stored({FOUNDERS_FACT: b"", "vote": b"x"}), Stored(entries=(Entry(1, 1, b""),))],
)
def test_a_log_that_holds_more_waits_for_nobody(stored: Stored) -> None:
    facts = {key: fact(MARKS).value if key == FOUNDERS_FACT else b"x" for key in stored.facts}
    assert not of_a(msgspec.structs.replace(stored, facts=facts)).waits


def test_a_leaders_commands_end_no_probation() -> None:
    facts = {**holding(MARKS).facts, EPOCH_FACT: b"2", ASSIGNMENT_FACT: b"x"}
    assert of_a(Stored(facts)).waits


def test_who_is_let_in_later_waits_for_nobody_and_says_that_it_remembers_nothing() -> None:
    probation = of_a(others=None)
    assert not probation.waits
    assert probation.word() == Founded(MARKS[A], {}, False)


# What a worker does about it


class Home:
    """A worker's part in the founding, and what came of it."""

    def __init__(self, probation: Probation) -> None:
        self.told: list[ElectionEvent] = []
        self.effects: list[WorkerEffect] = []
        self.written: list[SetFact] = []
        self.founding = Founding(probation, self._elect, self.effects.append, self._persist)

    def _elect(self, event: ElectionEvent) -> None:
        self.told += self.founding.admit(event)

    def _persist(self, records: object) -> int:
        assert isinstance(records, tuple)
        self.written += records
        return len(self.written)


def test_a_worker_tells_all_when_the_birthmarks_are_on_its_disk() -> None:
    home = Home(of_a())
    home.founding.heard(B, new(B))
    home.founding.heard(C, new(C))
    assert home.written == [fact(MARKS)]
    assert home.effects == []
    home.founding.stored(1)
    assert home.effects == [Send(None, remembers(A))]
    assert home.founding.waits


def test_who_is_alone_begins_as_soon_as_its_own_birthmark_is_stored() -> None:
    home = Home(of_a(others=()))
    home.founding.go_on()
    assert home.founding.waits
    home.founding.stored(1)
    assert not home.founding.waits


def test_a_worker_whose_log_is_lost_asks_for_a_new_identity() -> None:
    home = Home(of_a())
    home.founding.heard(B, LOST["another log of this worker"])
    assert [type(effect) for effect in home.effects] == [TakeNewIdentity]


# Whatever happens


class Place:
    """One first member: its part of the cluster, and the process that it runs just now."""

    def __init__(self, name: WorkerName) -> None:
        self.name = name
        self.mark = 0
        self.stored = Stored()
        self.probation: Probation | None = None
        self.writing: SetFact | None = None
        self.lost = False
        self.inbox: dict[WorkerName, list[Founded]] = {}


class Founders:
    """First members that are killed, replaced and cut off at random, until one breaks the rule."""

    def __init__(self, size: int, seed: int) -> None:
        self.random = Random(seed)
        self.places = {name: Place(name) for name in map(WorkerName, "abcde"[:size])}
        self.marks = 0
        self.voted: dict[WorkerName, set[int]] = {name: set() for name in self.places}
        self.commanded = 0
        for place in self.places.values():
            self.replace(place)

    def some(self) -> Place:
        return self.random.choice(list(self.places.values()))

    def replace(self, place: Place) -> None:
        """Its disk is lost, and its part is made again."""
        self.end(place)
        self.marks += 1
        place.mark, place.stored, place.lost = self.marks, Stored(), False

    def end(self, place: Place) -> None:
        """Its process dies; what it was writing is there or is not."""
        if place.writing is not None and self.random.random() < 0.5:
            self.write(place)
        place.probation = place.writing = None
        place.inbox.clear()
        for other in self.places.values():
            if self.random.random() < 0.7:
                other.inbox.pop(place.name, None)

    def begin(self, place: Place) -> None:
        if place.probation is None:
            others = None if place.lost else self.places.keys() - {place.name}
            place.probation = Probation(place.name, place.mark, others, place.stored)
            place.writing = place.probation.record()
            for other in self.places.values():
                if other is not place:
                    self.join(place, other)

    def join(self, one: Place, other: Place) -> None:
        """A new connection: what was on its way in an old one is lost."""
        for at, peer in ((one, other), (other, one)):
            if at.probation is not None and peer.probation is not None:
                at.inbox[peer.name] = [peer.probation.word()]

    def hear(self, place: Place) -> None:
        waiting = [name for name, words in place.inbox.items() if words]
        if place.probation is not None and waiting:
            name = self.random.choice(waiting)
            place.probation.heard(name, place.inbox[name].pop(0))
            place.writing = place.writing or place.probation.record()
            self.look(place)

    def write(self, place: Place) -> None:
        if place.writing is not None:
            place.stored = Stored({**place.stored.facts, place.writing.key: place.writing.value})
            place.writing = None
            if place.probation is not None:
                place.probation.stored()
                for other in self.places.values():
                    if place.name in other.inbox:
                        other.inbox[place.name].append(place.probation.word())
                self.look(place)

    def command(self, place: Place) -> None:
        """One that waits no more, and may lead, has it store an epoch, after all that it said."""
        leaders = [
            name
            for name, words in place.inbox.items()
            if not words and (other := self.places[name].probation) is not None and not other.waits
        ]
        if place.probation is not None and leaders:
            place.stored = Stored({**place.stored.facts, EPOCH_FACT: b"1"})
            self.commanded += 1

    def look(self, place: Place) -> None:
        assert place.probation is not None
        if place.probation.lost_log:
            self.end(place)
            place.stored, place.lost = Stored(), True
        elif place.probation.waits and place.probation.over:
            self.votes(place)

    def votes(self, place: Place) -> None:
        assert place.probation is not None
        place.probation.admit(WakeUp())
        for before in self.voted[place.name] - {place.mark}:
            for other in self.places.values():
                fact = other.stored.facts.get(FOUNDERS_FACT)
                known = None if fact is None else msgspec.msgpack.decode(fact)[place.name]
                assert known != before, f"{place.name} votes, {other.name} knows its log {before}"
        self.voted[place.name].add(place.mark)
        place.stored = Stored({**place.stored.facts, "vote": b"x"})

    def settle(self) -> None:
        """No more faults: everybody runs, is connected, hears everything and writes."""
        for place in self.places.values():
            self.begin(place)
        for one in self.places.values():
            for other in self.places.values():
                if one.name < other.name:
                    self.join(one, other)
        for _ in range(200):
            for place in self.places.values():
                self.begin(place)
                self.write(place)
                self.hear(place)


def run(founders: Founders, steps: int, replaced: float) -> None:
    random = founders.random
    for _ in range(steps):
        place, chance = founders.some(), random.random()
        if chance < replaced:
            founders.replace(place)
        elif chance < replaced + 0.05:
            founders.end(place)
        elif chance < 0.3:
            founders.begin(place)
        elif chance < 0.4:
            other = founders.some()
            if other is not place:
                founders.join(place, other)
        elif chance < 0.6:
            founders.write(place)
        elif chance < 0.65:
            founders.command(place)
        else:
            founders.hear(place)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_an_empty_log_votes_as_another_only_when_all_who_knew_that_one_are_gone(size: int) -> None:
    voted = refused = commanded = 0
    for seed in range(150):
        founders = Founders(size, seed)
        run(founders, 150 * size, replaced=0.02)
        voted += any(founders.voted.values())
        refused += any(place.lost for place in founders.places.values())
        commanded += bool(founders.commanded)
    assert voted > 10
    assert commanded > 10 or size == 1
    assert refused > 20 or size == 1


@pytest.mark.parametrize("size", [2, 3, 4])
def test_where_no_disk_is_lost_everybody_votes_in_the_end(size: int) -> None:
    for seed in range(50):
        founders = Founders(size, seed)
        run(founders, 60, replaced=0)
        founders.settle()
        assert all(len(marks) == 1 for marks in founders.voted.values()), seed


def seen(*connected: WorkerName) -> Fleet:
    """The three hosts' workers from A, and who of the others is connected."""
    views = {
        name: WorkerView(name, HostName(name[0]), name in (A, *connected), 0, 0) for name in MARKS
    }
    return Fleet(A, views, {})


def founding(probation: Probation) -> Founding:
    return Founding(probation, lambda event: None, lambda effect: None, lambda records: 1)


NOTHING_AGREED = ClusterState(spec=ClusterSpec(name="shop"))


def test_it_says_which_hosts_the_first_start_waits_for() -> None:
    told = founding(of_a()).hindrance(seen(B), NOTHING_AGREED)
    assert told == "its first start needs every host, and host c has not started yet"
    assert founding(of_a()).hindrance(seen(B, C), NOTHING_AGREED) == ""


def test_a_founding_that_a_lost_disk_has_broken_off_is_called_so_by_whoever_is_left() -> None:
    """B remembers another A, whose disk was replaced; so A is new, and everybody after it."""
    home = founding(of_a(others=None))
    for other in (B, C):
        home.heard(other, Founded(MARKS[other], {}, False))
        assert bool(home.hindrance(seen(B, C), NOTHING_AGREED)) is (other == C)
    assert home.hindrance(seen(B, C), NOTHING_AGREED) == BROKEN_OFF
    assert home.hindrance(seen(B), NOTHING_AGREED) == ""


@pytest.mark.parametrize("word", [new(C), remembers(C), Founded(MARKS[C], MARKS, False)], ids=str)
def test_a_founding_is_not_called_broken_off_while_one_waits_or_remembers_it(word: Founded) -> None:
    home = founding(of_a(others=None))
    home.heard(B, Founded(MARKS[B], {}, False))
    home.heard(C, word)
    assert home.hindrance(seen(B, C), NOTHING_AGREED) == ""
