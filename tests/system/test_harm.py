"""Faults between real workers and the kernel: disks whose syncs fail or take a second, a death
right after a vote, a wall clock that jumps. The simulator's scenarios ``sync-fails``,
``sync-takes-a-second``, ``dies-having-voted`` and ``wall-clock-jumps``."""

import errno
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from bench.fleet import Fleet
from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.spec import COORDINATED, ELECTIONS, Timing
from interrex.core.state import Scale
from interrex.core.storage import Stored
from interrex.elections.interface import PayloadReceived
from interrex.elections.paxos import messages as paxos
from interrex.elections.raft import messages as raft
from interrex.runtime.journal import read_events
from interrex.runtime.log_store import LogStore
from interrex.runtime.questions import ChangeBody
from tests.elections.paxos import solo as paxos_solo
from tests.elections.raft import solo as raft_solo
from tests.system.conftest import CALM, EVERY_ELECTION, Electing, shop
from tests.system.harm import Harm, pattern_of
from tests.system.reigns import Reigns
from tests.system.test_damage import member_of
from tests.system.test_deaths import assert_each_slot_runs_once, epoch_of, wait_without
from tests.system.votes import Promised, assert_nobody_promised_twice, promises

HOUR_S = 3600

VOTING = [name for name in ELECTIONS if name != "bully"]
BY_VOTE = pytest.mark.parametrize("election", VOTING)
"""For the test of a vote that is given twice: Bully's copies are compared when they meet, and who
leads by a service is elected by nobody's vote."""


@pytest.fixture
def fleet(
    harm: Harm, worker_id: str, election: str, electing: Electing, timing: Timing
) -> Iterator[Fleet]:
    """A fleet whose workers can be harmed."""
    spec = msgspec.structs.replace(electing(shop(worker_id), election), timing=timing)
    with Fleet(spec) as running:
        running.wait_ready()
        yield running


class Before(NamedTuple):
    """What a fleet was like when it was harmed."""

    leader: WorkerName
    others: list[WorkerName]
    replicas: dict[str, int | None]
    workers: dict[WorkerName, int]
    reigns: Reigns


def before_harm(fleet: Fleet) -> Before:
    leader = fleet.leader()
    return Before(
        leader,
        [name for name in fleet.workers if name != leader],
        fleet.replica_pids(),
        {name: fleet.pid_of(name) for name in fleet.workers},
        Reigns([fleet]),
    )


def get_acknowledged(fleet: Fleet, asked: WorkerName, replicas: int = 3) -> None:
    body = ChangeBody(ChangeId(secrets.token_hex(16)), (Scale(ServiceName("web"), replicas),))
    assert fleet.ask(asked, "POST", "/v1/changes", body)["ok"]


def led_by_another(fleet: Fleet, worker: WorkerName) -> bool:
    """Whether those that answer agree on a leader that is not this one."""
    leaders = {status.leader for status in fleet.statuses()}
    return len(leaders) == 1 and leaders.isdisjoint({None, worker})


@CALM
@EVERY_ELECTION
def test_a_worker_whose_sync_fails_ends_itself_at_once_and_says_why(
    fleet: Fleet, harm: Harm
) -> None:
    """It never tries again and pretends: its first failed sync is its last."""
    for leads in (False, True):
        before = before_harm(fleet)
        ends_itself(fleet, harm, before, before.leader if leads else before.others[0])
        assert len(before.reigns.since()) == leads


def ends_itself(fleet: Fleet, harm: Harm, before: Before, victim: WorkerName) -> None:
    pid, asked = before.workers[victim], before.others[-1]
    harm.fail_syncs(fleet.layout.store(victim), errno.EIO)
    get_acknowledged(fleet, asked)
    fleet.wait_until(lambda: pid not in set(fleet.pids()))
    assert harm.failed_syncs(pid) == 1
    assert "syncing failed (EIO)" in fleet.layout.worker_log(victim).read_text()
    fleet.wait_until(lambda: victim != before.leader or led_by_another(fleet, victim))
    get_acknowledged(fleet, asked)
    harm.mend(fleet.layout.store(victim))
    wait_without(fleet, {pid})
    assert fleet.replica_pids() == before.replicas
    if fleet.spec.election in VOTING:
        assert_nobody_promised_twice(fleet)


@pytest.mark.parametrize("election", ELECTIONS)
def test_a_leader_whose_syncs_take_a_second_hands_over_and_nobody_waits_for_its_disk(
    fleet: Fleet, harm: Harm
) -> None:
    before = before_harm(fleet)
    harm.slow_syncs(fleet.layout.store(before.leader), 1.0)
    get_acknowledged(fleet, before.others[0])
    fleet.wait_until(lambda: led_by_another(fleet, before.leader))
    told = list(read_events([fleet.layout.events(before.leader)]))
    assert any("its disk does not answer" in event.text for event in told), told
    for asked in before.others:
        get_acknowledged(fleet, asked)
    harm.mend(fleet.layout.store(before.leader))
    fleet.wait_ready()
    after = before_harm(fleet)
    assert (after.replicas, after.workers) == (before.replicas, before.workers)
    if fleet.spec.election in VOTING:
        assert 1 <= len(before.reigns.since()) <= 2, before.reigns.since()
        assert_nobody_promised_twice(fleet)


@CALM
@pytest.mark.parametrize("election", COORDINATED)
def test_a_leader_by_a_service_whose_syncs_take_a_second_leads_on_and_nobody_waits_for_its_disk(
    fleet: Fleet, harm: Harm
) -> None:
    before = before_harm(fleet)
    harm.slow_syncs(fleet.layout.store(before.leader), 1.0)
    for asked in before.others:
        get_acknowledged(fleet, asked)
    harm.mend(fleet.layout.store(before.leader))
    fleet.wait_ready()
    after = before_harm(fleet)
    assert (after.replicas, after.workers) == (before.replicas, before.workers)
    assert before.reigns.since() == []


@EVERY_ELECTION
def test_where_a_vote_takes_a_second_to_be_stored_nobody_votes_twice(
    fleet: Fleet, harm: Harm
) -> None:
    """By Bully it is whom a worker obeys; by a service nobody votes, and a worker's own disk keeps
    it from nothing."""
    before, epoch = before_harm(fleet), epoch_of(fleet)
    for other in before.others:
        harm.slow_syncs(fleet.layout.store(other), 1.0)
    os.kill(before.workers[before.leader], signal.SIGKILL)
    if fleet.spec.election in VOTING:
        fleet.wait_until(lambda: has_voted_since(fleet, before.others, epoch))
    else:
        fleet.wait_until(lambda: bool(before.reigns.since()))
    for other in before.others:
        harm.mend(fleet.layout.store(other))
    wait_without(fleet, {before.workers[before.leader]})
    assert fleet.replica_pids() == before.replicas
    assert before.reigns.since()
    if fleet.spec.election in VOTING:
        assert_nobody_promised_twice(fleet)


def has_voted_since(fleet: Fleet, workers: list[WorkerName], epoch: int) -> bool:
    return any(one.number > epoch for name in workers for one in promises(fleet.layout.store(name)))


@BY_VOTE
def test_who_dies_right_after_its_vote_remembers_it_and_gives_it_to_nobody_else(
    fleet: Fleet, harm: Harm, election: str
) -> None:
    before, epoch = before_harm(fleet), epoch_of(fleet)
    members = {member_of(fleet, name): name for name in fleet.workers}
    dead, one, other = (member_of(fleet, name) for name in (before.leader, *before.others))
    harm.kill_whoever_says(granted(election, one, other) + granted(election, other, one))
    fleet.layout.stopping.touch()  # nobody is started before its log was looked at
    os.kill(before.workers[before.leader], signal.SIGKILL)
    fleet.wait_until(lambda: harm.died_saying_it is not None)
    voter = next(w for w in before.others if before.workers[w] == harm.died_saying_it)
    fleet.wait_until(lambda: not fleet.lock_is_held(voter))

    last = promises(fleet.layout.store(voter))[-1]
    assert (last.owner, {last.owner, last.to}) == (member_of(fleet, voter), {one, other})
    assert last.number > epoch
    stored = on_disk(fleet.layout.store(voter))
    assert gives(election, stored, members, last)
    assert not gives(election, stored, members, last._replace(to=dead))

    fleet.layout.stopping.unlink()
    wait_without(fleet, {before.workers[before.leader], before.workers[voter]})
    assert fleet.replica_pids() == before.replicas
    assert before.reigns.since()
    assert_nobody_promised_twice(fleet)


def granted(election: str, voter: int, candidate: int) -> list[str]:
    """How a vote that is given looks when it is sent, whatever its term and its campaign."""
    some, others = (0, 1 << 40), (127, (1 << 64) - 1 - (1 << 40))
    if election == "raft":
        votes = [raft.Vote(candidate, voter, *numbers, granted=True) for numbers in (some, others)]
        return [pattern_of(*map(raft.encode, votes))]
    promised = [
        paxos.Promise(candidate, voter, *numbers, 0, 1, 0, 0, ()) for numbers in (some, others)
    ]
    beginnings = [paxos.encode(one)[:-5] for one in promised]
    return [pattern_of(*beginnings)]


def on_disk(folder: Path) -> Stored:
    """What a worker that starts finds in its log."""
    store = LogStore(folder, must_exist=True)
    try:
        return store.load()
    finally:
        store.close()


def gives(election: str, stored: Stored, members: Mapping[int, WorkerName], vote: Promised) -> bool:
    """Whether a core that starts from this disk gives this vote, to a candidate that knows all."""
    ends, number, all_there_is = (vote.owner, vote.to), vote.number, 1 << 40
    voter: paxos_solo.Solo | raft_solo.Solo
    if election == "paxos":
        voter = paxos_solo.Solo(stored=stored, member=vote.owner, genesis=members)
        asked = paxos.encode(paxos.Prepare(*ends, number, 1, all_there_is, (), 0))
    else:
        voter = raft_solo.Solo(stored=stored, member=vote.owner, genesis=members)
        asked = raft.encode(raft.RequestVote(*ends, number, 1, all_there_is, number, 0))
    voter.step(PayloadReceived(members[vote.to], asked))
    answers = [one for one in voter.take() if one.target == vote.to]
    assert answers, "it does not answer at all"
    return any(
        isinstance(one, paxos.Promise) or (isinstance(one, raft.Vote) and one.granted)
        for one in answers
    )


@CALM
@EVERY_ELECTION
def test_a_wall_clock_that_jumps_by_an_hour_and_back_changes_nothing(
    fleet: Fleet, harm: Harm
) -> None:
    before, epochs = before_harm(fleet), {status.epoch for status in fleet.statuses()}
    for wrong_by_s in (HOUR_S, -HOUR_S, 0):
        now = time.time()
        harm.set_clock(wrong_by_s)
        get_acknowledged(fleet, before.leader, replicas=4)
        fleet.wait_until(lambda: len(fleet.replica_pids()) == 4 and fleet.is_ready())
        get_acknowledged(fleet, before.leader, replicas=3)
        fleet.wait_until(lambda: len(fleet.replica_pids()) == 3 and fleet.is_ready())
        written = read_events([fleet.layout.events(name) for name in fleet.workers])
        assert any(abs(event.time - wrong_by_s - now) < HOUR_S / 2 for event in written)
    after = before_harm(fleet)
    assert (after.leader, after.replicas) == (before.leader, before.replicas)
    assert after.workers == before.workers
    assert {status.epoch for status in fleet.statuses()} == epochs
    assert before.reigns.since() == []
    assert_each_slot_runs_once(fleet)
