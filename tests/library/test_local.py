"""``interrex:///CLUSTER/NAME`` on a real fleet: programs that lead one after the other."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import interrex
from bench.fleet import Fleet
from bench.specs import bare
from interrex.library.errors import MalformedUrl, NoCluster, UnknownOption
from interrex.runtime.clock import now_ns
from interrex.worker.guardian import CANDIDATE_LEASE
from tests.library.programs import Programs, programs


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(bare()) as running:
        running.wait_ready()
        yield running


@pytest.fixture
def url(fleet: Fleet, request: pytest.FixtureRequest) -> str:
    return f"interrex:///bench/{request.node.name}?state={fleet.root}"


@pytest.fixture
def candidates(url: str) -> Iterator[Programs]:
    with programs(url) as running:
        yield running


def test_the_holder_is_killed_and_the_next_by_priority_leads(candidates: Programs) -> None:
    first = candidates.start("a")
    epochs = [first.leads().epoch]
    low, high = candidates.start("b", 1), candidates.start("c", 2)
    for dead, following in ((first, high), (high, low)):
        killed = now_ns()
        dead.signal(signal.SIGKILL)
        led = following.leads()
        epochs.append(led.epoch)
        assert led.at - killed < CANDIDATE_LEASE, "its lease was waited for"
    assert epochs == sorted(set(epochs))


def test_a_stopped_holder_keeps_its_lease_to_the_end_and_learns_what_it_lost(
    candidates: Programs,
) -> None:
    first = candidates.start("a")
    first.leads()
    second = candidates.start("b")
    stopped = now_ns()
    first.signal(signal.SIGSTOP)
    led = second.leads()
    assert led.at - stopped > CANDIDATE_LEASE * 2 // 3
    first.signal(signal.SIGCONT)
    assert first.line().startswith("ended")


def test_the_holder_goes_on_while_the_workers_are_killed_one_after_the_other(
    fleet: Fleet, candidates: Programs
) -> None:
    first = candidates.start("a")
    epoch = first.leads().epoch
    second = candidates.start("b")
    for worker in fleet.workers:
        os.kill(fleet.pid_of(worker), signal.SIGKILL)
        fleet.wait_until(fleet.is_ready)
    first.signal(signal.SIGKILL)
    assert second.leads().epoch > epoch


def test_an_identity_is_given_once_and_the_second_learns_who_has_it(candidates: Programs) -> None:
    first = candidates.start("a")
    first.leads()
    second = candidates.start("a", stand=False)
    line = second.line()
    assert line.startswith("IdentityTaken: the identity 'a' is taken: process")
    assert str(first.pid) in line
    assert str(second.pid) in line


async def test_leadership_is_handed_over_and_given_up_and_everybody_sees_it(url: str) -> None:
    async with (
        interrex.election(url, identity="a") as a,
        interrex.election(url, identity="b") as b,
        interrex.election(url, identity="c", priority=5) as c,
    ):
        seen: asyncio.Queue[str | None] = asyncio.Queue()

        async def watch() -> None:
            async for view in c.observe():
                seen.put_nowait(view.leader)

        watching = asyncio.create_task(watch())
        led: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

        async def lead(election: interrex.Election) -> None:
            async with election.lead() as leadership:
                led.put_nowait((election.identity, leadership.epoch))
                await asyncio.get_running_loop().create_future()

        async with asyncio.TaskGroup() as group:
            group.create_task(lead(a))
            name, first = await led.get()
            assert name == "a"
            group.create_task(lead(b))
            group.create_task(lead(c))
            while await seen.get() != "a":
                pass
            while set(a.waiting()) != {"b", "c"}:
                await a.standing.changed()
            await a.transfer("b")
            name, second = await led.get()
            assert name == "b"
            await b.resign()
            name, third = await led.get()
            assert name == "c"
            assert first < second < third
            while await seen.get() != "c":
                pass
            await c.resign()
        watching.cancel()


async def test_without_a_cluster_the_program_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NoCluster, match="interrex up FILE"):
        async with interrex.election(f"interrex:///nowhere/x?state={tmp_path}"):
            pass


def test_a_wrong_url_is_refused_before_anything_happens() -> None:
    with pytest.raises(MalformedUrl, match="CLUSTER/NAME"):
        interrex.election("interrex://host/x")
    with pytest.raises(UnknownOption, match="colour"):
        interrex.election("interrex:///a/b?colour=red")
