"""Every planted bug fits the code as it is today, and is one bug of its own."""

import ast
import importlib.util
from pathlib import Path

import pytest

from interrex.simulator.mutants.catalogue import AREAS, MUTANTS
from interrex.simulator.mutants.mutant import Edit, Mutant, StaleMutant, bug, mutated

CORES = {"core", "elections", "supervision", "orchestration", "balancer", "worker"}


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def test_there_are_enough_and_every_name_is_its_own() -> None:
    assert sum(map(len, AREAS.values())) == len(MUTANTS) >= 45


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=lambda mutant: mutant.name)
def test_each_fits_its_modules_and_changes_what_they_do(mutant: Mutant) -> None:
    for module in mutant.modules:
        source = _source(module)
        changed = mutated(mutant, module, source)
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
        assert module.split(".")[1] in CORES
    assert mutant.rule.endswith(".")


def test_no_two_are_the_same_bug() -> None:
    bugs = {(mutant.edits, mutant.election) for mutant in MUTANTS.values()}
    assert len(bugs) == len(MUTANTS)


def test_a_bug_whose_text_is_gone_is_stale() -> None:
    with pytest.raises(StaleMutant, match=r"gone: found 0 times in some\.module"):
        mutated(bug("gone", "A rule.", "some.module", "old", "new"), "some.module", "other\n")


def test_a_bug_whose_text_occurs_twice_is_stale() -> None:
    with pytest.raises(StaleMutant, match="found 2 times"):
        mutated(bug("double", "A rule.", "some.module", "old", "new"), "some.module", "old old")


def test_other_modules_stay_as_they_are() -> None:
    mutant = Mutant("one", "A rule.", (Edit("some.module", "old", "new"),))
    assert mutated(mutant, "another.module", "old") == "old"
