"""``python -m interrex.demo.load PORT RATE SEED``: the load client, in a process of its own.

In a process of its own, so that drawing the demo's picture delays no request. It writes lines (see
``samples``) to its output and obeys words on its input: ``verify`` reads every order back, ``stop``
sends nothing new and ends with what is under way; the end of the input ends it at once, so it never
outlives the demo.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from random import Random

import uvloop

from interrex.core.time import MS, S
from interrex.demo.client import Client
from interrex.demo.pacing import Pacer
from interrex.demo.samples import Line, Sample, encode_line
from interrex.demo.traffic import Customers
from interrex.runtime.clock import now_ns

HOST = "127.0.0.1"
FIRST_AFTER = 50 * MS


class Load:
    """Sends requests when they are due, and reports each when it has ended.

    Args:
        customers: draw and perform the requests.
        rate: requests a second.
        report: takes each line.
    """

    def __init__(self, customers: Customers, rate: float, report: Callable[[Line], None]) -> None:
        self._customers = customers
        self._rate = rate
        self._report = report
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until stopped; returns when the last request has ended."""
        pacer = Pacer(self._rate, now_ns() + FIRST_AFTER)
        while not self._stopping.is_set():
            for due in pacer.due(now_ns()):
                self._begin(self._request(due))
            await self._until(pacer.wake_at)
        while self._under_way:
            await asyncio.wait(self._under_way)

    def verify(self) -> None:
        """Read everything back in the background; the verdict is reported when it is known."""
        self._begin(self._verify())

    def stop(self) -> None:
        """Send nothing new."""
        self._stopping.set()

    async def _until(self, wake_at: int) -> None:
        try:
            async with asyncio.timeout(max(0, wake_at - now_ns()) / S):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.result()  # an error in here is a bug: let the loop say so

    async def _request(self, due: int) -> None:
        ask = self._customers.draw()
        sent = now_ns()
        judged = await self._customers.perform(ask)
        self._report(
            Sample(due, sent, now_ns(), ask.method, judged.outcome, judged.retried, judged.detail)
        )

    async def _verify(self) -> None:
        self._report(await self._customers.read_back())


class _Words(asyncio.Protocol):
    """The demo's words, a line each."""

    def __init__(self, load: Load, ended: asyncio.Event) -> None:
        self._load = load
        self._ended = ended
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *words, self._rest = (self._rest + data).split(b"\n")
        for word in words:
            if word == b"verify":
                self._load.verify()
            elif word == b"stop":
                self._load.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()


class _Output(asyncio.Protocol):
    """Where the lines go; ``closed`` once the last of them is written."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


async def _work(port: int, rate: float, seed: int) -> None:
    loop = asyncio.get_running_loop()
    client = Client.to_port(HOST, port)
    out, output = await loop.connect_write_pipe(_Output, sys.stdout)
    customers = Customers(client, Random(seed), f"order-{os.getpid()}")
    load = Load(customers, rate, lambda line: out.write(encode_line(line)))
    ended = asyncio.Event()
    await loop.connect_read_pipe(lambda: _Words(load, ended), sys.stdin)
    running = loop.create_task(load.run())
    watching = loop.create_task(ended.wait())
    await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
    watching.cancel()
    running.cancel()
    client.close()
    out.close()
    await output.closed.wait()


def main(arguments: list[str]) -> None:
    """Run until told to stop."""
    port, rate, seed = arguments
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(int(port), float(rate), int(seed)))


if __name__ == "__main__":
    main(sys.argv[1:])
