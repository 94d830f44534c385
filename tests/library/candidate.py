"""Leads when it may, and says so: python -m tests.library.candidate URL IDENTITY PRIORITY

On its output, a line each: ``waiting``; ``lead EPOCH NS`` (CLOCK_BOOTTIME); ``ended REASON``; what
went wrong. It reads nothing and ends with its process.
"""

import asyncio
import sys

import interrex
from interrex.library.errors import ElectionError
from interrex.runtime.clock import now_ns


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def say_when_it_waits(election: interrex.Election) -> None:
    while election.identity not in election.waiting():
        await election.standing.changed()
    say("waiting")


async def run(url: str, identity: str, priority: int) -> None:
    async with interrex.election(url, identity=identity, priority=priority) as election:
        watching = asyncio.create_task(say_when_it_waits(election))
        while not watching.cancelled():
            async with election.lead() as leadership:
                say(f"lead {leadership.epoch} {now_ns()}")
                await asyncio.get_running_loop().create_future()
            say(f"ended {leadership.reason}")


if __name__ == "__main__":
    try:
        asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    except ElectionError as error:
        say(f"{type(error).__name__}: {error}".replace("\n", " | "))
