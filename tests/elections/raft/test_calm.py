"""In calm times every second heartbeat is a sign of life that nobody answers."""

from collections import Counter

import pytest

from interrex.core.time import MS, S
from interrex.elections.interface import ConfirmRead, SendPayload
from interrex.elections.raft import RaftSettings
from interrex.elections.raft.messages import Heartbeat, HeartbeatAnswer, decode

from .network import Network, Server

BEATS = S // RaftSettings().heartbeat


def calm(latency: int = MS // 10) -> Network:
    network = Network(3)
    network.latency = lambda _from, _to, _message: latency
    network.start()
    network.elect()
    network.run(S)
    return network


def a_second_of(network: Network) -> Counter[str]:
    """How often what was sent in a second, from anybody to anybody."""
    seen: Counter[str] = Counter()

    def sent(_server: Server, effect: SendPayload) -> None:
        message = decode(effect.payload)
        if isinstance(message, Heartbeat):
            seen["asking" if message.round else "not asking"] += 1
        elif isinstance(message, HeartbeatAnswer):
            seen["answers"] += 1

    network.senders.append(sent)
    network.run(S)
    return seen


def test_every_second_heartbeat_is_answered() -> None:
    seen = a_second_of(calm())
    assert seen["asking"] == seen["answers"] == seen["not asking"] == BEATS


def test_whoever_does_not_answer_is_asked_by_every_heartbeat() -> None:
    network = calm()
    (leader,) = [server for server in network.alive() if server.raft.leading]
    other = next(server for server in network.alive() if server is not leader)
    network.cut |= {(leader.name, other.name), (other.name, leader.name)}
    network.run(S)
    assert a_second_of(network)["not asking"] == 0


def test_where_answers_are_slow_every_heartbeat_is_answered() -> None:
    assert a_second_of(calm(latency=10 * MS))["not asking"] == 0


@pytest.mark.parametrize("timeout", [150, 200, 500])
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
