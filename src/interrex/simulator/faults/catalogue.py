"""All families of faults by name."""

from interrex.simulator.faults.clocks import CLOCKS
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
    for family in (PROCESSES, NETWORK, DISKS, MACHINES, CLOCKS, REPLICAS, PORTS, USERS)
}

_KINDS: dict[tuple[str, str], Kind] = {
    (family.name, kind.name): kind for family in FAMILIES.values() for kind in family.kinds
}


def kind_of(fault: Fault) -> Kind:
    """What a planned fault is.

    Raises:
        KeyError: there is none of this name.
    """
    return _KINDS[fault.kind, fault.name]
