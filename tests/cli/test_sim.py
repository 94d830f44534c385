"""``interrex sim`` as a user calls it."""

import json
from pathlib import Path

import pytest

from interrex.cli import sim as sim_module
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

    monkeypatch.setattr(sim_module, "run_plan", strict)
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
