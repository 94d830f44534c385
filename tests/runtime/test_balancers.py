"""What a worker's balancers are published, and which slots count as risen."""

from pathlib import Path

import pytest

from interrex.core.ids import BALANCER, HostName, ServiceName, SlotName, slot_name
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import BalancerSpec, Check, CheckKind, Expose
from interrex.runtime.balancers import HostBalancers
from interrex.runtime.haproxy import Balancer, Followed
from interrex.runtime.layout import Layout
from interrex.worker.interface import FollowRoutes, RoutesFollowed

SLOT = slot_name(BALANCER, 0)
WEB = slot_name(ServiceName("web"), 0)
SPEC = BalancerSpec()


def table(version: int) -> RouteTable:
    check = Check(kind=CheckKind.TCP)
    endpoint = Endpoint(WEB, "127.0.0.1", 9000, EndpointState.READY)
    route = ServiceRoute(ServiceName("web"), Expose(port=8080), check, (endpoint,))
    return RouteTable(1, version, (route,))


async def test_a_slot_counts_as_risen_until_a_process_has_followed_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy is told of it at once; who did not hear that is told again."""
    risen: list[set[SlotName]] = []
    problems = ["it does not answer", "", ""]

    async def publish(
        self: Balancer, table: RouteTable, spec: BalancerSpec, rising: frozenset[SlotName]
    ) -> Followed:
        risen.append(set(rising))
        return Followed(epoch=1, version=table.version, problem=problems.pop(0))

    monkeypatch.setattr(Balancer, "publish", publish)
    told: list[RoutesFollowed] = []
    layout = Layout(tmp_path, "shop")
    layout.make()
    balancers = HostBalancers(layout, HostName("local"), told.append)
    for version in (1, 2, 3):
        await balancers.follow(FollowRoutes(SLOT, 5, table(version)), SPEC)
    assert risen == [{WEB}, {WEB}, set()]
    assert [one.problem for one in told] == ["it does not answer", "", ""]
