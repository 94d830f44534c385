"""What elections promise can be asked for, and required."""

from random import Random

import pytest

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.core.spec import ELECTIONS, REQUIREMENTS, ClusterSpec
from interrex.core.storage import Stored
from interrex.elections.guarantees import guarantees_of, unmet
from interrex.elections.registry import new_election

ME = WorkerName("worker-1")


@pytest.mark.parametrize("election", ELECTIONS)
def test_every_election_declares_its_guarantees_and_its_core_says_the_same(election: str) -> None:
    spec = ClusterSpec(name="shop", election=election)
    core = new_election(spec, ME, 1, Stored(), {1: ME}, Random(1))
    assert core.guarantees == guarantees_of(spec)
    assert core.guarantees.liveness
    assert core.guarantees.clocks


@pytest.mark.parametrize("election", ELECTIONS)
def test_an_election_that_is_not_fenced_says_so_to_users(election: str) -> None:
    guarantees = guarantees_of(ClusterSpec(name="shop", election=election))
    assert guarantees.fenced or guarantees.caution


@pytest.mark.parametrize("election", ELECTIONS)
@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_what_is_required_and_not_promised_keeps_a_worker_from_starting(
    election: str, requirement: str
) -> None:
    spec = ClusterSpec(name="shop", election=election, require=requirement)
    if guarantees_of(spec).fenced:
        assert not unmet(spec)
        assert new_election(spec, ME, 1, Stored(), {1: ME}, Random(1)).leader is None
    else:
        with pytest.raises(InterrexError, match="is not fenced as it is configured"):
            new_election(spec, ME, 1, Stored(), {1: ME}, Random(1))


def test_an_unknown_election_is_named() -> None:
    with pytest.raises(InterrexError, match="no election is called 'dice'"):
        guarantees_of(ClusterSpec(name="shop", election="dice"))
