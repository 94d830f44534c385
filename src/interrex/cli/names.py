"""Names of services, slots and workers that a user types, held against those that there are."""

from collections.abc import Iterable
from typing import NamedTuple

from interrex.cli.exits import CommandError, Exit
from interrex.core.ids import ServiceName, SlotName, service_of


class Target(NamedTuple):
    """What ``web`` or ``web.2`` means; ``slot`` None: the whole service."""

    service: ServiceName
    slot: SlotName | None

    def covers(self, slot: SlotName) -> bool:
        """Whether a slot is meant."""
        return self.slot == slot if self.slot is not None else service_of(slot) == self.service


def read_target(text: str) -> Target:
    """Take ``SERVICE`` or ``SERVICE.N`` apart."""
    service, dot, number = text.rpartition(".")
    if dot and number.isdigit():
        return Target(ServiceName(service), SlotName(text))
    return Target(ServiceName(text), None)


def unknown(kind: str, name: str, known: Iterable[str]) -> CommandError:
    """What to say of a name that there is not."""
    names = sorted(known)
    there = f"there are: {', '.join(names)}" if names else "there are none"
    return CommandError(f"there is no {kind} {name}{meant(name, names)}\n{there}", Exit.USAGE)


def meant(name: str, known: Iterable[str]) -> str:
    """``; did you mean web?``, or nothing where no name is near."""
    from interrex.config.problems import nearest

    near = nearest(name, tuple(known))
    return f"; did you mean {near}?" if near else ""
