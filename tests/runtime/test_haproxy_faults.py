"""What dies behind and in the balancer, and which requests notice: with the real HAProxy."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import GET, POST, Outcome, open_loop
from interrex.balancer.configuration import RETRIES
from tests.runtime.haproxy_harness import (
    DOWN,
    READY,
    Scene,
    children,
    ended,
    listening_sockets,
    until,
)

RATE = 300.0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


class Load:
    """A load that runs beside a test until the test says enough."""

    def __init__(self, scene: Scene, keep: bool = True, request: bytes = GET) -> None:
        self._seen = 0
        self._more = asyncio.Event()
        self._enough = asyncio.Event()
        self._task = asyncio.ensure_future(
            open_loop(
                scene.port,
                RATE,
                600.0,
                request=request,
                keep=keep,
                timeout_s=60.0,
                on_progress=self._progress,
                enough=self._enough,
            )
        )

    async def goes_on(self, requests: int = 60) -> None:
        """Wait until so many more requests were sent."""
        wanted = self._seen + requests
        while self._seen < wanted:
            self._more.clear()
            await self._more.wait()

    async def outcome(self) -> Outcome:
        self._enough.set()
        return await self._task

    def _progress(self, number: int) -> None:
        self._seen = number
        self._more.set()


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "fresh"])
async def test_replicas_killed_one_after_the_other_fail_no_request(
    scene: Scene, keep: bool
) -> None:
    await scene.serve()
    load = Load(scene, keep)
    for number in (0, 1, 2):
        await load.goes_on()
        scene.kill_replica(number)
        await load.goes_on()
        scene.start_replica(number)
        await until(lambda: _answers(scene, 3))
    assert (await load.outcome()).failures == {}


async def test_all_replicas_killed_at_once_fail_no_request_if_they_come_back(
    scene: Scene,
) -> None:
    await scene.serve()
    load = Load(scene)
    await load.goes_on()
    for number in (0, 1, 2):
        scene.kill_replica(number)
    await load.goes_on()
    scene.start_replicas()
    await load.goes_on()
    assert (await load.outcome()).failures == {}


async def test_a_post_that_may_have_been_carried_out_is_not_sent_again(scene: Scene) -> None:
    await scene.serve()
    assert (await scene.ask("/die", method="POST")).startswith("502")
    assert scene.logged("POST /die") == 1


async def test_a_get_that_kills_servers_kills_only_so_many(tmp_path: Path) -> None:
    scene = Scene(tmp_path, replicas=RETRIES + 4)
    try:
        await scene.serve()
        assert (await scene.ask("/die")).startswith("502")
        assert scene.logged("GET /die") == RETRIES + 1
    finally:
        scene.close()


async def test_a_get_that_came_while_no_replica_was_up_is_tried_like_any_other(
    scene: Scene,
) -> None:
    """It waited, and whom it then gets dies too."""
    await scene.serve()
    await scene.publish(scene.table(DOWN, DOWN, DOWN))
    asked = [asyncio.create_task(scene.ask()) for _ in range(10)]
    await scene.requests_come(len(asked))
    scene.replicas[0].send_signal(signal.SIGSTOP)
    await scene.publish(scene.table(READY, DOWN, DOWN))
    await scene.requests_reach("web.0", len(asked))
    await scene.publish(scene.table(READY, READY, DOWN))
    scene.kill_replica(0)
    assert await asyncio.gather(*asked) == ["200 web.1"] * len(asked)


async def test_a_get_that_kills_servers_and_came_while_none_was_up_kills_only_so_many(
    tmp_path: Path,
) -> None:
    """Once more than another, where it had to wait a second time."""
    scene = Scene(tmp_path, replicas=RETRIES + 4)
    try:
        await scene.publish(scene.table(*[DOWN] * (RETRIES + 4)))
        await scene.start_balancer()
        asked = asyncio.create_task(scene.ask("/die"))
        await scene.requests_come(1)
        scene.start_replicas()
        await scene.replicas_listen()  # where all refuse the answer is 503
        await scene.publish(scene.all_ready())
        # By whether its last try met one that died of it, or one that was dead already.
        assert (await asked)[:3] in ("502", "503")
        assert 1 <= scene.logged("GET /die") <= RETRIES + 2
    finally:
        scene.close()


async def test_a_post_that_waited_and_may_have_been_carried_out_is_not_sent_again(
    scene: Scene,
) -> None:
    await scene.publish(scene.table(DOWN, DOWN, DOWN))
    await scene.start_balancer()
    asked = asyncio.create_task(scene.ask("/die", method="POST"))
    await scene.requests_come(1)
    scene.start_replicas()
    await scene.replicas_listen()  # where all refuse the answer is 503
    await scene.publish(scene.all_ready())
    assert (await asked).startswith("502")
    assert scene.logged("POST /die") == 1


async def test_a_post_whose_connection_was_refused_goes_to_another_server(scene: Scene) -> None:
    await scene.serve()
    scene.kill_replica(0)
    scene.kill_replica(1)
    answers = [await scene.ask(method="POST") for _ in range(6)]
    assert answers == ["200 web.2"] * 6


async def test_an_application_that_answers_500_is_neither_asked_again_nor_evicted(
    scene: Scene,
) -> None:
    await scene.serve()
    answers = [await scene.ask("/status/500") for _ in range(9)]
    assert {answer.split()[0] for answer in answers} == {"500"}
    assert scene.logged("GET /status/500") == 9
    assert len(await scene.answering()) == 3


async def test_a_request_hung_in_a_stopped_server_is_answered_by_another_when_it_is_killed(
    scene: Scene,
) -> None:
    await scene.serve()
    for process in scene.replicas.values():
        process.send_signal(signal.SIGSTOP)
    asked = [asyncio.create_task(scene.ask()) for _ in range(6)]
    for slot in ("web.0", "web.1", "web.2"):
        await scene.requests_reach(slot, 2)
    scene.replicas[2].send_signal(signal.SIGCONT)
    for number in (0, 1):
        scene.kill_replica(number)
    assert await asyncio.gather(*asked) == ["200 web.2"] * 6


async def test_two_balancers_that_start_at_once_share_the_listening_socket(scene: Scene) -> None:
    scene.start_replicas()
    await scene.replicas_listen()
    table = scene.all_ready()
    for number in (0, 1):
        await scene.publish(table, number)
    commands = await asyncio.gather(scene.start_balancer(0), scene.start_balancer(1))
    assert sorted("-x" in command for command in commands) == [False, True]
    assert listening_sockets(scene.port) == 1


@pytest.mark.parametrize("killed", [0, 1])
async def test_a_balancer_killed_loses_no_fresh_connection(scene: Scene, killed: int) -> None:
    await scene.serve(balancers=2)
    load = Load(scene, keep=False)
    await load.goes_on()
    await scene.kill_balancer(killed)
    dead_since = time.perf_counter()
    await load.goes_on()
    await scene.start_balancer(killed)
    await load.goes_on()
    outcome = await load.outcome()
    # What it had accepted when it died is lost with it.
    assert [due for due, _ in outcome.failed_at_s if due > dead_since] == []
    assert set(outcome.failures) <= {"connection lost"}
    assert listening_sockets(scene.port) == 1


async def test_a_stopped_balancer_swallows_no_fresh_connection(scene: Scene) -> None:
    await scene.serve(balancers=2)
    scene.signal_balancer(0, signal.SIGSTOP)
    answers = [await scene.ask() for _ in range(100)]
    assert {answer.split()[0] for answer in answers} == {"200"}


async def test_a_balancer_starts_beside_a_stopped_one_once_that_is_killed(scene: Scene) -> None:
    await scene.serve(balancers=2)
    scene.signal_balancer(0, signal.SIGSTOP)
    await scene.kill_balancer(1)
    assert "cannot bind" in await scene.fail_to_start_balancer(1)
    await scene.kill_balancer(0)
    command = await scene.start_balancer(1)
    assert "-x" not in command
    command = await scene.start_balancer(0)
    assert "-x" in command
    assert listening_sockets(scene.port) == 1


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "fresh"])
async def test_balancers_replaced_one_after_the_other_fail_no_request(
    scene: Scene, keep: bool
) -> None:
    await scene.serve(balancers=2)
    load = Load(scene, keep)
    for number in (0, 1):
        await load.goes_on()
        scene.processes[number].send_signal(signal.SIGUSR1)
        await scene.balancer_ended(number)
        await load.goes_on()
        await scene.start_balancer(number)
    await load.goes_on()
    assert (await load.outcome()).failures == {}


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "fresh"])
async def test_reloads_fail_no_request(scene: Scene, keep: bool) -> None:
    await scene.serve(balancers=2)
    load = Load(scene, keep)
    for _ in range(3):
        for number in (0, 1):
            await load.goes_on(30)
            await scene.balancer(number).reload()
    await load.goes_on()
    assert (await load.outcome()).failures == {}
    assert listening_sockets(scene.port) == 1


async def test_a_reload_lets_a_long_request_finish(scene: Scene) -> None:
    await scene.serve()
    slow = asyncio.create_task(scene.ask("/delay/500"))
    async with asyncio.timeout(60):
        while not scene.logged("GET /delay/500"):
            await scene.ask()
    await scene.balancer().reload()
    assert (await slow).startswith("200 ")


async def test_a_reload_needs_no_sibling(scene: Scene) -> None:
    await scene.serve(balancers=2)
    await scene.kill_balancer(0)
    await scene.balancer(1).reload()
    assert (await scene.ask()).startswith("200 ")


async def test_master_and_worker_die_together(scene: Scene) -> None:
    await scene.serve(balancers=2)
    for number in (0, 1):
        master = scene.processes[number].pid
        (worker,) = children(master)
        first, second = (worker, master) if number == 0 else (master, worker)
        os.kill(first, signal.SIGKILL)
        await ended(second)
        await scene.balancer_ended(number)


async def test_posts_are_never_carried_out_twice_while_replicas_die(scene: Scene) -> None:
    await scene.serve()
    load = Load(scene, request=POST)
    for number in (0, 1, 2):
        await load.goes_on()
        scene.kill_replica(number)
        await load.goes_on()
        scene.start_replica(number)
        await until(lambda: _answers(scene, 3))
    outcome = await load.outcome()
    assert scene.logged("POST /") <= outcome.succeeded + outcome.failed
    assert outcome.succeeded <= scene.logged("POST /")


async def _answers(scene: Scene, replicas: int) -> bool:
    return len(await scene.answering()) == replicas
