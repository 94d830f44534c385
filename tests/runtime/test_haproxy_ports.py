"""Exposed ports that are opened, moved and taken while two balancers serve others."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from interrex.core.ids import ServiceName
from interrex.core.routes import RouteTable, ServiceRoute
from interrex.core.spec import Expose
from tests.runtime.haproxy_harness import DOWN, READY, Scene, listening_sockets
from tests.runtime.test_haproxy_faults import Load

OTHER = ServiceName("other")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


@asynccontextmanager
async def nothing_fails(scene: Scene) -> AsyncIterator[None]:
    """No fresh connection to ``web`` fails meanwhile."""
    load = Load(scene, keep=False)
    await load.goes_on(30)
    yield
    await load.goes_on()
    assert (await load.outcome()).failures == {}


def with_other(table: RouteTable, expose: Expose) -> RouteTable:
    """A second service, with the same replicas."""
    web = table.services[0]
    other = ServiceRoute(OTHER, expose, web.check, ())
    return RouteTable(table.epoch, table.version, (web, other))


async def settle(scene: Scene, table: RouteTable) -> None:
    """Publish as two workers do, again and again, until both balancers follow all of it.

    One that leaves to share its sibling's sockets is started again.
    """
    waiting = {0, 1}
    async with asyncio.timeout(60):
        while waiting:
            followed = await asyncio.gather(*(scene.publish(table, n) for n in sorted(waiting)))
            for number, one in zip(sorted(waiting), followed, strict=True):
                if "to share a sibling's port" in one.problem:
                    await scene.balancer_ended(number)
                    await scene.start_balancer(number)
                elif not one.problem and not one.left_out:
                    waiting.discard(number)


def listens_at(port: int) -> set[str]:
    """The addresses on which somebody listens on a port, as the kernel prints them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        row[1].partition(":")[0]
        for row in rows
        if row[1].endswith(f":{port:04X}") and row[3] == "0A"
    }


async def test_a_new_port_of_two_balancers_fails_no_request_on_the_others(scene: Scene) -> None:
    await scene.serve(balancers=2)
    port = next(scene.ports)
    async with nothing_fails(scene):
        table = with_other(scene.all_ready(), Expose(port=port))
        followed = await asyncio.gather(*(scene.publish(table, number) for number in (0, 1)))
        problems = [one.problem for one in followed if one.problem]
        assert len(problems) == 1
        assert "to share a sibling's port" in problems[0]
        leaving = [one.problem for one in followed].index(problems[0])
        await scene.balancer_ended(leaving)
        await scene.start_balancer(leaving)
        assert (await scene.publish(table, leaving)).problem == ""
    assert listening_sockets(scene.port) == listening_sockets(port) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")],
    ids=["opened", "closed"],
)
async def test_a_port_that_changes_its_address_fails_no_request_on_the_others(
    scene: Scene, before: str, after: str
) -> None:
    await scene.serve(balancers=2)
    port = next(scene.ports)
    shown = {"127.0.0.1": "0100007F", "0.0.0.0": "00000000"}
    async with nothing_fails(scene):
        await settle(scene, with_other(scene.all_ready(), Expose(port=port, address=before)))
        assert listens_at(port) == {shown[before]}
        await settle(scene, with_other(scene.all_ready(), Expose(port=port, address=after)))
        assert listens_at(port) == {shown[after]}
    assert listening_sockets(scene.port) == listening_sockets(port) == 1


async def test_a_lone_balancer_moves_a_port_to_another_address_at_once(scene: Scene) -> None:
    await scene.serve()
    web = scene.all_ready().services[0]
    moved = msgspec.structs.replace(web, expose=Expose(port=scene.port, address="0.0.0.0"))
    followed = await scene.publish(RouteTable(1, 99, (moved,)))
    assert (followed.problem, followed.left_out) == ("", "")
    assert listens_at(scene.port) == {"00000000"}
    assert (await scene.ask()).startswith("200 ")


async def test_a_port_that_a_stranger_has_holds_nothing_else_up(scene: Scene) -> None:
    await scene.serve(balancers=2)
    async with nothing_fails(scene):
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            port = stranger.getsockname()[1]
            table = with_other(scene.table(DOWN, READY, READY), Expose(port=port))
            for number in (0, 1):
                followed = await scene.publish(table, number)
                assert followed.problem == ""
                assert f"another program listens on port {port}" in followed.left_out
            assert {answer.split()[1] for answer in await scene.answering()} == {"web.1", "web.2"}
        await settle(scene, table)
    assert listening_sockets(port) == 1


async def test_a_balancer_starts_without_a_port_that_a_stranger_has_and_takes_it_later(
    scene: Scene,
) -> None:
    scene.start_replicas()
    await scene.replicas_listen()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        table = with_other(scene.all_ready(), Expose(port=port))
        await scene.publish(table)
        await scene.start_balancer(0)
        assert len(await scene.answering()) == 3
        assert f"listens on port {port}" in (await scene.publish(table)).left_out
        assert listening_sockets(port) == 1
    followed = await scene.publish(table)
    assert (followed.problem, followed.left_out) == ("", "")
    assert listening_sockets(port) == 1
