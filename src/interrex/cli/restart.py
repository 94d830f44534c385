"""``interrex restart``."""

from interrex.cli.changes import running_status, submit
from interrex.cli.exits import Exit
from interrex.cli.names import read_target, unknown
from interrex.cli.places import ClusterOption, StateOption, TargetName, find_cluster
from interrex.core.ids import BALANCER, SlotName
from interrex.core.state import Restart
from interrex.worker.status import Status


def restart(of: TargetName, /, *, state: StateOption = None, cluster: ClusterOption = None) -> int:
    """Replace the processes of a service, one at a time, or that of one replica.

    Each replica drains first, and the next one waits until it is ready again.

    Example: interrex restart web.2

    Args:
        of: A service (web), a replica (web.2), or balancer.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
        cluster: Which cluster; by default the only one, or the only one that runs.
    """
    layout = find_cluster(state, cluster)
    status = running_status(layout)
    target = read_target(of)
    slots = [slot for slot in _slots(status) if target.covers(slot)]
    if not slots:
        known = {*_slots(status), *status.services, *([BALANCER] if status.balancer else [])}
        raise unknown("service or replica", of, known)
    index = submit(layout, status, [Restart(target.service, target.slot)])
    print(f"restarting {', '.join(slots)} (change {index})")
    return Exit.OK


def _slots(status: Status) -> list[SlotName]:
    of_services = [one.name for service in status.services.values() for one in service.replicas]
    return [*of_services, *(one.name for one in status.balancer)]
