"""The leader's table and the host's own view, merged."""

import pytest

from interrex.balancer.routes import merge
from interrex.core.ids import SlotName
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.routes import EndpointState, RouteTable
from tests.balancer.tables import DOWN, DRAIN, READY, endpoint, route, table, web


def _report(
    state: ReplicaState,
    slot: str = "web.0",
    port: int = 21000,
    since: int = 0,
    unproven: bool = False,
) -> ReplicaReport:
    return ReplicaReport(
        slot=SlotName(slot),
        state=state,
        generation=1,
        port=port,
        pid=7,
        incarnation=1,
        restarts=0,
        crash_looping=False,
        reason="",
        since=since,
        unproven=unproven,
    )


def _state(merged: RouteTable) -> EndpointState:
    return merged.services[0].endpoints[0].state


@pytest.mark.parametrize(
    ("leader", "own", "merged"),
    [
        (READY, ReplicaState.READY, READY),
        (READY, ReplicaState.RUNNING, DOWN),
        (READY, ReplicaState.STARTING, DOWN),
        (READY, ReplicaState.STOPPING, DRAIN),
        (READY, ReplicaState.WAITING, DOWN),
        (READY, ReplicaState.HELD, DOWN),
        (READY, ReplicaState.STOPPED, DOWN),
        (DOWN, ReplicaState.READY, READY),
        (DRAIN, ReplicaState.READY, DRAIN),
        (DRAIN, ReplicaState.STOPPING, DRAIN),
        (DRAIN, ReplicaState.STOPPED, DOWN),
    ],
)
def test_of_its_own_replicas_the_host_knows_best(
    leader: EndpointState, own: ReplicaState, merged: EndpointState
) -> None:
    assert _state(merge(web(leader), [_report(own)])) is merged


@pytest.mark.parametrize("leader", list(EndpointState))
def test_while_a_replica_is_taken_up_again_the_leaders_word_stands(leader: EndpointState) -> None:
    assert _state(merge(web(leader), [_report(ReplicaState.CLAIMING)])) is leader
    asked_by_nobody_yet = _report(ReplicaState.RUNNING, unproven=True)
    assert _state(merge(web(leader), [asked_by_nobody_yet])) is leader


@pytest.mark.parametrize("leader", list(EndpointState))
def test_without_an_own_view_the_leaders_word_stands(leader: EndpointState) -> None:
    assert _state(merge(web(leader), [])) is leader
    assert _state(merge(web(leader), [_report(ReplicaState.READY, slot="web.9")])) is leader


def test_a_view_of_another_port_is_of_another_life_of_the_slot() -> None:
    assert _state(merge(web(READY), [_report(ReplicaState.STOPPED, port=21999)])) is READY


def test_a_slot_that_is_now_on_another_host_is_not_ours_to_judge() -> None:
    elsewhere = table(route(endpoint("web.0", 21000, address="10.0.0.2")))
    assert _state(merge(elsewhere, [_report(ReplicaState.STOPPED)])) is READY


def test_of_two_reports_the_later_state_counts() -> None:
    old = _report(ReplicaState.STOPPED, since=5)
    new = _report(ReplicaState.READY, since=6)
    assert _state(merge(web(DOWN), [old, new])) is READY
    assert _state(merge(web(DOWN), [new, old])) is READY


def test_epoch_and_version_stay_the_leaders() -> None:
    merged = merge(table(epoch=3, version=8), [])
    assert (merged.epoch, merged.version) == (3, 8)
