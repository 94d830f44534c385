"""Workers that the file asks for no longer: dismissed, and forgotten only when they have ended."""

import msgspec

from interrex.core.ids import ChangeId, HostName, SlotName, WorkerName
from interrex.core.messages import Dismiss, LaunchWorker
from interrex.core.quorum import MAX_VOTERS
from interrex.core.spec import LOCAL_HOST, ClusterSpec
from interrex.core.state import (
    ApplySpec,
    Change,
    ClusterState,
    ForgetWorker,
    Placement,
    apply,
    genesis,
)
from interrex.core.time import MS, S
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.orchestration.leader import (
    Give,
    GrantVote,
    Leader,
    LeaderEffect,
    ProposeChange,
    vote_change,
)

ME = WorkerName("worker-1")
LEAVER = WorkerName("worker-3")
BEGAN = 100 * S


def _state() -> ClusterState:
    spec = ClusterSpec(name="leaving", workers=3)
    state = genesis(spec)
    fewer = msgspec.structs.replace(spec, workers=2)
    apply(state, Change(ChangeId("fewer"), 0, (ApplySpec(fewer),)), 1)
    return state


def _fleet(connected: bool, since: int, host: HostName = LOCAL_HOST) -> Fleet:
    workers = {
        worker: WorkerView(worker, LOCAL_HOST, True, 0, since)
        for worker in (ME, WorkerName("worker-2"))
    }
    workers[LEAVER] = WorkerView(LEAVER, host, connected, since, since)
    return Fleet(ME, workers, {ME: 1, WorkerName("worker-2"): 2})


def _forgets(effects: list[LeaderEffect]) -> bool:
    return any(
        isinstance(operation, ForgetWorker)
        for effect in effects
        if isinstance(effect, ProposeChange)
        for operation in effect.change.operations
    )


def _commands(effects: list[LeaderEffect], kind: type) -> list[object]:
    return [e.command for e in effects if isinstance(e, Give) and isinstance(e.command, kind)]


def test_a_worker_that_only_lost_its_connection_is_not_forgotten() -> None:
    """The others would refuse it from then on, and it would never learn that it is not wanted.

    Found by the simulator: a removed worker lived on for ever, and could have kept its slots.
    """
    state, leader = _state(), Leader(ME, LOCAL_HOST, 1, _state())
    assert not _forgets(leader.step(state, _fleet(False, BEGAN), BEGAN + MS))
    assert leader.wake_at is not None


def test_a_removed_worker_that_is_gone_is_started_to_be_dismissed() -> None:
    state, leader = _state(), Leader(ME, LOCAL_HOST, 1, _state())
    effects = leader.step(state, _fleet(False, BEGAN), BEGAN + MS)
    assert _commands(effects, LaunchWorker) == [LaunchWorker(1, LEAVER)]


def test_a_dismissed_worker_is_forgotten_once_it_is_gone_and_not_started_again() -> None:
    state, leader = _state(), Leader(ME, LOCAL_HOST, 1, _state())
    effects = leader.step(state, _fleet(True, BEGAN - S), BEGAN)
    assert _commands(effects, Dismiss) == [Dismiss(1)]
    effects = leader.step(state, _fleet(False, BEGAN), BEGAN + MS)
    assert not _forgets(effects)
    assert not _commands(effects, LaunchWorker)
    assert leader.wake_at is not None
    assert leader.wake_at <= BEGAN + S
    assert _forgets(leader.step(state, _fleet(False, BEGAN), BEGAN + S))


def test_a_removed_worker_that_never_comes_back_is_forgotten_in_the_end() -> None:
    state, leader = _state(), Leader(ME, LOCAL_HOST, 1, _state())
    assert _forgets(leader.step(state, _fleet(False, BEGAN), BEGAN + 11 * S))


def test_who_leaves_is_dismissed_only_once_it_is_agreed_that_it_votes_no_more() -> None:
    """Found with real hosts: of two voters the leader left, and ended when it had asked for that.
    The other had not heard of it, still counted two, and nobody ever led again."""
    state, leader = _state(), Leader(LEAVER, LOCAL_HOST, 1, _state())
    fleet = msgspec.structs.replace(_fleet(True, BEGAN - S), me=LEAVER)
    votes = msgspec.structs.replace(fleet, members={**fleet.members, LEAVER: 3})
    assert GrantVote(LEAVER, None) in leader.step(state, votes, BEGAN)
    assert not _commands(leader.step(state, fleet, BEGAN + MS), Dismiss)
    assert leader.proposal_settled(vote_change(1, LEAVER))
    assert _commands(leader.step(state, fleet, BEGAN + 2 * MS), Dismiss) == [Dismiss(1)]


def test_a_lost_host_votes_no_more_but_is_known_until_all_is_stopped_there() -> None:
    """Its vote would keep another from leaving; and who is back as a stranger could be told nothing
    of what runs on there."""
    far = HostName("far")
    state, leader = _state(), Leader(ME, LOCAL_HOST, 1, _state())
    state.workers[LEAVER] = far
    state.evicted = (Placement(SlotName("balancer.2"), LEAVER, far, 0, 1, 1),)
    fleet = _fleet(False, BEGAN, far)
    votes = msgspec.structs.replace(fleet, members={**fleet.members, LEAVER: 3})
    assert GrantVote(LEAVER, None) in leader.step(state, votes, BEGAN + 11 * S)
    assert leader.proposal_settled(vote_change(1, LEAVER))
    assert not _forgets(leader.step(state, fleet, BEGAN + 12 * S))
    back = _fleet(True, BEGAN + 20 * S, far)
    assert not _commands(leader.step(state, back, BEGAN + 20 * S), Dismiss)
    state.evicted = ()
    state.index += 1
    assert _commands(leader.step(state, back, BEGAN + 21 * S), Dismiss) == [Dismiss(1)]


def test_where_all_votes_are_given_who_leaves_makes_room_before_another_one_comes() -> None:
    """Found by the simulator: two hosts took each other's place, with nine workers meanwhile. The
    first of the new ones was asked for again and again, and those that left kept their votes."""
    spec = ClusterSpec(name="moving", workers=MAX_VOTERS)
    state = genesis(spec)
    leaver = WorkerName("former-1")
    state.workers[leaver] = LOCAL_HOST
    workers = {
        worker: WorkerView(worker, LOCAL_HOST, True, 0, 0, member=number)
        for number, worker in enumerate(sorted(state.workers), start=1)
    }
    missing = WorkerName(f"worker-{MAX_VOTERS}")
    members = {worker: view.member or 0 for worker, view in workers.items() if worker != missing}
    leader = Leader(ME, LOCAL_HOST, 1, state)
    grants = [leader.step(state, Fleet(ME, workers, members), BEGAN)]
    del members[leaver]
    leader = Leader(ME, LOCAL_HOST, 2, state)
    grants.append(leader.step(state, Fleet(ME, workers, members), BEGAN))
    assert GrantVote(leaver, None) in grants[0]
    assert GrantVote(missing, workers[missing].member or 0) in grants[1]


def test_a_vote_is_taken_away_only_while_the_others_have_a_majority_that_is_here() -> None:
    """Found by the simulator: of three voters one was down and had lost its log when another one
    was removed; the two that were left could not agree on anything any more."""
    state, leader = _state(), Leader(ME, LOCAL_HOST, 1, _state())
    fleet = _fleet(True, BEGAN - S)
    fleet = msgspec.structs.replace(fleet, members={**fleet.members, LEAVER: 3})
    other = fleet.workers[WorkerName("worker-2")]
    down = {**fleet.workers, other.worker: msgspec.structs.replace(other, connected=False)}
    back = {**fleet.workers, other.worker: msgspec.structs.replace(other, member=77)}
    for workers in (down, back):
        effects = leader.step(state, msgspec.structs.replace(fleet, workers=workers), BEGAN)
        assert GrantVote(LEAVER, None) not in effects
    leader = Leader(ME, LOCAL_HOST, 2, _state())
    assert GrantVote(LEAVER, None) in leader.step(state, fleet, BEGAN + S)


def _heard_last(at: int) -> Fleet:
    """The other voter is on another host, and was last heard then; the third one votes still."""
    fleet = _fleet(True, BEGAN - S)
    other = msgspec.structs.replace(
        fleet.workers[WorkerName("worker-2")], host=HostName("far"), heard=at
    )
    workers = {**fleet.workers, other.worker: other}
    return msgspec.structs.replace(fleet, workers=workers, members={**fleet.members, LEAVER: 3})


def test_who_is_on_another_host_is_here_only_if_it_was_heard_since_a_vote_is_to_go() -> None:
    """Found by the simulator: a machine lost power, and its connections looked alive for a second.
    In that second another voter left, and those that were left had a majority no more."""
    state, leader = _state(), Leader(ME, LOCAL_HOST, 1, _state())
    assert GrantVote(LEAVER, None) not in leader.step(state, _heard_last(BEGAN - MS), BEGAN)
    assert leader.wake_at is not None
    assert leader.wake_at <= BEGAN + S
    lost = leader.step(state, _heard_last(BEGAN + MS), BEGAN + S)  # it was on its way by then
    assert GrantVote(LEAVER, None) not in lost
    assert leader.wake_at <= BEGAN + 2 * S
    there = leader.step(state, _heard_last(BEGAN + S), BEGAN + 2 * S)
    assert GrantVote(LEAVER, None) in there


def test_a_leader_that_stood_still_takes_nobody_for_heard_because_it_forgave_the_silence() -> None:
    state, leader = _state(), Leader(ME, LOCAL_HOST, 1, _state())
    leader.step(state, _heard_last(BEGAN), BEGAN)
    leader.missed(2 * S, BEGAN + 2 * S)
    forgiven = leader.step(state, _heard_last(BEGAN + 2 * S), BEGAN + 2 * S)
    assert GrantVote(LEAVER, None) not in forgiven
    heard = leader.step(state, _heard_last(BEGAN + 3 * S), BEGAN + 3 * S)
    assert GrantVote(LEAVER, None) in heard
