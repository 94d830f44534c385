"""Changes that overtake each other: the last one counts, also where it takes something away."""

import pytest

from bench.fleet import Fleet
from interrex.core.ids import ServiceName
from interrex.runtime.listening import listeners_at
from tests.system.conftest import EVERY_ELECTION, free_ports
from tests.system.test_exposing import WEB, apply, exposing, serves

pytestmark = EVERY_ELECTION


def only_these_listen(ports: set[int], all_ports: set[int]) -> bool:
    return {port for port in all_ports if listeners_at(port)} == ports


@pytest.mark.parametrize("kept", [0, 1, 2], ids=["none", "one", "two"])
def test_quick_applies_in_a_row_leave_nothing_exposed_that_was_removed(
    fleet: Fleet, kept: int
) -> None:
    began = fleet.spec
    ports = free_ports(3)
    exposed = began.services[WEB].expose
    assert exposed is not None
    apply(fleet, exposing(began, *ports), 1)
    apply(fleet, exposing(began, ports[2]), 2)
    apply(fleet, exposing(began, *ports[:kept]), 3)
    wanted = {exposed.port, *ports[:kept]}
    fleet.wait_until(lambda: only_these_listen(wanted, {exposed.port, *ports}))
    fleet.wait_until(lambda: all(map(serves, wanted)))
    fleet.wait_ready()
    fleet.wait_until(lambda: services(fleet) == set(fleet.spec.services))
    # A removed port may be another program's by now: what counts is that it is not ours.
    assert not any(map(serves, {exposed.port, *ports} - wanted))


def services(fleet: Fleet) -> set[ServiceName]:
    """Those that the fleet knows, a removed one too while its replicas are being stopped."""
    status = fleet.status()
    return set() if status is None else set(status.services)
