"""``interrex sim`` as a user calls it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from interrex.cli import sim_seeds
from interrex.cli.exits import Exit
from interrex.simulator.run import Broken, Outcome
from tests.cli.conftest import FILE, Interrex
from tests.cli.test_bad_input import refused


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--seed", "x"], '"x"'),
        (["--seed", "-1"], "--seed -1"),
        (["--seed", "-1", "--scenario", "chain"], "--seed -1"),
        (["--seeds", "0"], "--seeds 0"),
        (["--jobs", "0", "--seeds", "1"], "--jobs 0"),
        (["--seed", "-1"], "--seed -1: say a number from 0 on"),
        (["--first", "-7"], "--first -7: say a number from 0 on"),
        (["--seed", "1", "--first", "2"], "--first and --minutes out"),
        (["--minutes", "-1"], "--minutes -1"),
        (["--seed", "1", "--seeds", "2"], "leave --seeds"),
        (["--only", "1"], "--seed"),
        (["--trace", "t.jsonl"], "--seed"),
        (["--seed", "1", "--only", "a"], "--only a"),
        (["--seed", "1", "--only", "999"], "has no fault 999"),
        (["--faults", "netwrok"], "did you mean network?"),
        (["--faults", ","], "--faults: name some of processes"),
        (["--seed", "1", "--duration", "1", "--only", "1"], "it has no faults at all"),
        (["--scenario", "chain", "--duration", "9"], "--scenario goes with"),
        (["--scenario", "chain", "--jobs", "2"], "--scenario goes with"),
        (["--seed", "1", "--report", "a", "--trace", "a"], "--report and --trace are two files"),
        (["--election", "bully-qourum"], "did you mean bully-quorum?"),
        (["--report", "/nowhere/at/all.html"], "cannot be written"),
        (["/nowhere.toml"], "/nowhere.toml"),
    ],
)
def test_wrong_words_are_refused(interrex: Interrex, words: list[str], hint: str) -> None:
    refused(interrex("sim", *words), Exit.USAGE, hint)


def test_a_file_with_an_error_is_refused_with_its_line(interrex: Interrex, tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(FILE.format(name="shop").replace("replicas", "replcas"))
    refused(interrex("sim", file), Exit.USAGE, "shop.toml:6", "replicas")


def test_one_seed_of_a_users_own_file(interrex: Interrex, tmp_path: Path) -> None:
    file, trace, page = (tmp_path / name for name in ("shop.toml", "shop.jsonl", "shop.html"))
    file.write_text(FILE.format(name="shop"))
    words = ["--seed", "3", "--duration", "5", "--only", "none"]
    said = interrex("sim", file, *words, "--trace", trace, "--report", page)
    assert said.code == Exit.OK, said
    assert "1 seed, " in said.out
    assert "every promise was kept" in said.out
    lines = trace.read_bytes().splitlines()
    assert len(lines) > 100
    assert all("at" in json.loads(line) for line in lines[:50])
    assert "web.1" in page.read_text()


def test_several_seeds_on_two_cores_as_a_document(interrex: Interrex) -> None:
    words = ["--seeds", "3", "--jobs", "2", "--duration", "3", "--faults", "clocks", "--json"]
    said = interrex("sim", *words)
    assert said.code == Exit.OK, said
    document = json.loads(said.out)
    assert document["seeds"] == 3
    assert document["violations"] == []
    assert document["simulated_s"] >= 9
    assert {name.split("/")[0] for name in document["faults"]} <= {"clocks"}
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
    rows = page.partition("\n## As JSON\n")[2].partition("\n## ")[0].splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    assert {key for cell in cells for key in re.findall(r"`(\w+)`", cell)} == set(document)


@pytest.mark.parametrize("more", [["--seeds", "2"], ["--seeds", "2", "--minutes", "9"]])
def test_a_long_run_can_be_split(
    interrex: Interrex, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    ran = []
    real = sim_seeds.run_plan

    def noted(plan, trace=None):  # type: ignore[no-untyped-def]
        ran.append(plan.seed)
        return real(plan, trace)

    monkeypatch.setattr("interrex.cli.sim_seeds.run_plan", noted)
    words = ["--first", "4711", "--duration", "1", "--faults", "clocks", "--jobs", "1"]
    assert interrex("sim", *words, *more).code == Exit.OK
    assert ran == [4711, 4712]


def test_a_broken_promise_is_shown_with_the_faults_that_break_it(
    interrex: Interrex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run itself is the real one; that two kills are a violation is this test's claim."""
    real = sim_seeds.run_plan

    def strict(plan, trace=None):  # type: ignore[no-untyped-def]
        outcome, numbers = real(plan, trace)
        kills = [fault for fault in plan.faults if fault.name == "kill"]
        broken = Broken("nobody is killed", f"{kills[0]}", kills[0].at) if kills else None
        return _with(outcome, broken), numbers

    monkeypatch.setattr("interrex.cli.sim_seeds.run_plan", strict)
    seed = _seed_with_a_kill()
    said = interrex("sim", "--seed", str(seed), "--duration", "6", "--faults", "processes")
    assert said.code == Exit.FAILED, said
    assert f"seed {seed} broke a promise" in said.out
    assert "1 of its" in said.out
    (line,) = [line for line in said.out.splitlines() if "see it again" in line]
    command = line.split("interrex ")[1].split()
    assert command[:3] == ["sim", "--seed", str(seed)]
    again = interrex(*command)
    assert again.code == Exit.FAILED
    assert "1 of its 1 faults" in again.out


@pytest.mark.parametrize("words", [["--seed", "4"], ["--first", "4", "--seeds", "1"]])
@pytest.mark.parametrize("where", ["draw_plan", "run_plan"])
def test_an_internal_error_is_told_with_its_seed_and_how_to_see_it_again(
    interrex: Interrex, monkeypatch: pytest.MonkeyPatch, words: list[str], where: str
) -> None:
    def clumsy(*arguments: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(f"interrex.cli.sim_seeds.{where}", clumsy)
    said = interrex("sim", *words, "--jobs", "1", "--duration", "1", "--faults", "clocks")
    assert said.code == Exit.FAILED
    assert "seed 4 broke a promise at 0.000 s: internal error" in said.out
    assert "KeyError: 'oops'" in said.out
    assert "see it again: interrex sim --seed 4 --duration 1 --faults clocks" in said.out
    assert said.err == ""


def test_an_internal_error_of_a_scenario_is_told_too(
    interrex: Interrex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clumsy(*arguments: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("interrex.cli.sim_scenarios.run_scenario", clumsy)
    said = interrex("sim", "--scenario", "chain", "--seed", "4")
    assert said.code == Exit.FAILED
    assert "KeyError: 'oops'" in said.out
    assert "see it again: interrex sim --scenario chain --seed 4" in said.out


def test_what_was_done_is_told_where_the_search_for_fewer_faults_is_interrupted(
    interrex: Interrex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by Ctrl-C in its third trial: what was found by then is told, and all else too."""
    real = sim_seeds.run_plan
    runs = 0

    def strict(plan, trace=None):  # type: ignore[no-untyped-def]
        nonlocal runs
        runs += 1
        if runs == 4:
            raise KeyboardInterrupt
        outcome, numbers = real(plan, trace)
        at = plan.faults[-1].at if plan.faults else outcome.until
        return _with(outcome, Broken("nothing happens", "it does", at)), numbers

    monkeypatch.setattr("interrex.cli.sim_seeds.run_plan", strict)
    words = ["--first", "4", "--seeds", "1", "--jobs", "1", "--duration", "9", "--faults", "clocks"]
    said = interrex("sim", *words, "--json")
    assert said.code == Exit.INTERRUPTED
    document = json.loads(said.out)
    assert document["seeds"] == 1
    assert document["violated"] == 1
    (found,) = document["violations"]
    assert found["replay"].startswith("interrex sim --seed 4 --duration 9 --faults clocks --only ")
    assert runs == 4


def test_a_seed_that_is_interrupted_says_that_nothing_was_done(
    interrex: Interrex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(plan, trace=None):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt

    monkeypatch.setattr("interrex.cli.sim_seeds.run_plan", interrupted)
    said = interrex("sim", "--seed", "4")
    assert said.code == Exit.INTERRUPTED
    assert "nothing was run to its end" in said.out


def test_what_was_run_is_told_where_the_page_cannot_be_written_any_more(
    interrex: Interrex,
) -> None:
    words = ["--seed", "4", "--duration", "1", "--faults", "clocks"]
    said = interrex("sim", *words, "--report", "/dev/full")
    assert said.code == Exit.FAILED
    assert "every promise was kept" in said.out
    assert said.err == "interrex: /dev/full cannot be written: No space left on device\n"


def test_whoever_ends_a_long_run_is_told_what_was_done() -> None:
    """By SIGTERM, as of ``timeout``; and no process is left behind."""
    words = ["sim", "--seeds", "100000", "--jobs", "2", "--duration", "3"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "interrex", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        jobs = _children(process.pid, 3)  # two, and what multiprocessing cleans up with
        process.terminate()
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == Exit.INTERRUPTED
    assert "nothing was run to its end" in out or "simulated hours" in out
    assert err == ""
    for job in jobs:
        while Path(f"/proc/{job}").exists():
            os.sched_yield()


def _children(pid: int, count: int) -> list[str]:
    """The children of a process, once it has so many."""
    children: list[str] = []
    while len(children) < count:
        os.sched_yield()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return children


def _with(outcome: Outcome, broken: Broken | None) -> Outcome:
    return Outcome(
        **{name: getattr(outcome, name) for name in outcome.__struct_fields__ if name != "broken"},
        broken=broken,
    )


def _seed_with_a_kill() -> int:
    from interrex.core.time import S
    from interrex.simulator.faults.drawing import draw_plan

    for seed in range(1, 100):
        faults = draw_plan(None, seed, 6 * S, ("processes",)).faults
        if len(faults) > 1 and any(fault.name == "kill" for fault in faults):
            return seed
    raise AssertionError("no seed kills anybody")
