"""The demo's end of the load client's process: see ``load``."""

import asyncio
import sys
from collections.abc import Callable

from interrex.core.errors import InterrexError
from interrex.demo.samples import Sample, Verdict, decode_line

VERIFY_S = 60.0
STOP_S = 15.0


class LoadClient:
    """A running load client.

    Args:
        process: made by ``start``; take: is given every finished request.
    """

    def __init__(self, process: asyncio.subprocess.Process, take: Callable[[Sample], None]) -> None:
        self._process = process
        self._take = take
        self._verdict: asyncio.Future[Verdict] | None = None
        self._stopping = False
        self.ended = asyncio.get_running_loop().create_task(self._read())
        """Done when the process has ended; raises InterrexError if nobody had asked it to."""

    @classmethod
    async def start(
        cls, port: int, rate: float, seed: int, take: Callable[[Sample], None]
    ) -> "LoadClient":
        """Start it, in a session of its own: Ctrl-C is the demo's to handle."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "interrex.demo.load",
            str(port),
            str(rate),
            str(seed),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return cls(process, take)

    async def verify(self) -> Verdict:
        """Read every order back."""
        self._verdict = asyncio.get_running_loop().create_future()
        self._say(b"verify\n")
        try:
            async with asyncio.timeout(VERIFY_S):
                return await self._verdict
        except TimeoutError:
            return Verdict(0, problem=f"the orders were not read back within {VERIFY_S:g} s")

    async def stop(self) -> None:
        """Let it finish what is under way, then end; kill it if it does not."""
        self._stopping = True
        self._say(b"stop\n")
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.shield(self.ended)
        except TimeoutError:
            self._process.kill()
            await self.ended

    def _say(self, word: bytes) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(word)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = decode_line(line)
            if isinstance(said, Sample):
                self._take(said)
            elif self._verdict is not None and not self._verdict.done():
                self._verdict.set_result(said)
        code = await self._process.wait()
        if not self._stopping:
            raise InterrexError(f"the load client ended by itself, with status {code}")
