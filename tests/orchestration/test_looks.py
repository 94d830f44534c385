"""A look at a fleet that is in order, and has not changed since the last one, goes over nothing."""

from collections.abc import ItemsView, ValuesView

import msgspec
import pytest

from interrex.core.ids import ChangeId, ServiceName, SlotName, WorkerName
from interrex.core.messages import Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.spec import LOCAL_HOST, ClusterSpec, ServiceSpec
from interrex.core.state import ClusterState, Placement, apply, genesis
from interrex.core.time import S, seconds
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.orchestration.leader import BAD_PORT_MEMORY, Leader, LeaderEffect, ProposeChange

ME, OTHER = WorkerName("worker-1"), WorkerName("worker-2")
WEB = ServiceSpec(name=ServiceName("web"), command=("web",), replicas=4)
MEMBERS = {ME: 1, OTHER: 2}
START = 100 * S


class Watched(dict[SlotName, Placement]):
    """Placements that know how often somebody went over them."""

    gone_over = 0

    def values(self) -> ValuesView[Placement]:  # type: ignore[override]
        self.gone_over += 1
        return super().values()

    def items(self) -> ItemsView[SlotName, Placement]:  # type: ignore[override]
        self.gone_over += 1
        return super().items()


class Town:
    """A leader, its state, and what it sees; every change it proposes is agreed at once."""

    def __init__(self) -> None:
        spec = ClusterSpec(name="shop", workers=2, services={WEB.name: WEB})
        self.state: ClusterState = genesis(spec)
        self.leader = Leader(ME, LOCAL_HOST, 1, self.state)
        self.views = {
            name: WorkerView(name, LOCAL_HOST, True, 0, START, number)
            for name, number in MEMBERS.items()
        }

    def look(self, now: int) -> list[LeaderEffect]:
        views = {n: msgspec.structs.replace(v, heard=now) for n, v in self.views.items()}
        effects = self.leader.step(self.state, Fleet(ME, views, MEMBERS), now)
        for effect in effects:
            if isinstance(effect, ProposeChange):
                apply(self.state, effect.change, self.state.index + 1)
                self.leader.proposal_settled(effect.change.id)
        return effects

    def change(self, worker: WorkerName, **fields: object) -> None:
        self.views[worker] = msgspec.structs.replace(self.views[worker], **fields)

    @property
    def placements(self) -> Watched:
        assert isinstance(self.state.placements, Watched)
        return self.state.placements


@pytest.fixture
def town() -> Town:
    """All slots are placed and assigned."""
    town = Town()
    while town.look(START):
        pass
    town.state.placements = Watched(town.state.placements)
    town.look(START)
    town.placements.gone_over = 0
    return town


def test_nothing_is_gone_over_while_nothing_changes(town: Town) -> None:
    for passed in range(1, 60):
        assert town.look(START + passed * S) == []
    assert town.placements.gone_over == 0


def test_a_new_report_is_looked_at(town: Town) -> None:
    town.change(OTHER, report=Report(LOCAL_HOST, 7, 2, (), (), False), replicas={})
    town.look(START + S)
    assert town.placements.gone_over > 0


def test_a_change_of_the_state_is_looked_at(town: Town) -> None:
    town.state.index += 1
    town.look(START + S)
    assert town.placements.gone_over > 0


def test_what_may_not_have_arrived_is_given_again(town: Town) -> None:
    town.leader.worker_lost(OTHER)
    assert town.look(START + S)


def test_time_alone_lets_a_lost_workers_slots_move(town: Town) -> None:
    town.change(OTHER, connected=False, since=START + S)
    while town.look(START + S):
        pass
    grace = START + S + seconds(town.state.spec.timing.respawn_grace)
    assert town.leader.wake_at is not None
    assert {placement.worker for placement in town.placements.values()} == {ME, OTHER}
    while town.look(grace):
        pass
    assert {placement.worker for placement in town.state.placements.values()} == {ME}


def test_time_alone_lets_a_strangers_port_be_tried_again(town: Town) -> None:
    slot = next(p.slot for p in town.state.placements.values() if p.worker == OTHER)
    first = town.state.placements[slot].port
    _find_stranger(town, slot, START + S)
    while town.look(START + S):
        pass
    assert town.state.placements[slot].port != first
    town.state.spec = msgspec.structs.replace(town.state.spec, ports=(21000, 21004))
    _find_stranger(town, slot, START + 2 * S)
    while town.look(START + 2 * S):
        pass
    stuck = town.state.placements[slot].port
    assert stuck != first
    while town.look(START + S + BAD_PORT_MEMORY):
        pass
    assert town.state.placements[slot].port == first


def _find_stranger(town: Town, slot: SlotName, now: int) -> None:
    port = town.state.placements[slot].port
    report = ReplicaReport(
        slot, ReplicaState.BLOCKED, 1, port, None, 1, 0, False, "", now, port_taken=True
    )
    town.change(OTHER, replicas={slot: report})


def test_a_change_that_another_asked_for_is_none_to_plan_anew_for(town: Town) -> None:
    assert not town.leader.proposal_settled(ChangeId("contest-1"))
    town.look(START)
    assert not town.placements.gone_over
