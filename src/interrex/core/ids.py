"""Names: of hosts, workers, services and slots.

A *slot* (``web.2``) is a replica's place: it keeps its name and its port for life, while the
processes in it come and go.
"""

from functools import lru_cache
from typing import NewType

HostName = NewType("HostName", str)
WorkerName = NewType("WorkerName", str)
ServiceName = NewType("ServiceName", str)
SlotName = NewType("SlotName", str)
ChangeId = NewType("ChangeId", str)

BALANCER = ServiceName("balancer")
"""The built-in service whose replicas are the HAProxy processes."""

KNOWN = 16_384
"""Of so many slots it is remembered what their names mean: every look at the fleet asks for all."""


def slot_name(service: ServiceName, number: int) -> SlotName:
    """The slot of a service with this number, counted from 0."""
    return SlotName(f"{service}.{number}")


@lru_cache(maxsize=KNOWN)
def service_of(slot: SlotName) -> ServiceName:
    """The service that a slot belongs to."""
    return ServiceName(slot.rpartition(".")[0])


@lru_cache(maxsize=KNOWN)
def number_of(slot: SlotName) -> int:
    """A slot's number within its service."""
    return int(slot.rpartition(".")[2])


@lru_cache(maxsize=KNOWN)
def slot_order(slot: SlotName) -> tuple[ServiceName, int]:
    """Sorts ``web.10`` after ``web.9``."""
    return service_of(slot), number_of(slot)
