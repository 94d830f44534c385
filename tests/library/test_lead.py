"""``lead()``: waits for its turn, cancels its body when the leadership ends, and nothing else."""

import asyncio

import pytest

import interrex
from interrex.core.time import MS, S
from interrex.elections.embedding import EMBEDDED
from interrex.library.errors import (
    AlreadyEntered,
    AlreadyLeading,
    BadMargin,
    ElectionClosed,
    NotLeading,
    UnknownSuccessor,
)
from interrex.library.leadership import Leadership, View
from interrex.runtime.clock import now_ns
from tests.library.stage import LEASE, Script, scripted, settled


def _lose_and_raise(script: Script) -> None:
    script.standing.end("lost")
    raise ZeroDivisionError


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_the_body_runs_when_leadership_is_granted_and_leaving_gives_it_up() -> None:
    election, script = scripted()
    async with election:
        lead = asyncio.create_task(_lead_once(election.lead()))
        await settled()
        assert not lead.done()
        assert script.said == ["open", "stand"]
        script.grant(7)
        leadership = await lead
    assert (leadership.epoch, leadership.ended, leadership.lost) == (7, True, False)
    assert script.said == ["open", "stand", "withdraw", "close"]


async def _lead_once(lead: object) -> Leadership:
    async with lead as leadership:  # type: ignore[attr-defined]
        assert not leadership.ended
        assert 0 < leadership.remaining() <= LEASE / S
    assert isinstance(leadership, Leadership)
    return leadership


async def test_what_is_granted_is_given_up_only_once_its_body_runs() -> None:
    """Who gave it up before waited for the end of a body that never began."""
    election, script = scripted()
    async with election:
        lead = asyncio.create_task(_lead_once(election.lead()))
        await settled()
        script.grant(7)
        script.others = ["b"]
        assert election.leadership is None
        with pytest.raises(NotLeading):
            await election.resign()
        with pytest.raises(NotLeading):
            await election.transfer("b")
        assert (await lead).epoch == 7


async def test_the_body_is_cancelled_when_the_leadership_ends_and_the_program_goes_on() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        async with election.lead() as leadership:
            asyncio.get_running_loop().call_soon(script.standing.end, "somebody else leads")
            await for_ever()
        assert leadership.lost
        assert leadership.reason == "somebody else leads"
        assert leadership.remaining() == 0
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)  # nothing is left over that would be delivered here


async def test_the_body_is_cancelled_at_its_deadline_though_nobody_says_a_word() -> None:
    election, script = scripted(margin=0.001)
    async with election:
        script.grant(1, lease=10 * MS)
        async with election.lead() as leadership:
            await for_ever()
        assert leadership.lost
        assert "deadline" in leadership.reason
        assert now_ns() >= leadership.deadline - MS


async def test_a_renewed_leadership_goes_on_past_its_first_deadline() -> None:
    election, script = scripted(margin=0.001)
    async with election:
        script.grant(1, lease=10 * MS)
        async with election.lead() as leadership:
            first = leadership.deadline
            script.standing.renew(first + 20 * MS)
            await for_ever()
        assert leadership.deadline == first + 20 * MS
        assert now_ns() >= first + 19 * MS


async def test_a_leadership_ends_by_the_clock_though_its_loop_is_blocked() -> None:
    leadership = Leadership(3, now_ns() - 1)
    assert leadership.ended
    with pytest.raises(NotLeading, match="epoch 3"):
        leadership.check()


async def test_a_cancellation_from_outside_goes_through() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        inside = asyncio.Event()

        async def work() -> None:
            async with election.lead():
                inside.set()
                await for_ever()
            raise AssertionError("a cancelled task went on")

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert script.said[-1] == "withdraw"


async def test_a_cancellation_from_outside_in_the_same_turn_is_not_swallowed() -> None:
    for outside_first in (True, False):
        election, script = scripted()
        async with election:
            script.grant(1)
            inside = asyncio.Event()

            async def work() -> None:
                async with election.lead():  # noqa: B023
                    inside.set()  # noqa: B023
                    await for_ever()
                raise AssertionError("a cancelled task went on")

            task = asyncio.create_task(work())
            await inside.wait()
            if outside_first:
                task.cancel()
            script.standing.end("lost")
            if not outside_first:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_a_cancellation_that_was_asked_for_before_entering_is_not_swallowed() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)

        async def work() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            async with election.lead():
                raise AssertionError("entered")

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(work())
        assert script.said == ["open", "stand", "withdraw"]


async def test_cancelled_while_waiting_it_does_not_stand_any_more() -> None:
    election, script = scripted()
    async with election:
        task = asyncio.create_task(_lead_once(election.lead()))
        await settled()
        task.cancel()
        script.grant(1)  # in the same turn: it is given back
        with pytest.raises(asyncio.CancelledError):
            await task
        assert script.said == ["open", "stand", "withdraw"]
        assert script.standing.leadership is None


async def test_an_exception_of_the_body_passes_and_gives_the_leadership_up() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        with pytest.raises(ZeroDivisionError):
            async with election.lead():
                raise ZeroDivisionError
        assert script.said[-1] == "withdraw"


async def test_an_exception_while_being_cancelled_is_the_one_that_passes() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        with pytest.raises(ZeroDivisionError):
            async with election.lead():
                _lose_and_raise(script)
        await asyncio.sleep(0)  # the cancellation that was not delivered is not delivered here


async def test_an_outer_cancellation_beside_an_exception_arrives_at_the_next_await() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        met: list[str] = []

        async def work() -> None:
            task = asyncio.current_task()
            assert task is not None
            try:
                async with election.lead():
                    script.standing.end("lost")
                    task.cancel()
                    raise ZeroDivisionError
            except ZeroDivisionError:
                met.append("exception")
                await for_ever()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(work())
        assert met == ["exception"]


async def test_a_body_that_ends_as_it_is_cancelled_leaks_no_cancellation() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        async with election.lead() as leadership:
            script.standing.end("lost")
        await asyncio.sleep(0)
        assert leadership.lost


async def test_lost_before_it_could_be_entered_it_is_waited_for_again() -> None:
    election, script = scripted()
    async with election:
        task = asyncio.create_task(_lead_once(election.lead()))
        await settled()
        script.grant(1)
        script.standing.end("lost at once")
        await settled()
        assert not task.done()
        script.grant(2)
        assert (await task).epoch == 2


async def test_an_election_can_be_led_again_and_again_but_only_once_at_a_time() -> None:
    election, script = scripted()
    async with election:
        for epoch in (1, 2):
            script.grant(epoch)
            lead = election.lead()
            async with lead as leadership:
                assert leadership.epoch == epoch
                assert election.leadership is leadership
                with pytest.raises(AlreadyLeading, match="'a'"):
                    async with election.lead():
                        pass
            with pytest.raises(AlreadyEntered, match=r"this lead\(\) was entered before"):
                async with lead:
                    pass
            assert election.leadership is None


async def test_an_election_is_entered_once_and_says_so_before_and_after_it_was_left() -> None:
    election, script = scripted()
    with pytest.raises(ElectionClosed, match="open the election first"):
        await _lead_once(election.lead())
    async with election:
        with pytest.raises(AlreadyEntered, match="the election of 'a' was entered before"):
            await election.__aenter__()
        script.grant(1)
        assert (await _lead_once(election.lead())).epoch == 1
    with pytest.raises(AlreadyEntered, match="make another"):
        await election.__aenter__()
    with pytest.raises(ElectionClosed, match=r"has left the election\nmake another"):
        await _lead_once(election.lead())
    assert [word for word in script.said if word in ("open", "close")] == ["open", "close"]


@pytest.mark.parametrize(
    "url",
    [
        "interrex:///shop/x",
        *(f"{scheme}://127.0.0.1:1/x?self=0" for scheme in EMBEDDED),
        *(f"{scheme}://127.0.0.1:1/x" for scheme in ("etcd", "zookeeper")),
        "postgresql://127.0.0.1:1/x/y",
    ],
)
async def test_what_is_asked_before_entering_is_refused_whoever_elects(url: str) -> None:
    election = interrex.election(url, identity="a")
    with pytest.raises(ElectionClosed, match="open the election first"):
        election.waiting()
    with pytest.raises(ElectionClosed, match="open the election first"):
        await anext(aiter(election.observe()))
    with pytest.raises(ElectionClosed, match="open the election first"):
        await election.lead().__aenter__()
    for ask in (election.resign, lambda: election.transfer("b")):
        with pytest.raises(NotLeading):
            await ask()
    assert (election.view, election.leadership) == (View(None, 0), None)


async def test_nested_time_outs_of_the_body_stay_their_own() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        async with election.lead() as leadership:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await for_ever()
            assert not leadership.ended
        script.grant(2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001), election.lead():
                await for_ever()


async def test_tasks_that_the_body_started_in_a_group_end_with_it() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        async with election.lead(), asyncio.TaskGroup() as group:
            first, second = (group.create_task(for_ever()) for _ in range(2))
            asyncio.get_running_loop().call_soon(script.standing.end, "lost")
            await for_ever()
        assert first.cancelled()
        assert second.cancelled()


async def test_resigning_cancels_the_body_first_and_returns_when_it_has_ended() -> None:
    election, script = scripted()
    async with election:
        with pytest.raises(NotLeading):
            await election.resign()
        script.grant(1)
        cleaned: list[str] = []

        async def work() -> None:
            async with election.lead():
                try:
                    await for_ever()
                finally:
                    await asyncio.sleep(0)
                    cleaned.append(script.said[-1])

        task = asyncio.create_task(work())
        await settled()
        await election.resign()
        await task
        assert cleaned == ["stand"]
        assert script.said[-1] == "withdraw"


async def test_resigning_in_the_body_ends_it_there() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        async with election.lead() as leadership:
            await election.resign()
            raise AssertionError("the body went on")
        assert leadership.reason == "it was given up"


async def test_transfer_goes_to_one_who_waits_and_to_nobody_else() -> None:
    election, script = scripted()
    async with election:
        script.grant(1)
        script.others = ["b", "c"]
        async with election.lead():
            with pytest.raises(UnknownSuccessor, match=r"'d' does not wait.*b, c"):
                await election.transfer("d")
            await election.transfer("b")
        assert script.said[-1] == "withdraw for b"


async def test_an_observer_never_misses_the_newest() -> None:
    election, script = scripted()
    seen = []
    async with election:

        async def watch() -> None:
            async for view in election.observe():
                seen.append((view.leader, view.epoch))

        task = asyncio.create_task(watch())
        await settled()
        script.standing.saw("a", 1)
        await settled()
        script.standing.saw("b", 2)
        script.standing.saw("c", 3)
        script.standing.saw("b", 2)
        await settled()
        assert seen == [(None, 0), ("a", 1), ("c", 3)]
        script.standing.saw(None, 3)
    await task
    assert seen[-1] == (None, 3)


async def test_a_backend_that_fails_tells_everybody_who_waits() -> None:
    election, script = scripted()
    async with election:
        task = asyncio.create_task(_lead_once(election.lead()))
        await settled()
        script.standing.fail(NotLeading("the disk is gone"))
        with pytest.raises(NotLeading, match="disk"):
            await task
        with pytest.raises(NotLeading, match="disk"):
            async for _ in election.observe():
                pass


async def test_a_closed_election_is_not_led() -> None:
    election, _ = scripted()
    with pytest.raises(ElectionClosed):
        async with election.lead():
            pass


def test_a_margin_that_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(BadMargin, match=r"1800 s.*3600 s"):
        scripted(margin=1800)
    with pytest.raises(BadMargin, match="-1 s"):
        scripted(margin=-1)
    assert scripted(margin=None)[0].margin == LEASE // 10
