"""The balancers that this worker supervises: their command lines, their routes, their probes."""

import asyncio
from collections.abc import Callable

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, SlotName
from interrex.core.routes import EndpointState, RouteTable
from interrex.core.spec import BalancerSpec
from interrex.runtime.haproxy import Balancer
from interrex.runtime.layout import Layout, make_private
from interrex.worker.balancers import NO_PROCESS
from interrex.worker.interface import FollowRoutes, RoutesFollowed

FIRST_ROUTES_S = 1.0
"""How long a balancer that never had routes waits for the leader's before it is started."""


class HostBalancers:
    """One driver a balancer slot, made when the slot is first heard of.

    Args:
        layout: the cluster's folders; ``host`` this machine's name.
        emit: hears what became of each table.
    """

    def __init__(
        self, layout: Layout, host: HostName, emit: Callable[[RoutesFollowed], None]
    ) -> None:
        self._layout = layout
        self._host = host
        self._emit = emit
        self._drivers: dict[SlotName, Balancer] = {}
        self._tables: dict[SlotName, RouteTable] = {}

    async def command(self, slot: SlotName, spec: BalancerSpec) -> tuple[str, ...]:
        """The command line to start a balancer with just now.

        Raises:
            OSError: its folder cannot be used, or there is no HAProxy.
        """
        driver = self._driver(slot)
        # With its ports from the start: two that were to open one later could not share it.
        await driver.has_routes(FIRST_ROUTES_S)
        return await asyncio.to_thread(driver.command, spec)

    async def probe(self, slot: SlotName) -> str | None:
        """What is wrong with a balancer's process; None when nothing is.

        Raises:
            OSError: it could not be asked, for want of means of this worker's own.
        """
        return await self._driver(slot).probe()

    async def follow(self, effect: FollowRoutes, spec: BalancerSpec) -> None:
        """Let a balancer follow a table, and tell what became of it."""
        driver = self._driver(effect.slot)
        risen = _ready(effect.table) - _ready(self._tables.get(effect.slot))
        busy: tuple[SlotName, ...] = ()
        left_out = ""
        try:
            followed = await driver.publish(effect.table, spec, risen)
            busy, problem, left_out = followed.busy, followed.problem, followed.left_out
        except (InterrexError, OSError) as error:
            problem = str(error)
        else:
            if not problem:
                self._tables[effect.slot] = effect.table
            if effect.incarnation == NO_PROCESS:
                problem = ""
        told = RoutesFollowed(
            effect.slot, effect.incarnation, effect.table, busy, problem, left_out
        )
        self._emit(told)

    def close(self) -> None:
        """Forget the processes, which live on."""
        for driver in self._drivers.values():
            driver.close()

    def _driver(self, slot: SlotName) -> Balancer:
        driver = self._drivers.get(slot)
        if driver is None:
            folder = self._layout.balancer(self._host, slot)
            make_private(folder)
            driver = self._drivers[slot] = Balancer(folder, slot)
        return driver


def _ready(table: RouteTable | None) -> frozenset[SlotName]:
    if table is None:
        return frozenset()
    return frozenset(
        endpoint.slot
        for route in table.services
        for endpoint in route.endpoints
        if endpoint.state is EndpointState.READY
    )
