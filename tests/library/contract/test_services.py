"""What holds for every backend that rests on servers outside, while these die and hang."""

import asyncio
import os
import signal
import socket
from contextlib import AsyncExitStack

import interrex
from interrex.core.time import S
from interrex.runtime.clock import now_ns
from tests.library.contract.arenas import Servers, Service
from tests.library.members import Turn, Turns, led_since
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
            await turns.next()
            for server in range(servers.count):
                await asyncio.to_thread(servers.kill, server)
                await asyncio.to_thread(servers.start, server)
                await asyncio.to_thread(servers.wait_well)
            turns.stand(b)
            while (leads := a.leadership or b.leadership) is None:
                await turns.next()
            newest = leads.epoch
            views: set[Turn] = set()
            while len(views) != 1:  # it may end meanwhile, for what the last death has cost
                views = {await led_since(one, newest) for one in (a, b)}
                newest = max(view.epoch for view in views)
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
        assert leadership.deadline - begun < 3 * service.lease * S
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
        for server in range(servers.count):
            servers.go_on(server)
        assert leadership.lost
        assert leadership.deadline - deadline < service.lease * S
        async with a.lead() as again:
            assert again.epoch > leadership.epoch


async def test_a_server_that_says_nothing_hides_none_of_those_that_are_listed_behind_it(
    service: Service,
) -> None:
    """With the time-outs that a long lease brings."""
    url = service.election().url(0, service.lasting(10))
    first = url.index("127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = "{}:{}".format(*silent.getsockname())
        async with (
            interrex.election(f"{url[:first]}{place},{url[first:]}", identity="a") as election,
            election.lead() as leadership,
        ):
            assert leadership.epoch > 0


async def test_whoever_is_cancelled_again_and_again_while_leaving_leaves_nothing_open(
    service: Service, servers: Servers
) -> None:
    url = service.election().url(0)
    open_before = open_files()
    for times in range(2, 12):
        leads = asyncio.Event()
        member = asyncio.create_task(lead_for_ever(url, leads))
        await leads.wait()
        for _ in range(times):
            member.cancel()
            await asyncio.sleep(0.001)
        await asyncio.wait([member])
        assert member.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    while open_files() > open_before:  # what was closed is let go of by the loop
        await asyncio.sleep(0.001)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def lead_for_ever(url: str, leads: asyncio.Event) -> None:
    async with interrex.election(url, identity="a") as election, election.lead():
        leads.set()
        await asyncio.get_running_loop().create_future()


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


def test_a_leader_whose_session_the_servers_end_is_cancelled_and_both_it_and_others_lead_later(
    service: Service, programs: Programs
) -> None:
    """It hears of it from nobody but the servers. Whose it was may be the first to lead again."""
    meeting = service.election()
    first = programs.start(meeting.url(0), "a")
    led = programs.leads(first)
    second = programs.start(meeting.url(1), "b")
    second.line_that_begins("waiting")
    for next_one in (second, first):
        while led.process is not next_one:
            service.end_session(meeting)
            led.process.line_that_begins("ended")
            before, led = led, programs.leads()
            assert led.epoch > before.epoch


def test_a_killed_programs_identity_is_its_successors_once_its_session_is_over(
    service: Service, programs: Programs
) -> None:
    meeting = service.election()
    first = programs.start(meeting.url(0), "same")
    led = programs.leads(first)
    first.signal(signal.SIGKILL)
    again = programs.start(meeting.url(0), "same")
    assert programs.leads(again).epoch > led.epoch
