"""What elections promise can be asked for, and required."""

from random import Random

import msgspec
import pytest

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.core.spec import COORDINATED, ELECTIONS, REQUIREMENTS, Bully, ClusterSpec
from interrex.core.storage import Stored
from interrex.elections.guarantees import POSTGRESQL, guarantees_of, unmet
from interrex.elections.interface import Election
from interrex.elections.postgresql.postgresql import Postgres
from interrex.elections.postgresql.settings import PostgresSettings
from interrex.elections.registry import new_election

ME = WorkerName("worker-1")
CONFIGURED = {
    **{name: ClusterSpec(name="shop", election=name) for name in (*ELECTIONS, *COORDINATED)},
    "bully-quorum": ClusterSpec(name="shop", election="bully", bully=Bully(quorum=True)),
}
"""Every election of fleets, in each of its modes."""

every_election = pytest.mark.parametrize("election", CONFIGURED)


def new_core(spec: ClusterSpec) -> Election:
    return new_election(spec, ME, 1, Stored(), {1: ME}, Random(1))


@every_election
def test_every_election_declares_its_guarantees_and_its_core_says_the_same(election: str) -> None:
    spec = CONFIGURED[election]
    guarantees = new_core(spec).guarantees
    assert guarantees == guarantees_of(spec)
    assert guarantees.coordinated == (spec.election in COORDINATED)
    assert guarantees.liveness
    assert guarantees.clocks


@every_election
def test_an_election_that_is_not_fenced_says_so_to_users(election: str) -> None:
    guarantees = guarantees_of(CONFIGURED[election])
    assert guarantees.fenced or guarantees.caution


def test_an_election_of_programs_alone_is_fenced_by_those_who_receive_the_work() -> None:
    guarantees = Postgres(ME, PostgresSettings(), "me", Random(1)).guarantees
    assert guarantees == POSTGRESQL
    assert guarantees.unique_epochs
    assert not guarantees.fenced
    assert "refuse older epochs" in guarantees.caution


def test_only_bully_without_a_quorum_is_not_fenced_in_a_fleet() -> None:
    unfenced = [name for name, spec in CONFIGURED.items() if not guarantees_of(spec).fenced]
    assert unfenced == ["bully"]


@every_election
@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_what_is_required_and_not_promised_keeps_a_worker_from_starting(
    election: str, requirement: str
) -> None:
    spec = msgspec.structs.replace(CONFIGURED[election], require=requirement)
    if guarantees_of(spec).fenced:
        assert not unmet(spec)
        assert new_core(spec).leader is None
    else:
        with pytest.raises(InterrexError, match="is not fenced as it is configured"):
            new_core(spec)


def test_an_unknown_election_is_named() -> None:
    with pytest.raises(InterrexError, match="no election is called 'dice'"):
        guarantees_of(ClusterSpec(name="shop", election="dice"))
