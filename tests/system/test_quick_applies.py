"""Changes that overtake each other: the last one counts, also where it takes something away."""

from itertools import count

from bench.fleet import Fleet
from bench.processes import free_ports
from interrex.core.ids import ServiceName
from interrex.runtime.listening import listeners_at
from tests.system.conftest import EVERY_ELECTION
from tests.system.test_exposing import WEB, apply, exposing, serves

pytestmark = EVERY_ELECTION


def only_these_listen(ports: set[int], all_ports: set[int]) -> bool:
    return {port for port in all_ports if listeners_at(port)} == ports


def test_quick_applies_in_a_row_leave_nothing_exposed_that_was_removed(fleet: Fleet) -> None:
    began, numbers = fleet.spec, count()
    for kept in range(3):
        ports = free_ports(3)
        for exposed in (ports, ports[2:], ports[:kept]):
            apply(fleet, exposing(began, *exposed), next(numbers))
        wait_until_only_these_serve(fleet, ports[:kept], ports[kept:])


def wait_until_only_these_serve(fleet: Fleet, kept: list[int], removed: list[int]) -> None:
    exposed = fleet.spec.services[WEB].expose
    assert exposed is not None
    wanted = {exposed.port, *kept}
    fleet.wait_until(lambda: only_these_listen(wanted, wanted.union(removed)))
    fleet.wait_until(lambda: all(map(serves, wanted)))
    fleet.wait_ready()
    fleet.wait_until(lambda: services(fleet) == set(fleet.spec.services))
    # A removed port may be another program's by now: what counts is that it is not ours.
    assert not any(map(serves, removed))


def services(fleet: Fleet) -> set[ServiceName]:
    """Those that the fleet knows, a removed one too while its replicas are being stopped."""
    status = fleet.status()
    return set() if status is None else set(status.services)
