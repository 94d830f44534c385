"""A user's write while the leader dies: it waits for no more than the election itself."""

from collections.abc import Iterable

import pytest

from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.state import Scale
from interrex.core.time import MS, S
from interrex.elections.replicated.election import ReplicatedElection
from interrex.worker.interface import ChangeAsked
from tests.worker.conftest import with_a_log
from tests.worker.town import DELAY, WRITE, Town, cluster, service

WEB = ServiceName("web")
NOTICE = 2 * MS
"""How long a town takes to prove a death."""


@pytest.fixture
def town() -> Town:
    town = Town(cluster(service("web", 3)))
    town.start()
    town.run_until(town.all_ready)
    town.run_for(S)
    return town


def ask(town: Town, workers: Iterable[WorkerName]) -> None:
    for number, name in enumerate(sorted(workers), start=1):
        change = ChangeId(f"user-{number}")
        town.post(name, ChangeAsked(number, change, (Scale(WEB, 3 + number),)))


def heir_of(town: Town, name: WorkerName) -> WorkerName | None:
    election = town.workers[name].election
    assert isinstance(election, ReplicatedElection)
    return election.heir


def test_a_write_at_whoever_votes_is_there_when_the_next_leader_wins(town: Town) -> None:
    town.kill(town.leader())
    died_at = town.now
    ask(town, town.workers)
    town.run_until(lambda: len(town.answers) == 2)
    elected = 2 * DELAY + WRITE
    first_entry_and_the_writes_behind_it = 2 * DELAY + 2 * WRITE
    told = DELAY
    assert town.now - died_at == NOTICE + elected + first_entry_and_the_writes_behind_it + told


def test_a_write_that_was_told_early_stands_in_the_log_once(town: Town) -> None:
    town.kill(town.leader())
    ask(town, town.workers)
    town.run_until(lambda: len(town.answers) == 2)
    town.run_for(S)
    log = town.disks[town.leader()].entries
    assert sum(b"user-1" in entry.data for entry in log) == 1
    assert sum(b"user-2" in entry.data for entry in log) == 1


@with_a_log
@pytest.mark.usefixtures("each_election")
def test_a_write_is_not_lost_with_the_heir_that_was_told_of_it() -> None:
    town = Town(cluster(service("web", 3)))
    town.start()
    town.run_until(town.all_ready)
    leader = town.leader()
    town.kill(leader)
    ask(town, town.workers)
    town.run_until(lambda: any(heir_of(town, name) not in (None, name) for name in town.workers))
    town.run_for(DELAY)
    voter = next(name for name in town.workers if heir_of(town, name) not in (None, name))
    heir = heir_of(town, voter)
    assert heir is not None
    town.kill(heir)
    asked_by_the_voter = 1 + sorted([voter, heir]).index(voter)
    town.run_until(lambda: any(one.request == asked_by_the_voter for one in town.answers))
    assert all(one.ok for one in town.answers)
    town.run_until(lambda: len(town.running("web")) == 3 + asked_by_the_voter)
