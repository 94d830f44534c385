"""Conversations of several servers, word for word.

``REWRITE_GOLDEN=1`` writes the transcripts anew; the change is then reviewed as a diff.
Heartbeats and their answers are left out, but for those that a scenario asks for.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS, US
from interrex.elections.interface import PeerLost, ReplaceMember, StepDown
from interrex.elections.raft import RaftSettings

from .network import Network
from .solo import stored

GOLDEN = Path(__file__).parent / "golden"


def start(network: Network) -> Network:
    network.trace = []
    network.start()
    network.elect()
    network.run(100 * MS)
    return network


def say(network: Network, what: str) -> None:
    assert network.trace is not None
    network.trace.append(f"--- {what}")


def first_election() -> Network:
    return start(Network(3))


def take_over_on_proof() -> Network:
    network = start(Network(3))
    leader = network.elect()
    say(network, f"{leader.name} is killed; the others' pidfds fire after 0.2 ms")
    network.kill(leader, notice=200 * US)
    network.elect()
    network.run(10 * MS)
    say(network, f"{leader.name} comes back")
    network.boot(leader)
    network.run(60 * MS)
    return network


def take_over_by_the_longer_log() -> Network:
    network = start(Network(3))
    leader = network.elect()
    first, second = network.followers(leader)
    say(network, f"{first.name} does not get the next entry, and stands first nevertheless")
    network.cut = {(leader.name, first.name)}
    network.propose(leader, "a")
    network.run(5 * MS)
    network.heal()
    say(network, f"{leader.name} is killed; the others' pidfds fire after 0.2 ms")
    network.kill(leader, notice=200 * US)
    network.elect()
    network.run(10 * MS)
    assert second.raft.leading
    return network


def remembered_pre_vote() -> Network:
    network = start(Network(3))
    leader = network.elect()
    first, second = network.followers(leader)
    say(network, f"{first.name} loses its connection to {leader.name}, {second.name} 20 ms later")
    network.cut = {(leader.name, first.name), (first.name, leader.name)}
    network.step(first, PeerLost(leader.name, proved_dead=False))
    network.run(20 * MS)
    network.cut |= {(leader.name, second.name), (second.name, leader.name)}
    network.step(second, PeerLost(leader.name, proved_dead=False))
    network.run(5 * MS)
    return network


def group_commit() -> Network:
    network = start(Network(3))
    leader = network.elect()
    say(network, "ten proposals at once")
    for number in range(10):
        network.propose(leader, f"c{number}")
    network.run(10 * MS)
    return network


def conflicting_logs() -> Network:
    network = Network(3)
    for number, terms in ((1, (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)), (2, (1, 1, 1, 2, 2, 2, 3, 3, 3))):
        found = stored(*terms, term=6, member=number)
        network[number].disk.facts.update(found.facts)
        network[number].disk.entries = list(found.entries)
    return start(network)


def snapshot_for_a_late_follower() -> Network:
    settings = RaftSettings(snapshot_after=4, trailing_entries=1, snapshot_chunk_bytes=60)
    network = Network(3, settings=settings)
    network.start()
    leader = network.elect()
    late = network.followers(leader)[0]
    network.kill(late)
    for number in range(6):
        network.propose(leader, f"c{number}")
        network.run(5 * MS)
    network.trace = []
    say(network, f"{late.name} comes back")
    network.boot(late)
    network.run(60 * MS)
    return network


def replaced_member() -> Network:
    network = start(Network(3))
    leader = network.elect()
    lost = network.followers(leader)[0]
    network.kill(lost)
    say(network, f"{lost.name} has lost its disk and comes back as member 9")
    network.join(int(lost.name[1:]), 9)
    network.step(leader, ReplaceMember(ChangeId("replace"), WorkerName(lost.name), 9))
    network.run(10 * MS)
    return network


def handed_over() -> Network:
    network = start(Network(3))
    leader = network.elect()
    say(network, f"{leader.name} is asked to step down")
    network.step(leader, StepDown())
    network.run(10 * MS)
    return network


SCENARIOS: list[Callable[[], Network]] = [
    first_election,
    take_over_on_proof,
    take_over_by_the_longer_log,
    remembered_pre_vote,
    group_commit,
    conflicting_logs,
    snapshot_for_a_late_follower,
    replaced_member,
    handed_over,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_conversation_is_word_for_word_as_written(scenario: Callable[[], Network]) -> None:
    trace = scenario().trace
    assert trace is not None
    text = "\n".join(line for line in trace if "Heartbeat" not in line) + "\n"
    path = GOLDEN / f"{scenario.__name__}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
