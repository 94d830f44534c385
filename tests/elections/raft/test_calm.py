"""In calm times every second heartbeat is a sign of life that nobody answers, and each of the
others is answered by a majority in turn."""

from collections import Counter

import pytest

from interrex.core.ids import WorkerName
from interrex.core.quorum import majority
from interrex.core.time import MS, S
from interrex.elections.interface import ConfirmRead, SendPayload
from interrex.elections.raft import RaftSettings
from interrex.elections.raft.messages import Heartbeat, HeartbeatAnswer, decode

from .network import Network, Server

BEATS = 20
A_WHILE = BEATS * RaftSettings().heartbeat


def calm(size: int = 3, latency: int = MS // 10) -> Network:
    network = Network(size)
    network.latency = lambda _from, _to, _message: latency
    network.start()
    network.elect()
    network.run(S)
    return network


def a_while_of(network: Network) -> Counter[str]:
    """How often what was sent in some heartbeats' time, from anybody to anybody; who was asked."""
    seen: Counter[str] = Counter()

    def sent(_server: Server, effect: SendPayload) -> None:
        message = decode(effect.payload)
        if isinstance(message, Heartbeat):
            seen["asking" if message.round else "not asking"] += 1
            seen[effect.to or "all"] += bool(message.round)
        elif isinstance(message, HeartbeatAnswer):
            seen["answers"] += 1

    network.senders.append(sent)
    network.run(A_WHILE)
    return seen


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_every_second_heartbeat_is_answered_by_a_majority_in_turn(size: int) -> None:
    network = calm(size)
    others = [server.name for server in network.alive() if not server.raft.leading]
    seen = a_while_of(network)
    asked = BEATS // 2 * (majority(size) - 1)
    assert seen["asking"] == seen["answers"] == asked
    assert seen["not asking"] == BEATS * len(others) - asked
    assert max(seen[name] for name in others) - min(seen[name] for name in others) <= 1


def test_where_the_one_that_was_asked_does_not_answer_everybody_is_asked_next() -> None:
    network = calm()
    (leader,) = [server for server in network.alive() if server.raft.leading]
    lost: list[WorkerName] = []

    def lose_one(sender: Server, _receiver: Server, message: object) -> int | None:
        if isinstance(message, HeartbeatAnswer) and not lost:
            lost.append(sender.name)
            return None
        return MS // 10

    network.latency = lose_one
    network.run_until(lambda: bool(lost))
    asked: list[tuple[WorkerName | None, int]] = []

    def sent(_server: Server, effect: SendPayload) -> None:
        message = decode(effect.payload)
        if isinstance(message, Heartbeat) and message.round:
            asked.append((effect.to, message.round))

    network.senders.append(sent)
    network.run(RaftSettings().heartbeat)
    others = {server.name for server in network.alive() if server is not leader}
    assert {to for to, _ in asked} == others
    assert len(asked) == 2


@pytest.mark.parametrize("asked", [1, 2])
def test_a_leader_in_calm_times_that_is_cut_off_steps_down_as_soon_as_ever(asked: int) -> None:
    """Fewer answers do not let it believe in itself for longer."""
    network = calm()
    network.run(asked * 2 * RaftSettings().heartbeat)
    (leader,) = [server for server in network.alive() if server.raft.leading]
    cut_at = network.now
    for other in network.alive():
        if other is not leader:
            network.cut |= {(leader.name, other.name), (other.name, leader.name)}
    network.run_until(lambda: not leader.raft.leading)
    assert network.now - cut_at <= RaftSettings().election_timeout


def test_whoever_does_not_answer_is_asked_by_every_heartbeat() -> None:
    network = calm()
    (leader,) = [server for server in network.alive() if server.raft.leading]
    other = next(server for server in network.alive() if server is not leader)
    network.cut |= {(leader.name, other.name), (other.name, leader.name)}
    network.run(S)
    assert a_while_of(network)["not asking"] == 0


def test_where_answers_are_slow_every_heartbeat_is_answered() -> None:
    assert a_while_of(calm(latency=10 * MS))["not asking"] == 0


@pytest.mark.parametrize("timeout", [180, 250, 500])
def test_a_calm_leader_is_sure_of_itself_for_more_than_a_heartbeat(timeout: int) -> None:
    network = Network(3, settings=RaftSettings(election_timeout=timeout * MS))
    network.start()
    leader = network.elect()
    network.run(100 * MS)
    least = 10 * S

    def watch(server: object, *_: object) -> None:
        nonlocal least
        if server is leader:
            least = min(least, (leader.raft.deadline or 0) - network.now)

    network.watchers.append(watch)
    network.run(2 * S)
    assert RaftSettings().heartbeat < least


def test_a_read_in_calm_times_waits_for_no_heartbeat() -> None:
    network = calm()
    (leader,) = [server for server in network.alive() if server.raft.leading]
    asked_at = network.now
    network.step(leader, ConfirmRead(1))
    network.run_until(lambda: 1 in leader.reads)
    assert leader.reads[1]
    assert network.now - asked_at < RaftSettings().heartbeat // 2
