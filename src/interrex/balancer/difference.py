"""From what HAProxy holds to what it is to hold: commands for its runtime socket."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from interrex.balancer.answers import HeldServer
from interrex.balancer.configuration import server_arguments
from interrex.balancer.names import WAITING_ROOM, backend_name, server_name, slot_of
from interrex.core.ids import SlotName
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute

_NO_SLOTS: frozenset[SlotName] = frozenset()
_STATES = {
    EndpointState.READY: "ready",
    EndpointState.DRAIN: "drain",
    EndpointState.DOWN: "maint",
}


class Verdict(StrEnum):
    """What an answer to a command means."""

    DONE = "done"
    BUSY = "busy"  # a server still has connections: to be tried again later
    FAILED = "failed"


class Command(msgspec.Struct, frozen=True):
    """One line for the runtime socket, and what is answered when it was carried out."""

    text: str
    slot: SlotName
    expects: str = ""

    def verdict(self, answer: str) -> Verdict:
        """What this answer to it means."""
        said = answer.strip()
        if said == self.expects:
            return Verdict.DONE
        if self.text.startswith("del server") and "connections" in said:
            return Verdict.BUSY
        return Verdict.FAILED


def commands(
    held: tuple[HeldServer, ...], wanted: RouteTable, risen: frozenset[SlotName] = _NO_SLOTS
) -> tuple[Command, ...]:
    """What brings a process in line whose shape is the wanted one already.

    Args:
        held: its servers.
        wanted: the table to follow.
        risen: slots whose supervisor has seen them become ready just now: a server that the
            process itself holds for down is used at once.

    Returns:
        In this order: what adds servers, what takes requests from some, what removes some. The
        removal of a server that still has connections is refused: ask again later. One whose
        address has changed is removed first and added by the next call.
    """
    here = {(server.backend, server.name): server for server in held}
    more: list[Command] = []
    less: list[Command] = []
    for route in wanted.services:
        for endpoint in route.endpoints:
            key = backend_name(route.service), server_name(endpoint.slot)
            server = here.pop(key, None)
            if server is None:
                more += _added(route, endpoint)
            elif (server.address, server.port) != (endpoint.address, endpoint.port):
                less += _removed(server)
            elif endpoint.state is EndpointState.READY:
                more += _readied(server, endpoint, endpoint.slot in risen)
            else:
                less += _stopped(server, endpoint)
    for (_, name), server in sorted(here.items()):
        if name != WAITING_ROOM:
            less += _removed(server)
    removals = [command for command in less if command.text.startswith("del server")]
    return (*more, *(command for command in less if command not in removals), *removals)


def _added(route: ServiceRoute, endpoint: Endpoint) -> Iterator[Command]:
    """A server added at run time begins in maintenance, its checks off."""
    name = f"{backend_name(route.service)}/{server_name(endpoint.slot)}"
    arguments = server_arguments(route, endpoint)
    slot = endpoint.slot
    yield Command(f"add server {name} {arguments}", slot, "New server registered.")
    yield Command(f"enable health {name}", slot)
    if endpoint.state is not EndpointState.DOWN:
        yield Command(f"set server {name} state {_STATES[endpoint.state]}", slot)


def _readied(server: HeldServer, endpoint: Endpoint, risen: bool) -> Iterator[Command]:
    name = f"{server.backend}/{server.name}"
    if server.maintenance or server.draining:
        yield Command(f"set server {name} state ready", endpoint.slot)
    if server.maintenance or (risen and not server.up):
        yield Command(f"set server {name} health up", endpoint.slot)


def _stopped(server: HeldServer, endpoint: Endpoint) -> Iterator[Command]:
    drains = endpoint.state is EndpointState.DRAIN
    if (server.draining and not server.maintenance) if drains else server.maintenance:
        return
    state = _STATES[endpoint.state]
    yield Command(f"set server {server.backend}/{server.name} state {state}", endpoint.slot)


def _removed(server: HeldServer) -> Iterator[Command]:
    name, slot = f"{server.backend}/{server.name}", slot_of(server.name)
    if not server.maintenance:
        yield Command(f"set server {name} state maint", slot)
    yield Command(f"del server {name}", slot, "Server deleted.")
