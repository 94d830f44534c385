"""What a worker makes of not being known: only what is certainly no passing thing ends it."""

import msgspec
import pytest

from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Known
from interrex.core.spec import ClusterSpec, HostSpec
from interrex.core.state import ClusterState, genesis
from interrex.core.time import MS, S
from interrex.worker.interface import NotKnown
from interrex.worker.refusals import Refusals
from tests.worker.conftest import by_a_majority
from tests.worker.town import Host, Town, cluster, service

NAMED = WorkerName("worker-1")
NOT_NAMED = WorkerName("worker-3")
PEER = WorkerName("worker-2")
LOST_HOST = 10 * S


def _state(index: int) -> ClusterState:
    state = genesis(ClusterSpec(name="refused", workers=2))
    state.index = index
    return state


def _led(index: int) -> NotKnown:
    return NotKnown(index, led=True)


def _refused_throughout(refusals: Refusals, refusal: NotKnown, state: ClusterState) -> list[int]:
    """Refused every second for as long as a lost host is waited for, and a bit longer.

    Returns:
        When it is enough.
    """
    times = range(S, LOST_HOST + 4 * S, S)
    return [now for now in times if refusals.are_enough(refusal, state, now)]


def test_a_refusal_by_a_newer_state_says_that_this_worker_was_removed() -> None:
    """Found by the simulator: a follower that had not heard yet that a worker was removed started
    it again, and it lived on for ever, refused by all."""
    refusals = Refusals(NAMED)
    assert refusals.are_enough(_led(4), _state(3), S)
    assert not refusals.are_enough(_led(3), _state(3), 2 * S)
    assert not refusals.are_enough(_led(2), _state(3), 3 * S)


def test_one_that_its_own_state_does_not_name_waits_before_it_believes_refusals() -> None:
    assert _refused_throughout(Refusals(NOT_NAMED), _led(4), _state(0))[0] == LOST_HOST + S


def test_one_that_has_read_itself_that_it_is_removed_ends_alike() -> None:
    """Found by the simulator: where a coordination service has the log, a removed worker's state
    is as new as anybody's, and it lived on for ever, refused by all."""
    assert _refused_throughout(Refusals(NOT_NAMED), _led(4), _state(4))[0] == LOST_HOST + S


@pytest.mark.parametrize("worker", [NAMED, NOT_NAMED])
def test_one_that_follows_no_leader_may_be_behind_and_ends_nobody(worker: WorkerName) -> None:
    refusals = Refusals(worker)
    assert not _refused_throughout(refusals, NotKnown(9, led=False), _state(3))
    assert not refusals.stand(_state(3), LOST_HOST)


@pytest.mark.parametrize(("refused_at", "own"), [(0, 0), (3, 4)])
def test_one_of_an_older_state_ends_nobody(refused_at: int, own: int) -> None:
    assert not _refused_throughout(Refusals(NOT_NAMED), _led(refused_at), _state(own))


def test_nor_one_that_is_behind_a_peer_by_which_this_worker_joins() -> None:
    """A follower whose disk is full follows, and applies nothing."""
    refusals = Refusals(NOT_NAMED)
    refusals.told(PEER, Known(5, 3, ()))
    assert not _refused_throughout(refusals, _led(4), _state(0))
    refusals.lost(PEER)
    assert _refused_throughout(refusals, _led(4), _state(0))


def test_who_is_refused_no_more_for_a_while_begins_to_wait_anew() -> None:
    refusals, state = Refusals(NOT_NAMED), _state(0)
    assert not refusals.are_enough(_led(4), state, S)
    assert refusals.stand(state, S + LOST_HOST - MS)
    assert not refusals.stand(state, S + LOST_HOST)
    assert _refused_from(refusals, state, 20 * S) == 30 * S


def _refused_from(refusals: Refusals, state: ClusterState, begin: int) -> int:
    return next(
        now for now in range(begin, begin + 60 * S, S) if refusals.are_enough(_led(4), state, now)
    )


@by_a_majority
@pytest.mark.parametrize("led", [False, True])
def test_two_whom_nobody_asks_for_do_not_start_each_other(each_election: str, led: bool) -> None:
    """Found by the simulator: each of the two workers of a host that was taken from the file before
    they began ended once it had been refused for long enough, and was started by the other."""
    a, b = (HostSpec(HostName(name), f"10.0.0.{name}:7000", 2) for name in "ab")
    town = Town(msgspec.structs.replace(cluster(service("web", 1)), hosts=(a,)))
    town.hosts[b.name] = Host()
    town.hosts[b.name].keep(Known(1, 2, (a, b)))
    one, other = WorkerName("b-1"), WorkerName("b-2")
    for worker in (one, other):
        town.welcome(worker, b.name)
    town.cut_off("a")
    town.start()
    town.run_for(S)
    town.post(one, NotKnown(4, led))
    town.kill(other)
    town.run_for(5 * S)
    assert (other in town.launched) is not led
