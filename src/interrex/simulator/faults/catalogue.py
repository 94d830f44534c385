"""All families of faults by name."""

from interrex.core.spec import ClusterSpec
from interrex.elections.guarantees import guarantees_of
from interrex.simulator.faults.clocks import CLOCKS
from interrex.simulator.faults.coordination import COORDINATION
from interrex.simulator.faults.disks import DISKS
from interrex.simulator.faults.kind import Family, Kind
from interrex.simulator.faults.machines import MACHINES
from interrex.simulator.faults.network import NETWORK
from interrex.simulator.faults.ports import PORTS
from interrex.simulator.faults.processes import PROCESSES
from interrex.simulator.faults.replicas import REPLICAS
from interrex.simulator.faults.users import USERS
from interrex.simulator.plan import Fault

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        PROCESSES,
        NETWORK,
        DISKS,
        MACHINES,
        CLOCKS,
        REPLICAS,
        PORTS,
        USERS,
        COORDINATION,
    )
}

_KINDS: dict[tuple[str, str], Kind] = {
    (family.name, kind.name): kind for family in FAMILIES.values() for kind in family.kinds
}


def families_of(spec: ClusterSpec) -> tuple[str, ...]:
    """The names of the families of faults that can befall such a cluster."""
    rests = guarantees_of(spec).coordinated
    return tuple(name for name in FAMILIES if rests or name != COORDINATION.name)


def kind_of(fault: Fault) -> Kind:
    """What a planned fault is.

    Raises:
        KeyError: there is none of this name.
    """
    return _KINDS[fault.kind, fault.name]
