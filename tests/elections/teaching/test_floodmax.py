"""What Lynch says of FloodMax (Distributed Algorithms, section 4.1.2), and where it ends."""

from itertools import pairwise
from random import Random

import pytest

from interrex.elections.interface import MalformedPayload, PayloadReceived
from interrex.elections.teaching.bounds import floodmax_messages, ring_diameter
from interrex.elections.teaching.floodmax import FloodMax
from tests.elections.teaching.circle import ROUND, graph, name_of, shuffled

Edges = list[tuple[int, int]]


def ring_of(numbers: list[int]) -> Edges:
    return [(number, numbers[at - 1]) for at, number in enumerate(numbers)]


def line_of(numbers: list[int]) -> Edges:
    return list(pairwise(numbers))


def everybody(numbers: list[int]) -> Edges:
    return [(a, b) for a in numbers for b in numbers if a < b]


@pytest.mark.parametrize("n", [3, 4, 5, 16, 33, 101])
def test_on_a_ring_it_takes_diam_rounds_and_diam_times_e_messages_exactly(n: int) -> None:
    """Complexity: the time until the leader is elected is diam rounds, the number of messages
    diam * |E|, since one is sent on every directed edge in each of the first diam rounds."""
    processes = graph(ring_of(shuffled(n, Random(n))), ring_diameter(n))
    processes.begin()
    processes.run()
    assert processes.leaders() == {name_of(n)}
    assert len(processes.said) == floodmax_messages(ring_diameter(n), 2 * n)
    assert processes.now == (2 + ring_diameter(n)) * ROUND


@pytest.mark.parametrize("n", [3, 8, 20])
def test_any_connected_network_will_do(n: int) -> None:
    """A line, whose diameter is n - 1, and everybody connected with everybody: one round."""
    numbers = shuffled(n, Random(n))
    for edges, diameter in ((line_of(numbers), n - 1), (everybody(numbers), 1)):
        processes = graph(edges, diameter)
        processes.begin()
        processes.run()
        assert processes.leaders() == {name_of(n)}
        assert len(processes.said) == floodmax_messages(diameter, 2 * len(edges))


def test_everybody_decides_in_the_same_round() -> None:
    """After diam rounds: if the maximum value seen is its own, the process elects itself leader;
    otherwise it is a non-leader."""
    processes = graph(ring_of([3, 1, 4, 2, 5]), 2)
    processes.begin()
    processes.run()
    assert sorted(name for name, _ in processes.changes) == [name_of(n) for n in range(1, 6)]
    assert {change.reason for _, change in processes.changes} == {"the highest after 2 rounds"}


def test_with_less_than_diam_rounds_there_are_two_leaders() -> None:
    """Why every process has to know diam: here they believe in one that is too small."""
    processes = graph(line_of([5, 1, 2, 3, 4]), 2)
    processes.begin()
    processes.run()
    leading = {name for name, core in processes.cores.items() if core.leading}
    assert leading == {name_of(5), name_of(4)}


def test_a_process_that_is_gone_leaves_everybody_with_its_name_or_without_its_help() -> None:
    """Not promised: nobody notices, and nobody begins again."""
    processes = graph(ring_of([3, 1, 4, 2, 5]), 2)
    processes.begin()
    processes.run()
    said = len(processes.said)
    processes.kill(name_of(5))
    processes.run()
    assert processes.leaders() == {name_of(5)}
    assert len(processes.said) == said


def test_what_is_no_message_is_refused() -> None:
    core = FloodMax(name_of(2), 2, [name_of(1)], 1, ROUND)
    for payload in (b"", b"\xc0", b"\x92\x00\xa1x"):
        with pytest.raises(MalformedPayload):
            core.step(PayloadReceived(name_of(1), payload), 0)
