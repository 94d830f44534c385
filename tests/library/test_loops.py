"""Which event loops an election runs under: asyncio's, also where anyio uses it, and no other."""

import asyncio

import anyio
import pytest

from interrex.library.errors import NeedsAsyncio
from tests.library.stage import scripted

SAID = "take interrex.library.blocking on a thread"


def test_under_another_loop_than_asyncios_entering_says_what_it_needs() -> None:
    """As trio does: it runs coroutines by itself, and asyncio knows of no loop."""
    election, script = scripted()
    with pytest.raises(NeedsAsyncio, match=SAID):
        election.__aenter__().send(None)
    assert script.said == []


async def test_a_guest_in_asyncios_loop_whose_tasks_are_not_asyncios_is_told_too() -> None:
    election, script = scripted()
    refused = asyncio.get_running_loop().create_future()

    def enter() -> None:
        with pytest.raises(NeedsAsyncio, match=SAID) as told:
            election.__aenter__().send(None)
        refused.set_result(told.value)

    asyncio.get_running_loop().call_soon(enter)
    await refused
    assert script.said == []


async def test_who_was_told_so_may_enter_the_same_election_under_asyncio() -> None:
    election, script = scripted()
    with pytest.raises(NeedsAsyncio):
        await asyncio.to_thread(lambda: election.__aenter__().send(None))
    async with election:
        assert script.said == ["open"]


def test_under_anyio_a_body_ends_with_its_leadership_and_the_program_goes_on() -> None:
    async def program() -> None:
        election, script = scripted()
        async with election:
            script.grant(7)
            with anyio.CancelScope() as outer:
                async with election.lead() as leadership, anyio.create_task_group() as group:
                    group.start_soon(anyio.sleep_forever)
                    group.start_soon(_end, script)
                await anyio.lowlevel.checkpoint()
            assert leadership.lost
            assert not outer.cancelled_caught

    anyio.run(program)


async def _end(script: object) -> None:
    script.standing.end("somebody else leads")  # type: ignore[attr-defined]


def test_under_anyio_a_scope_that_is_cancelled_ends_the_lead_in_it() -> None:
    async def program() -> None:
        election, script = scripted()
        async with election:
            script.grant(7)
            with anyio.CancelScope() as outer:
                async with election.lead() as leadership:
                    outer.cancel()
                    await anyio.sleep_forever()
            assert outer.cancelled_caught
            assert leadership.ended
            assert not leadership.lost
            await anyio.lowlevel.checkpoint()
            script.grant(8)
            async with election.lead() as another:
                assert another.epoch == 8

    anyio.run(program)
