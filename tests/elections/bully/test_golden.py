"""Conversations of several workers, word for word.

``REWRITE_GOLDEN=1`` writes the transcripts anew; the change is then reviewed as a diff.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import US
from interrex.elections.interface import StepDown
from tests.elections.bully.network import BullyNetwork

GOLDEN = Path(__file__).parent / "golden"


def start() -> BullyNetwork:
    network = BullyNetwork(3)
    network.notice = 200 * US
    network.trace = []
    network.start()
    network.elect()
    network.run_for(30)
    return network


def say(network: BullyNetwork, what: str) -> None:
    assert network.trace is not None
    network.trace.append(f"--- {what}")


def first_election() -> BullyNetwork:
    return start()


def take_over_on_proof() -> BullyNetwork:
    network = start()
    network.write("a")
    say(network, "w3 is killed; the others' pidfds fire after 0.2 ms")
    network.die(3)
    network.elect()
    network.write("b")
    say(network, "w3 comes back, and takes over after an election time-out")
    network.boot(network[3])
    network.run_until(lambda: network[3].bully.leading)
    network.run_for(5)
    return network


def merged_sides() -> BullyNetwork:
    network = start()
    network.write("common")
    say(network, "w1 is cut off, and leads alone")
    network.divide([1], [2, 3])
    network.run_until(lambda: network[1].bully.leading)
    network.propose(network[3], "of two")
    network.propose(network[1], "of one")
    network.run_for(5)
    say(network, "the cut heals")
    network.unite()
    network.run_until(network.agree)
    network.run_for(5)
    return network


def handed_over() -> BullyNetwork:
    network = start()
    say(network, "w3 is asked to hand over to w1, which is below w2")
    network.step(network[3], StepDown(WorkerName("w1")))
    network.run_until(lambda: network[1].bully.leading)
    network.run_for(5)
    return network


SCENARIOS: dict[str, Callable[[], BullyNetwork]] = {
    scenario.__name__: scenario
    for scenario in (first_election, take_over_on_proof, merged_sides, handed_over)
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_conversation_is_as_it_was_reviewed(name: str) -> None:
    network = SCENARIOS[name]()
    assert network.trace is not None
    beats = ("Beat(", "BeatAnswer(")
    lines = [line for line in network.trace if not any(beat in line for beat in beats)]
    text = "\n".join(lines) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
