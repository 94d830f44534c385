"""``interrex lab`` as a user calls it."""

import json
import subprocess
from pathlib import Path

import pytest

from interrex.cli.exits import Exit
from tests.cli.conftest import Interrex
from tests.cli.test_bad_input import refused


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--nodes", "2"], "--nodes 2: say a number from 3 to 101"),
        (["--nodes", "102"], "--nodes 102"),
        (["--nodes", "five"], '"five"'),
        (["--seed", "-1"], "--seed -1"),
        (["--plot-to", "200"], "--plot-to 200"),
        (["--report", "/nowhere/at/all.html"], "cannot be written"),
        (["--fault", "halfs"], "did you mean halves?"),
        (["--fault", ","], "no fault is named"),
        (["--algorithms", "raft,pasox"], "did you mean paxos?"),
        (["shop.toml"], "more than it takes"),
    ],
)
def test_wrong_words_are_refused(interrex: Interrex, words: list[str], hint: str) -> None:
    refused(interrex("lab", *words), Exit.USAGE, hint)


def test_a_table_says_of_every_election_what_became_of_it(interrex: Interrex) -> None:
    said = interrex("lab", "--nodes", "4")
    assert said.code == Exit.OK, said
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0] == "leader-killed: the leader is killed"
    assert lines[1].startswith("4 processes, seed 1")
    rows = {line.split("  ")[0]: line for line in lines[3:]}
    assert "leads all 3" in rows["Raft"]
    assert "leads all 3" in rows["Bully"]
    assert "never" in rows["Chang-Roberts"]
    assert "nobody noticed" in rows["FloodMax"]


def test_elections_and_faults_are_chosen_by_name(interrex: Interrex) -> None:
    words = ["--algorithms", "paxos, raft", "--fault", "none,restart", "--nodes", "3", "--json"]
    said = interrex("lab", *words, "--seed", "9")
    assert said.code == Exit.OK, said
    document = json.loads(said.out)
    trials = document["trials"]
    assert (document["nodes"], document["seed"]) == (3, 9)
    assert [(one["fault"], one["election"]) for one in trials] == [
        ("none", "raft"),
        ("none", "paxos"),
        ("restart", "raft"),
        ("restart", "paxos"),
    ]
    assert all(one["agreed_s"] > 0 and one["messages"] > 0 for one in trials)


def test_an_election_that_never_agrees_has_no_time_for_it(interrex: Interrex) -> None:
    said = interrex("lab", "--algorithms", "chang-roberts", "--json")
    (one,) = json.loads(said.out)["trials"]
    assert one["agreed_s"] is None
    assert one["without_leader_s"] == one["looked_on_s"] == 6


def test_every_message_is_told_on_request(interrex: Interrex) -> None:
    said = interrex("lab", "--algorithms", "raft", "--messages", "--nodes", "3")
    assert said.code == Exit.OK, said
    lines = said.out.splitlines()
    assert lines[0] == "Raft"
    assert lines[2].endswith(": killed")
    assert any("RequestVote" in line and " -> " in line for line in lines)
    assert any(" names itself: elected in term 2" in line for line in lines)


def test_a_report_is_one_page_with_diagrams_and_plots(interrex: Interrex, tmp_path: Path) -> None:
    page = tmp_path / "lab.html"
    words = ["--algorithms", "bully,floodmax", "--plot-to", "5", "--nodes", "4"]
    said = interrex("lab", *words, "--report", page)
    assert said.code == Exit.OK, said
    text = page.read_text()
    assert text.count("<svg") == 2 + 3
    assert [one.name for one in tmp_path.iterdir()] == ["lab.html"]
    assert "--nodes 4 --seed 1 --algorithms bully,floodmax --plot-to 5" in text


def test_the_table_is_shown_though_the_page_cannot_be_written_any_more(
    interrex: Interrex, tmp_path: Path
) -> None:
    """On a disk of its own that is full by then (needs tools/as-root)."""
    words = ["--algorithms", "raft", "--plot-to", "0"]
    said = interrex("lab", *words, "--report", "/dev/full")
    assert said.code == Exit.FAILED
    assert "w1 leads all 4" in said.out
    assert said.err == "interrex: /dev/full cannot be written: No space left on device\n"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", tmp_path], check=True)
    try:
        page = tmp_path / "lab.html"
        page.write_text("the one before")
        said = interrex("lab", *words, "--report", page)
        assert said.code == Exit.FAILED
        assert said.err == f"interrex: {page} cannot be written: No space left on device\n"
        assert [one.name for one in tmp_path.iterdir()] == ["lab.html"]
        assert page.read_text() == "the one before"
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_of_many_processes_a_few_are_drawn(interrex: Interrex, tmp_path: Path) -> None:
    page = tmp_path / "lab.html"
    words = ["--algorithms", "chang-roberts", "--fault", "none", "--plot-to", "0"]
    said = interrex("lab", *words, "--nodes", "12", "--report", page)
    assert said.code == Exit.OK, said
    text = page.read_text()
    assert "w12 leads all 12" in text
    assert text.count("class='name'") == 5


def test_the_list_has_every_election_and_every_fault(interrex: Interrex) -> None:
    said = interrex("lab", "--list")
    assert said.code == Exit.OK
    for name in ("raft", "floodmax", "halves", "leader-killed"):
        assert f"\n{name} " in said.out
