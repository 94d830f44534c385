"""Leads when it may, and says so: python -m tests.library.candidate URL IDENTITY PRIORITY FILE

On its output, a line each: ``waiting``; ``lead EPOCH NS``; ``ended NS REASON``; what went wrong.
NS is on CLOCK_BOOTTIME; that of an end is its deadline, or when its body ended if that was sooner.
Where FILE is not empty it writes its epoch there as it begins to lead, and tries to once more when
that has ended: ``refused EPOCH NEWEST``. It reads nothing and ends with its process.
"""

import asyncio
import sys
from contextlib import suppress

import interrex
from interrex.library.errors import ElectionError, StaleEpoch
from interrex.library.guards.files import GuardedFile
from interrex.runtime.clock import now_ns


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def say_when_it_waits(election: interrex.Election) -> None:
    while election.identity not in election.waiting():
        await election.standing.changed()
    say("waiting")


async def run(url: str, identity: str, priority: int, path: str) -> None:
    file = GuardedFile(path) if path else None
    async with interrex.election(url, identity=identity, priority=priority) as election:
        watching = asyncio.create_task(say_when_it_waits(election))
        while not watching.cancelled():
            async with election.lead() as leadership:
                if file is not None:
                    with suppress(StaleEpoch):
                        file.write(b"%d\n" % leadership.epoch, leadership.epoch)
                say(f"lead {leadership.epoch} {now_ns()}")
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    until = min(now_ns(), leadership.deadline)
            say(f"ended {until} {leadership.reason}")
            if file is not None:
                write_late(file, leadership.epoch)


def write_late(file: GuardedFile, epoch: int) -> None:
    try:
        file.write(b"%d\n" % epoch, epoch)
    except StaleEpoch as error:
        say(f"refused {error.epoch} {error.newest}")
    else:
        say(f"written {epoch}")


if __name__ == "__main__":
    try:
        asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
    except ElectionError as error:
        say(f"{type(error).__name__}: {error}".replace("\n", " | "))
