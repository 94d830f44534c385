"""What holds for every backend that rests on servers outside, while these die and hang."""

import asyncio
import signal
from contextlib import AsyncExitStack

import interrex
from interrex.core.time import S
from interrex.runtime.clock import now_ns
from tests.library.contract.arenas import Servers, Service
from tests.library.members import Turns, led_since
from tests.library.programs import Programs


async def test_a_leader_goes_on_while_each_server_is_killed_and_started_again(
    service: Service, servers: Servers
) -> None:
    meeting = service.election()
    async with AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(interrex.election(meeting.url(0), identity=name))
            for name in "ab"
        ]
        async with asyncio.TaskGroup() as group:
            turns = Turns(group)
            turns.stand(a)
            led = await turns.next()
            for server in range(servers.count):
                await asyncio.to_thread(servers.kill, server)
                await asyncio.to_thread(servers.start, server)
                await asyncio.to_thread(servers.wait_well)
            turns.stand(b)
            while a.leadership is None and b.leadership is None:
                led = await turns.next()
            assert await led_since(b, led.epoch) == await led_since(a, led.epoch)
            turns.stop_all()


async def test_without_a_majority_the_leader_stops_by_its_deadline_and_epochs_go_on_after_it(
    service: Service, servers: Servers
) -> None:
    meeting = service.election()
    majority = range(servers.count // 2 + 1)

    def kill_majority() -> None:
        for server in majority:
            servers.kill(server)

    async with interrex.election(meeting.url(0), identity="a") as a:
        async with a.lead() as leadership:
            killing = asyncio.create_task(asyncio.to_thread(kill_majority))
            begun = now_ns()
            await asyncio.get_running_loop().create_future()
        assert leadership.lost
        assert now_ns() - begun < 3 * service.lease * S
        await killing
        for server in majority:
            await asyncio.to_thread(servers.start, server)
        async with a.lead() as again:
            assert again.epoch > leadership.epoch


async def test_servers_that_stand_still_and_keep_their_connections_end_a_leadership_too(
    service: Service, servers: Servers
) -> None:
    meeting = service.election()
    async with interrex.election(meeting.url(0), identity="a") as a:
        async with a.lead() as leadership:
            for server in range(servers.count):
                servers.stop(server)
            deadline = leadership.deadline
            await asyncio.get_running_loop().create_future()
        ended = now_ns()
        for server in range(servers.count):
            servers.go_on(server)
        assert leadership.lost
        assert ended - deadline < service.lease * S
        async with a.lead() as again:
            assert again.epoch > leadership.epoch


def test_epochs_rise_over_a_restart_of_all_servers(
    service: Service, servers: Servers, programs: Programs
) -> None:
    meeting = service.election()
    first = programs.start(meeting.url(0), "a")
    led = programs.leads(first)
    first.signal(signal.SIGKILL)
    for server in range(servers.count):
        servers.kill(server)
    for server in range(servers.count):
        servers.start(server)
    servers.wait_well()
    assert programs.leads(programs.start(meeting.url(0), "b")).epoch > led.epoch


def test_of_two_with_different_leases_each_follows_the_other_by_the_others_lease(
    service: Service, programs: Programs
) -> None:
    meeting = service.election()
    long = 3 * service.lease
    slow = programs.start(meeting.url(0, service.lasting(long)), "slow")
    led = programs.leads(slow)
    quick = programs.start(meeting.url(1), "quick")
    quick.line_that_begins("waiting")
    slow.signal(signal.SIGSTOP)
    stopped = now_ns()
    second = programs.leads(quick)
    assert second.at - stopped > service.lease * S, "it was followed by the shorter lease"
    assert second.epoch > led.epoch
    slow.signal(signal.SIGCONT)
    slow.line_that_begins("waiting")
    quick.signal(signal.SIGSTOP)
    stopped = now_ns()
    third = programs.leads(slow)
    assert third.at - stopped < long * S, "it was followed by the longer lease"
    assert third.epoch > second.epoch


def test_a_killed_programs_identity_is_its_successors_once_its_session_is_over(
    service: Service, programs: Programs
) -> None:
    meeting = service.election()
    first = programs.start(meeting.url(0), "same")
    led = programs.leads(first)
    first.signal(signal.SIGKILL)
    again = programs.start(meeting.url(0), "same")
    assert programs.leads(again).epoch > led.epoch
