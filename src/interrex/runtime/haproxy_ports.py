"""Where a balancer may listen: at the addresses it has, at a sibling's, at those nobody has.

All others are left out of what HAProxy is given, and tried again later. It must never fail to
bind: a new process of it would not start at all, for one address of one service; and one that
takes over would make its predecessor pause, which shuts down the sockets that all balancers of
the host share.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from interrex.balancer.configuration import ADMIN_SOCKET
from interrex.core.routes import RouteTable, ServiceRoute
from interrex.runtime.haproxy_socket import HaproxyUnreachable, ask_once
from interrex.runtime.listening import Address, addresses_of, is_taken

_ASK_TIMEOUT_S = 1.0
"""A hung process listens, and nobody can take its sockets over."""


class Openings(NamedTuple):
    """What is to be done to listen where a table says.

    ``openable`` is the table without the services that cannot be reached now, and ``left_out``
    says why not (empty: it is the whole table). ``shared`` are addresses that a sibling has and
    the process itself has not.
    """

    openable: RouteTable
    left_out: str
    shared: frozenset[Address]


async def openings(folder: Path, table: RouteTable) -> Openings:
    """Look who listens on the exposed addresses just now.

    Args:
        folder: of the balancer process; its siblings' folders lie beside it.
        table: what is to be served.
    """
    sockets = sorted(folder.parent.glob(f"*/{ADMIN_SOCKET}"))
    held = dict(zip(sockets, await asyncio.gather(*map(_held, sockets)), strict=True))
    own = held.pop(folder / ADMIN_SOCKET, frozenset())
    siblings = frozenset[Address]().union(*held.values())
    closed = [
        route
        for route in table.services
        if _address(route) not in own | siblings and is_taken(*_address(route))
    ]
    open_ = tuple(route for route in table.services if route not in closed)
    return Openings(
        table if not closed else msgspec.structs.replace(table, services=open_),
        _reasons(closed, {port for _, port in own | siblings}),
        frozenset(map(_address, open_)) & siblings - own,
    )


def _reasons(closed: Iterable[ServiceRoute], ours: set[int]) -> str:
    """Where a balancer has the port under another address, it lets go of that first."""
    return "; ".join(
        f"{route.service} waits until port {route.expose.port} is closed on its old address"
        if route.expose.port in ours
        else f"{route.service} cannot be reached: another program listens on port "
        f"{route.expose.port}"
        for route in closed
    )


def _address(route: ServiceRoute) -> Address:
    return route.expose.address, route.expose.port


async def _held(admin_socket: Path) -> frozenset[Address]:
    """The TCP addresses that a balancer process listens on; none if it does not answer."""
    with contextlib.suppress(HaproxyUnreachable):
        answer = await ask_once(admin_socket, "show info", _ASK_TIMEOUT_S)
        worker = re.search(r"^Pid: (\d+)$", answer, re.MULTILINE)
        if worker is not None:
            return addresses_of(int(worker[1]))
    return frozenset()
