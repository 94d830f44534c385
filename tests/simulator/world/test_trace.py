"""A trace shows each election from the inside, and docs/trace.md says what every key holds."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from interrex.core.time import S
from interrex.simulator.faults.electing import DRAWN_ELECTIONS
from interrex.simulator.observation import Occurrence
from interrex.simulator.run import run_seed
from interrex.simulator.trace import Trace
from interrex.worker.interface import WorkerEffect

DOCUMENT = (Path(__file__).parents[3] / "docs" / "trace.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in DOCUMENT.split("\n## ")}
TITLES = {"raft": "Raft", "paxos": "Paxos", "bully": "Bully"}
SEEDS = (2, 3)
SAID = ("mail", "question", "answer", "news")

Fields = dict[str, object]


@cache
def _lines(election: str) -> list[Fields]:
    lines: list[Fields] = []
    trace = Trace(lambda line: lines.append(msgspec.json.decode(line)))
    for seed in SEEDS:
        outcome = run_seed(None, seed, duration=6 * S, trace=trace, election=election)
        assert outcome.broken is None
    return lines


def _within(value: object) -> Iterator[Fields]:
    """All objects of a line."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _within(each)
    elif isinstance(value, list):
        for each in value:
            yield from _within(each)


def _names(union: object) -> set[str]:
    return {kind.__name__ for kind in get_args(union)}


def _named_in(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("election", DRAWN_ELECTIONS)
def test_all_that_is_said_in_an_election_is_decoded(election: str) -> None:
    said = [
        found[word]
        for line in _lines(election)
        for found in _within(line)
        for word in SAID
        if isinstance(found.get(word), dict)
    ]
    kinds = {str(one["kind"]) for one in said if isinstance(one, dict)}
    assert len(kinds) >= 10
    assert "malformed" not in kinds
    assert not any("malformed" in found for line in _lines(election) for found in _within(line))


@pytest.mark.parametrize("election", DRAWN_ELECTIONS)
def test_every_key_of_a_step_and_of_the_core_after_it_is_documented(election: str) -> None:
    name = election.removesuffix("-quorum")
    section = SECTIONS[TITLES.get(name, "etcd and ZooKeeper")]
    steps = [line for line in _lines(election) if "world" not in line]
    cores = [line["election"] for line in steps]
    keys = {key for core in cores if isinstance(core, dict) for key in core}
    assert len(keys) >= 8
    assert keys <= _named_in(section)
    assert {key for line in steps for key in line} <= _named_in(
        SECTIONS["A step: a worker took an event"]
    )


@pytest.mark.parametrize("election", DRAWN_ELECTIONS)
def test_a_trace_shows_who_leads(election: str) -> None:
    roles = {
        core["role"] for line in _lines(election) if isinstance(core := line.get("election"), dict)
    }
    assert roles & {"leader", "coordinator"}
    assert roles & {"follower", "waiting"}


def test_every_occurrence_is_documented() -> None:
    kinds = {kind.__name__ for kind in get_args(Occurrence)}
    assert kinds <= _named_in(SECTIONS["An occurrence: something befell the world"])


def test_of_bytes_a_trace_tells_how_many_and_of_entries_which() -> None:
    mail = [
        found["mail"]
        for line in _lines("paxos")
        for found in _within(line)
        if isinstance(found.get("mail"), dict)
    ]
    accepts = [one for one in mail if isinstance(one, dict) and one["kind"] == "Accept"]
    assert accepts
    assert all(isinstance(size, int) for one in accepts for size in one["values_bytes"])
    promises = [one for one in mail if isinstance(one, dict) and one["kind"] == "Promise"]
    assert all(len(entry) == 2 for one in promises for entry in one["accepted"])


@pytest.mark.parametrize("election", DRAWN_ELECTIONS)
def test_every_occurrence_and_every_effect_is_named_by_its_class(election: str) -> None:
    """Also those that have a kind of their own, as faults and notes do."""
    lines = _lines(election)
    occurred = {found["kind"] for line in lines if isinstance(found := line.get("world"), dict)}
    assert occurred <= _names(Occurrence)
    asked = {
        str(one["kind"])
        for line in lines
        if isinstance(effects := line.get("effects"), list)
        for one in effects
        if isinstance(one, dict)
    }
    assert asked <= _names(WorkerEffect)
    assert {"FaultBegan", "ProcessBegan"} <= occurred
    assert {"Note", "Persist"} <= asked or {"Note", "Ask"} <= asked
