"""``interrex:///CLUSTER/NAME`` on a real fleet: programs that lead one after the other."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import interrex
from bench.fleet import Fleet
from bench.specs import bare
from interrex.library import blocking
from interrex.library.errors import MalformedUrl, NoCluster, UnknownOption, WrongVersion
from interrex.runtime.clock import now_ns
from interrex.worker.guardian import CANDIDATE_LEASE
from tests.library.programs import Program, Programs


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(bare()) as running:
        running.wait_ready()
        yield running


@pytest.fixture
def url(fleet: Fleet, request: pytest.FixtureRequest) -> str:
    return f"interrex:///bench/{request.node.name}?state={fleet.root}"


class Candidates(Programs):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def begin(self, identity: str, priority: int = 0) -> Program:
        return self.start(self._url, identity, priority)


@pytest.fixture
def candidates(url: str) -> Iterator[Candidates]:
    running = Candidates(url)
    try:
        yield running
    finally:
        running.end()


def test_the_holder_is_killed_and_the_next_by_priority_leads(candidates: Candidates) -> None:
    first = candidates.begin("a")
    epochs = [candidates.leads(first).epoch]
    low, high = candidates.begin("b", 1), candidates.begin("c", 2)
    for program in (low, high):
        program.line_that_begins("waiting")
    for dead, following in ((first, high), (high, low)):
        killed = now_ns()
        dead.signal(signal.SIGKILL)
        led = candidates.leads(following)
        epochs.append(led.epoch)
        assert led.at - killed < CANDIDATE_LEASE, "its lease was waited for"
    assert epochs == sorted(set(epochs))


def test_the_holder_goes_on_while_the_workers_are_killed_one_after_the_other(
    fleet: Fleet, candidates: Candidates
) -> None:
    first = candidates.begin("a")
    epoch = candidates.leads(first).epoch
    second = candidates.begin("b")
    second.line_that_begins("waiting")
    for worker in fleet.workers:
        os.kill(fleet.pid_of(worker), signal.SIGKILL)
        fleet.wait_until(fleet.is_ready)
    first.signal(signal.SIGKILL)
    assert candidates.leads(second).epoch > epoch


def test_a_program_whose_worker_hangs_is_not_taken_for_another_of_its_own_identity(
    fleet: Fleet, candidates: Candidates
) -> None:
    """What it said last lies unread at a worker that is killed for its silence."""
    program = candidates.begin("a")
    epoch = candidates.leads(program).epoch
    fleet.wait_until(fleet.is_ready)
    os.kill(fleet.pid_of(fleet.leader()), signal.SIGSTOP)
    program.line_that_begins("ended")
    assert candidates.leads(program).epoch > epoch
    fleet.wait_until(fleet.is_ready)


def test_a_program_that_lost_all_workers_for_longer_than_its_lease_leads_again(
    fleet: Fleet, candidates: Candidates
) -> None:
    program = candidates.begin("a")
    epoch = candidates.leads(program).epoch
    pids = [fleet.pid_of(worker) for worker in fleet.workers]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # at once: none starts another
        for pid in pids:
            os.kill(pid, number)
    program.line_that_begins("ended")
    fleet.launch()
    assert candidates.leads(program).epoch > epoch


def test_an_identity_is_given_once_and_the_second_learns_who_has_it(candidates: Candidates) -> None:
    first = candidates.begin("a")
    candidates.leads(first)
    second = candidates.begin("a")
    line = second.line()
    assert line.startswith("IdentityTaken: the identity 'a' is taken: process")
    assert str(first.pid) in line
    assert str(second.pid) in line


async def test_a_worker_of_another_version_is_told_with_both_numbers(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interrex.library.local.VERSION", 99)
    with pytest.raises(WrongVersion, match="worker speaks version 1, and this program version 99"):
        async with interrex.election(url, identity="a"):
            raise AssertionError("it was entered")


async def test_without_a_cluster_the_program_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NoCluster, match="interrex up FILE"):
        async with interrex.election(f"interrex:///nowhere/x?state={tmp_path}"):
            pass


def test_a_wrong_url_is_refused_before_anything_happens() -> None:
    with pytest.raises(MalformedUrl, match="CLUSTER/NAME"):
        interrex.election("interrex://host/x")
    with pytest.raises(UnknownOption, match="colour"):
        interrex.election("interrex:///a/b?colour=red")


def test_whoever_leaves_as_soon_as_it_leads_may_come_again_at_once(url: str) -> None:
    """The worker was about to tell it more, found it gone, and read its last words no more."""
    epochs = []
    for _ in range(20):
        with blocking.election(url, identity="a") as election, election.lead() as leadership:
            epochs.append(leadership.epoch)
    assert epochs == sorted(set(epochs))
