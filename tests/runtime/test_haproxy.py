"""One balancer process follows what it is told, and says so when it does not."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from interrex.balancer.waiting import MAX_WAITING, WAIT_MS, WAITING_LUA
from interrex.core.ids import ServiceName, SlotName
from interrex.core.routes import Endpoint, RouteTable, ServiceRoute
from interrex.core.spec import Check, CheckKind, Expose
from interrex.runtime import haproxy_files
from interrex.runtime.haproxy import Balancer, _bundled_binary
from interrex.runtime.haproxy_files import StaleRoutes
from interrex.runtime.haproxy_socket import HaproxyUnreachable
from tests.runtime.haproxy_harness import (
    CHECK,
    DOWN,
    DRAIN,
    PATIENCE_S,
    READY,
    SOON_S,
    SPEC,
    Scene,
    children,
    ended,
    haproxy_may_take,
    listening_sockets,
    sockets_of,
    until,
)
from tests.runtime.host_harness import no_more_descriptors


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


async def test_a_process_starts_from_the_routes_that_were_published_before(scene: Scene) -> None:
    scene.start_replicas()
    await scene.replicas_listen()
    followed = await scene.publish(scene.table(READY, DOWN, READY))
    assert "does not answer" in followed.problem
    await scene.start_balancer()
    assert await scene.answering() == {"200 web.0", "200 web.2"}


async def test_the_program_that_the_file_names_is_the_one_that_runs(scene: Scene) -> None:
    bundled = Path(_bundled_binary())
    program = shutil.copytree(bundled.parent, scene.folder / "ours") / bundled.name
    scene.start_replicas()
    await scene.replicas_listen()
    await scene.publish(scene.all_ready())
    await scene.start_balancer(spec=msgspec.structs.replace(SPEC, binary=str(program)))
    master = scene.processes[0].pid
    for pid in (master, *children(master)):
        assert Path(f"/proc/{pid}/exe").readlink() == program
    assert len(await scene.answering()) == 3


async def test_whoever_never_had_routes_may_wait_for_the_first(scene: Scene) -> None:
    """And is started with all its ports: none has to be opened later, or shared."""
    balancer = scene.balancer()
    assert not await balancer.has_routes(0.01)
    waiting = asyncio.create_task(balancer.has_routes(PATIENCE_S))
    await scene.publish(scene.all_ready())
    assert await waiting
    again = Balancer(balancer.admin_socket.parent, SlotName("balancer.0"))
    assert await again.has_routes(0)


async def test_a_process_without_any_routes_starts_and_can_be_told(scene: Scene) -> None:
    scene.start_replicas()
    await scene.replicas_listen()
    await scene.start_balancer()
    followed = await scene.publish(scene.all_ready())
    assert followed.problem == ""
    assert followed.reloaded
    assert len(await scene.answering()) == 3


async def test_a_change_of_state_is_followed_at_once_and_without_a_reload(scene: Scene) -> None:
    await scene.serve()
    for states, answering in (
        ((READY, DRAIN, DOWN), {"200 web.0"}),
        ((DOWN, READY, DRAIN), {"200 web.1"}),
        ((DRAIN, DOWN, READY), {"200 web.2"}),
        ((READY, READY, READY), {"200 web.0", "200 web.1", "200 web.2"}),
    ):
        followed = await scene.publish(scene.table(*states))
        assert (followed.problem, followed.reloaded) == ("", False)
        assert await scene.answering() == answering


async def test_slots_come_and_go_at_run_time_and_a_restart_remembers(scene: Scene) -> None:
    await scene.serve()
    for states in ((READY,), (READY, READY), (DOWN, READY, READY)):
        followed = await scene.publish(scene.table(*states))
        assert (followed.problem, followed.reloaded, followed.busy) == ("", False, ())
    assert await scene.answering() == {"200 web.1", "200 web.2"}
    await scene.kill_balancer(0)
    await scene.start_balancer()
    assert await scene.answering() == {"200 web.1", "200 web.2"}


async def test_a_slot_whose_port_changed_is_followed_there(scene: Scene) -> None:
    await scene.serve()
    scene.replica_ports.reverse()
    followed = await scene.publish(scene.table(READY, DOWN, DOWN))
    assert followed.problem == ""
    assert await scene.answering() == {"200 web.2"}


async def test_older_routes_are_refused_also_after_a_restart(scene: Scene) -> None:
    older, newer = scene.all_ready(), scene.table(READY)
    await scene.publish(newer)
    with pytest.raises(StaleRoutes, match=r"routes 1\.1 are older than 1\.2"):
        await scene.publish(older)
    restarted = Balancer(scene.folder / "balancer" / "balancer.0", SlotName("balancer.0"))
    with pytest.raises(StaleRoutes):
        await restarted.publish(older, SPEC)
    await restarted.publish(newer, SPEC)
    next_leader = msgspec.structs.replace(older, epoch=2)
    await restarted.publish(next_leader, SPEC)
    with pytest.raises(StaleRoutes):
        await scene.publish(newer)


async def test_a_dead_process_is_told_by_publish_and_probe(scene: Scene) -> None:
    await scene.serve()
    assert await scene.balancer().probe() is None
    await scene.kill_balancer(0)
    assert "does not answer" in str(await scene.balancer().probe())
    followed = await scene.publish(scene.table(READY))
    assert "does not answer" in followed.problem
    with pytest.raises(HaproxyUnreachable):
        await scene.balancer().drained(SlotName("web.0"))


async def test_a_process_that_cannot_be_asked_for_want_of_descriptors_is_not_called_dead(
    scene: Scene,
) -> None:
    await scene.serve()
    balancer = scene.balancer()
    with no_more_descriptors(), pytest.raises(OSError, match="Too many open files"):
        await balancer.probe()
    assert await balancer.probe() is None


async def test_a_hung_process_hangs_nobody(scene: Scene) -> None:
    await scene.serve()
    scene.signal_balancer(0, signal.SIGSTOP)
    with haproxy_may_take(SOON_S):
        assert "did not answer" in str(await scene.balancer().probe())
        followed = await scene.publish(scene.table(READY))
    assert "did not answer" in followed.problem
    scene.signal_balancer(0, signal.SIGCONT)
    again = await scene.publish(scene.table(READY))
    assert again.problem == ""
    assert await scene.answering() == {"200 web.0"}


async def test_a_hung_master_is_unhealthy_too(scene: Scene) -> None:
    await scene.serve()
    os.kill(scene.processes[0].pid, signal.SIGSTOP)
    with haproxy_may_take(6.0):  # half of it each: the worker still answers, and may be slow
        assert "master.sock did not answer" in str(await scene.balancer().probe())


async def test_a_draining_slot_is_busy_until_its_last_request_ends(scene: Scene) -> None:
    await scene.serve()
    await scene.publish(scene.table(READY))
    scene.replicas[0].send_signal(signal.SIGSTOP)
    slow = asyncio.create_task(scene.ask())
    await scene.requests_reach("web.0")
    followed = await scene.publish(scene.table(DRAIN, READY))
    assert followed.busy == ("web.0",)
    assert await scene.ask() == "200 web.1"
    scene.replicas[0].send_signal(signal.SIGCONT)
    assert await slow == "200 web.0"
    await scene.requests_reach("web.0", 0)
    assert (await scene.publish(scene.table(DRAIN, READY))).busy == ()


async def test_a_new_port_is_served_after_a_reload_and_an_old_one_given_up(scene: Scene) -> None:
    await scene.serve()
    master = scene.processes[0].pid
    first, second = scene.port, next(scene.ports)
    old_workers = children(master)
    scene.port = second
    followed = await scene.publish(scene.all_ready())
    assert (followed.problem, followed.reloaded) == ("", True)
    assert (await scene.ask()).startswith("200 web.")
    for worker in old_workers:
        await ended(worker)
    assert (listening_sockets(first), listening_sockets(second)) == (0, 1)
    assert scene.processes[0].poll() is None


async def test_a_file_that_haproxy_refuses_leaves_the_old_worker_at_work(scene: Scene) -> None:
    await scene.serve()
    file = scene.folder / "balancer" / "balancer.0" / "haproxy.cfg"
    file.write_text(file.read_text() + "nonsense\n")
    with pytest.raises(HaproxyUnreachable, match=r"cannot reload: .*nonsense"):
        await scene.balancer().reload()
    assert len(await scene.answering()) == 3


async def test_a_name_is_looked_up_and_an_unknown_one_costs_only_itself(scene: Scene) -> None:
    await scene.serve()
    wanted = scene.all_ready()
    (route,) = wanted.services
    names = ("localhost", "no-such-host.invalid", "127.0.0.1")
    endpoints = tuple(
        msgspec.structs.replace(endpoint, address=name)
        for endpoint, name in zip(route.endpoints, names, strict=True)
    )
    named = msgspec.structs.replace(route, endpoints=endpoints)
    followed = await scene.publish(msgspec.structs.replace(wanted, services=(named,)))
    assert followed.problem == "no-such-host.invalid: no such host; its replicas get no requests"
    assert await scene.answering() == {"200 web.0", "200 web.2"}
    text = (scene.folder / "balancer" / "balancer.0" / "haproxy.cfg").read_text()
    assert "# address localhost 127.0.0.1\n" in text


async def test_a_very_long_state_folder_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    scene = Scene(folder, replicas=1)
    try:
        await scene.serve(balancers=2)
        assert await scene.ask() == "200 web.0"
    finally:
        scene.close()


async def test_nobody_else_can_talk_to_it_and_no_other_port_is_open(scene: Scene) -> None:
    await scene.serve()
    folder = scene.folder / "balancer" / "balancer.0"
    sockets = [path for path in folder.iterdir() if path.is_socket()]
    assert {path.name.split(".")[0] for path in sockets} == {
        "admin",
        "master",
        "metrics",
        "waiting",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in sockets} == {0o600}
    (worker,) = children(scene.processes[0].pid)
    assert len(sockets_of(worker)) == 1


@pytest.mark.parametrize("service", ["läden & söhne", "a:b", "x" * 63, "waiting-room", "to:web"])
async def test_a_service_may_be_called_anything(scene: Scene, service: str) -> None:
    scene.start_replicas()
    await scene.replicas_listen()
    await scene.start_balancer()
    slot = SlotName(f"{service}.0")
    for version, state in enumerate((READY, DRAIN, READY), start=1):
        endpoint = Endpoint(slot, "127.0.0.1", scene.replica_ports[0], state)
        route = ServiceRoute(ServiceName(service), Expose(port=scene.port), CHECK, (endpoint,))
        followed = await scene.publish(RouteTable(1, version, (route,)))
        assert followed.problem == ""
    assert await scene.ask() == "200 web.0"


async def test_it_serves_with_several_threads_and_every_kind_of_check(scene: Scene) -> None:
    scene.start_replicas()
    await scene.replicas_listen()
    await scene.start_balancer()
    spec = msgspec.structs.replace(SPEC, threads=2)
    for version, check in enumerate(
        (None, Check(kind=CheckKind.TCP), Check(kind=CheckKind.EXEC), CHECK), start=1
    ):
        (route,) = scene.all_ready().services
        checked = msgspec.structs.replace(route, check=check)
        followed = await scene.balancer().publish(RouteTable(1, version, (checked,)), spec)
        assert followed.problem == ""
        assert len(await scene.answering()) == 3


async def test_with_no_replica_at_all_a_request_is_answered_503_in_the_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = WAITING_LUA.replace(f"+ {WAIT_MS}", "+ 50")
    assert impatient != WAITING_LUA
    monkeypatch.setattr(haproxy_files, "WAITING_LUA", impatient)
    await scene.publish(scene.table(DOWN, DOWN))
    await scene.start_balancer()
    assert await scene.ask() == "503 No replica is up."


async def test_a_request_waits_for_the_first_replica_that_becomes_ready(scene: Scene) -> None:
    await scene.publish(scene.table(DOWN))
    await scene.start_balancer()
    waiting = [asyncio.create_task(scene.ask()) for _ in range(20)]
    waiting.append(asyncio.create_task(scene.ask(method="POST")))
    await scene.requests_come(len(waiting))
    scene.start_replicas()
    await scene.replicas_listen()
    await scene.publish(scene.table(READY))
    assert set(await asyncio.gather(*waiting)) == {"200 web.0"}


async def test_who_waits_while_a_reload_comes_is_served_all_the_same(scene: Scene) -> None:
    await scene.publish(scene.table(DOWN))
    await scene.start_balancer()
    waiting = [asyncio.create_task(scene.ask()) for _ in range(3)]
    waiting.append(asyncio.create_task(scene.ask(method="POST")))
    await scene.requests_come(len(waiting))
    more = ServiceRoute(ServiceName("more"), Expose(port=next(scene.ports)), CHECK, ())
    for state, reloads in ((DOWN, True), (READY, False)):
        table = scene.table(state)
        both = msgspec.structs.replace(table, services=(*table.services, more))
        followed = await scene.publish(both)
        assert (followed.problem, followed.reloaded) == ("", reloads)
        if reloads:
            scene.start_replicas()
            await scene.replicas_listen()
    assert set(await asyncio.gather(*waiting)) == {"200 web.0"}
    assert scene.logged("POST /") == 1


async def test_who_waits_in_a_process_that_leaves_for_good_is_told_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = WAITING_LUA.replace(f"+ {WAIT_MS}", "+ 1000")
    assert impatient != WAITING_LUA
    monkeypatch.setattr(haproxy_files, "WAITING_LUA", impatient)
    await scene.publish(scene.table(DOWN))
    await scene.start_balancer()
    waiting = asyncio.create_task(scene.ask())
    await scene.requests_come(1)
    os.kill(scene.processes[0].pid, signal.SIGUSR1)
    assert await waiting == "503 No replica is up."
    await scene.balancer_ended(0)


async def test_who_resets_its_connection_amid_its_body_takes_no_place_for_good(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = 3
    narrow = WAITING_LUA.replace(f">= {MAX_WAITING}", f">= {places}")
    narrow = narrow.replace(f"+ {WAIT_MS}", "+ 500")
    assert narrow.count(f">= {places}") == narrow.count("+ 500") == 1
    monkeypatch.setattr(haproxy_files, "WAITING_LUA", narrow)
    scene.start_replicas()
    await scene.replicas_listen()
    await scene.publish(scene.table(DOWN))
    await scene.start_balancer()
    half = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nhalf"
    opened = [await asyncio.open_connection("127.0.0.1", scene.port) for _ in range(places)]
    for _, writer in opened:
        writer.write(half)
    await scene.requests_come(places)
    for _, writer in opened:
        _reset(writer)
    await scene.requests_come(0)

    async def one_more_finds_a_place() -> bool:
        await scene.publish(scene.table(DOWN))
        asking = asyncio.create_task(scene.ask())
        coming = asyncio.create_task(scene.requests_come(1))
        await asyncio.wait([asking, coming], return_when=asyncio.FIRST_COMPLETED)
        coming.cancel()
        await scene.publish(scene.table(READY))
        return await asking == "200 web.0"

    await until(one_more_finds_a_place)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_its_own_checks_bring_a_server_back_without_any_orchestrator(scene: Scene) -> None:
    await scene.serve()
    await scene.publish(scene.table(DOWN, DOWN))
    await scene.publish(scene.all_ready())
    for number in (0, 1):
        scene.kill_replica(number)
    assert await scene.answering() == {"200 web.2"}
    for number in (0, 1):
        scene.start_replica(number)

    async def all_answer() -> bool:
        return len(await scene.answering(6)) == 3

    await until(all_answer)


async def test_what_the_supervisor_saw_rise_is_used_whatever_the_checks_last_found(
    scene: Scene,
) -> None:
    slow = msgspec.structs.replace(CHECK, interval=3600.0, rise=1000)
    ready = scene.all_ready()
    (route,) = ready.services
    table = msgspec.structs.replace(ready, services=(msgspec.structs.replace(route, check=slow),))
    scene.start_replicas()
    await scene.replicas_listen()
    await scene.publish(table)
    await scene.start_balancer()
    scene.kill_replica(0)
    assert await scene.answering() == {"200 web.1", "200 web.2"}
    scene.start_replica(0)
    risen = frozenset({SlotName("web.0")})
    await until(lambda: _listens(scene.replica_ports[0]))
    await scene.balancer().publish(table, SPEC, risen)
    assert len(await scene.answering()) == 3


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True
