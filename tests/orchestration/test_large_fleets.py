"""A large fleet is placed in changes that are each short enough to be sent."""

from interrex.core.ids import ServiceName, WorkerName
from interrex.core.sizes import MAX_CHANGE_BYTES
from interrex.core.spec import ClusterSpec, ServiceSpec
from interrex.core.state import apply, encode_change, genesis
from interrex.core.time import S
from interrex.orchestration.fleet import Fleet, WorkerView
from interrex.orchestration.leader import MOST_OPERATIONS, Leader, ProposeChange

WEB = ServiceName("web")


def test_two_thousand_replicas_are_placed_by_several_changes() -> None:
    web = ServiceSpec(name=WEB, command=("serve",), replicas=2500)
    state = genesis(ClusterSpec(name="shop", workers=7, services={WEB: web}))
    views = {
        worker: WorkerView(worker, host, True, 0, 100 * S) for worker, host in state.workers.items()
    }
    me = WorkerName("worker-1")
    lead = Leader(me, state.workers[me], 1, state)
    sizes = []
    for index in range(1, 9):
        for effect in lead.step(state, Fleet(me, views, {}), 100 * S + index):
            if isinstance(effect, ProposeChange):
                sizes.append(len(effect.change.operations))
                assert len(encode_change(effect.change)) <= MAX_CHANGE_BYTES
                apply(state, effect.change, index)
                lead.proposal_settled(effect.change.id)
    assert sizes == [MOST_OPERATIONS, MOST_OPERATIONS, 500]
    assert len(state.placements) == 2500
