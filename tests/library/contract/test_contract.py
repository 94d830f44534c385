"""What every backend of the library promises, whoever elects."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import interrex
from interrex.core.time import S
from interrex.library.errors import IdentityTaken, NotLeading, UnknownSuccessor
from interrex.runtime.clock import now_ns
from tests.library.contract.arenas import Arena, Meeting
from tests.library.members import Turns, leads_before, led_since, until_waiting
from tests.library.programs import Programs

NAMES = ("a", "b~/é", "c")
Member = interrex.Election


async def trio(stack: AsyncExitStack, meeting: Meeting) -> list[Member]:
    """Three members, of which the later ones have the higher priority."""
    return [
        await stack.enter_async_context(
            interrex.election(meeting.patient_url(place), identity=name, priority=place)
        )
        for place, name in enumerate(NAMES)
    ]


async def test_one_leads_at_a_time_and_leaving_lets_the_next_lead(meeting: Meeting) -> None:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        members = {one.identity: one for one in await trio(stack, meeting)}
        for member in members.values():
            turns.stand(member)
        epochs = []
        while members:
            led = await turns.next()
            epochs.append(led.epoch)
            leader = members.pop(led.identity)
            await until_waiting(leader, *members)
            for member in members.values():
                assert await led_since(member, led.epoch) == led
            turns.stop(leader)
        assert epochs == sorted(set(epochs))
        assert max(epochs) < 2**63
        turns.stop_all()


async def test_the_highest_priority_of_those_who_wait_leads_and_transfer_goes_before_it(
    meeting: Meeting,
) -> None:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        a, b, c = await trio(stack, meeting)
        turns.stand(a)
        assert (await turns.next()).identity == a.identity
        turns.stand(b)
        turns.stand(c)
        epoch = await leads_before(a, b, c)
        await a.resign()
        assert (await turns.next(after=epoch)).identity == c.identity
        epoch = await leads_before(c, a, b)
        with pytest.raises(UnknownSuccessor, match=r"'nobody' does not wait.*a"):
            await c.transfer("nobody")
        await c.transfer("a")
        assert (await turns.next(after=epoch)).identity == "a"
        turns.stop_all()


async def test_a_member_may_lead_again_and_again_alone(meeting: Meeting) -> None:
    async with AsyncExitStack() as stack:
        a, *_ = await trio(stack, meeting)
        epochs = []
        for _ in range(3):
            async with a.lead() as leadership:
                epochs.append(leadership.epoch)
                assert a.leadership is leadership
                assert leadership.remaining() > 0
            assert a.leadership is None
            with pytest.raises(NotLeading):
                await a.resign()
        assert epochs == sorted(epochs)


async def test_who_only_looks_on_sees_each_newest_leadership_and_its_end(
    meeting: Meeting,
) -> None:
    async with AsyncExitStack() as stack:
        a, b, onlooker = await trio(stack, meeting)
        views = onlooker.observe()
        epoch = 0
        for member in (a, b, a):
            async with member.lead() as leadership:
                epoch = leadership.epoch
                async for view in views:
                    assert view.epoch <= leadership.epoch
                    if view == interrex.View(member.identity, leadership.epoch):
                        break
        async for view in views:
            if view.leader is None:
                break
        assert onlooker.view.epoch >= epoch


async def test_a_slow_reader_is_told_the_newest_after_two_changes_of_leader(
    meeting: Meeting,
) -> None:
    async with AsyncExitStack() as stack:
        a, b, onlooker = await trio(stack, meeting)
        views = onlooker.observe()
        async with a.lead() as leadership:
            async for view in views:
                if view == interrex.View(a.identity, leadership.epoch):
                    break
        async with b.lead() as leadership:
            await led_since(onlooker, leadership.epoch)
        async with a.lead() as leadership:
            newest = await led_since(onlooker, leadership.epoch)
            assert newest == (a.identity, leadership.epoch)
            assert await anext(views) == interrex.View(*newest)


async def test_whoever_stands_no_more_is_passed_over(meeting: Meeting) -> None:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        a, b, c = await trio(stack, meeting)
        turns.stand(a)
        await turns.next()
        turns.stand(b)
        turns.stand(c)
        await leads_before(a, b, c)
        turns.stop(c)
        epoch = await leads_before(a, b)
        turns.stop(a)
        assert (await turns.next(after=epoch)).identity == b.identity
        turns.stop_all()


async def test_two_members_of_one_identity_are_refused_by_the_second(meeting: Meeting) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(interrex.election(meeting.url(0), identity="same"))
        second = await stack.enter_async_context(interrex.election(meeting.url(1), identity="same"))
        standing = asyncio.create_task(_lead_for_ever(first))
        while "same" not in first.waiting() and first.leadership is None:
            await first.standing.changed()
        with pytest.raises(IdentityTaken) as caught:
            async with second.lead():
                pass
        assert caught.value.identity == "same"
        assert caught.value.mine
        assert caught.value.other
        assert first.standing.failure is None
        standing.cancel()
        await asyncio.wait([standing])


async def test_whoever_is_cancelled_while_entering_leaves_nothing_behind(
    meeting: Meeting,
) -> None:
    url = meeting.url(0)
    for turns in range(12):
        entering = asyncio.create_task(_lead_for_ever_in(interrex.election(url, identity="a")))
        for _ in range(turns):
            await asyncio.sleep(0)
        entering.cancel()
        await asyncio.wait([entering])
        assert entering.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
    async with interrex.election(url, identity="a"):
        pass


async def _lead_for_ever_in(election: Member) -> None:
    async with election:
        await _lead_for_ever(election)


async def _lead_for_ever(member: Member) -> None:
    async with member.lead():
        await asyncio.get_running_loop().create_future()


# With processes of their own


def test_the_holder_is_killed_and_the_next_leads(meeting: Meeting, programs: Programs) -> None:
    for place, name in enumerate("abc"):
        programs.start(meeting.url(place), name)
    first = programs.leads()
    first.process.signal(signal.SIGKILL)
    assert programs.leads().epoch > first.epoch


def test_a_holder_that_stood_still_past_its_lease_is_followed_cancelled_and_its_write_refused(
    arena: Arena, meeting: Meeting, programs: Programs, tmp_path: Path
) -> None:
    guarded = tmp_path / "written"
    for place, name in enumerate("abc"):
        programs.start(meeting.url(place), name, guarded=guarded)
    first = programs.leads()
    stopped = now_ns()
    first.process.signal(signal.SIGSTOP)
    second = programs.leads(but=first.process)
    assert second.epoch > first.epoch
    assert second.at - stopped > arena.lease * S / 2, "its lease was not waited for"
    first.process.signal(signal.SIGCONT)
    assert first.process.line_that_begins("ended")
    assert first.process.line() == f"refused {first.epoch} {second.epoch}"
