"""A job that every machine's cron starts, and one of them runs.

    * * * * *  python cron_once.py interrex:///shop/nightly pg_dump -f /backup/shop.sql shop

Whoever leads runs the command, then keeps the leadership until half a minute has passed; the others
wait for it a second and end without a word. So a cron that is a little late elsewhere does not run
the job again. The command gets its epoch as $INTERREX_EPOCH, for whatever it writes to.

The URL is a fleet's, or a service's: of members that elect among themselves a majority would have
to stay for as long as the command runs.
"""

import asyncio
import os
import sys

import interrex

WAIT_S = 1.0
KEEP_S = 30.0
CUT_SHORT = 75
"""The leadership was lost while the command ran: it was ended."""


async def run_once(url: str, command: list[str], wait_s: float, keep_s: float) -> int:
    """The command's exit status; 0 where another machine runs it."""
    async with interrex.election(url) as election:
        leads, status = asyncio.Event(), CUT_SHORT

        async def lead() -> None:
            nonlocal status
            async with election.lead() as leadership:
                leads.set()
                rest = asyncio.create_task(asyncio.sleep(keep_s))
                try:
                    status = await run(command, leadership.epoch)
                    await rest
                finally:
                    rest.cancel()

        turn, begun = asyncio.create_task(lead()), asyncio.create_task(leads.wait())
        await asyncio.wait([turn, begun], timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if leads.is_set() or turn.done():  # done without a turn: the election cannot go on
            await turn
            return status
        turn.cancel()
        await asyncio.wait([turn])
        return 0


async def run(command: list[str], epoch: int) -> int:
    """Run a command to its end, or end it when this is cancelled."""
    environment = {**os.environ, "INTERREX_EPOCH": str(epoch)}
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    if sys.argv[1].startswith(("raft:", "paxos:", "bully:")):
        sys.exit(
            "cron_once: take interrex://, etcd://, zookeeper:// or postgresql://: others leave"
        )
    sys.exit(asyncio.run(run_once(sys.argv[1], sys.argv[2:], WAIT_S, KEEP_S)))
