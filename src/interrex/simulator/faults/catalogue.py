"""All families of faults, and drawing a plan from a seed."""

from interrex.simulator.faults.kind import Family, Kind
from interrex.simulator.faults.network import NETWORK
from interrex.simulator.faults.processes import PROCESSES
from interrex.simulator.plan import Fault

FAMILIES: dict[str, Family] = {family.name: family for family in (PROCESSES, NETWORK)}

_KINDS: dict[tuple[str, str], Kind] = {
    (family.name, kind.name): kind for family in FAMILIES.values() for kind in family.kinds
}


def kind_of(fault: Fault) -> Kind:
    """What a planned fault is.

    Raises:
        KeyError: there is none of this name.
    """
    return _KINDS[fault.kind, fault.name]
