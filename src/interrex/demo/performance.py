"""The demo from curtain to curtain: whatever happens in it, its fleet comes down with it."""

import asyncio
import importlib.util
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from interrex.core.errors import InterrexError
from interrex.demo.faults import Part, processes_of
from interrex.demo.fleet import Fleet, new_folder, reserved_port
from interrex.demo.guard import Guard
from interrex.demo.load_client import LoadClient
from interrex.demo.scene import Scene
from interrex.demo.stage import Stage
from interrex.demo.story import Story
from interrex.demo.telling import Outcome, requests_of, span, tips

RATE = 200.0
"""Requests a second."""
FAILED = 1
INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_T = TypeVar("_T")


class Options(msgspec.Struct, frozen=True):
    """What was asked for. ``pace`` multiplies every pause; ``election`` as the cluster file has it,
    empty for the usual one."""

    seed: int
    once: bool = False
    pace: float = 1.0
    election: str = ""


async def perform(options: Options, stage: Stage) -> int:
    """The whole demo, until its end or a signal.

    Returns:
        0 if nothing failed, 1 if something did, 130 if it was interrupted before its summary.

    Raises:
        InterrexError: it could not be played.
    """
    _require_packages()
    show = _Show(options, stage)
    loop = asyncio.get_running_loop()
    work = loop.create_task(show.run())
    for number in _SIGNALS:
        loop.add_signal_handler(number, show.end, work)
    try:
        return await work
    except asyncio.CancelledError:
        return show.code
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


class _Show:
    """``code`` is what the exit status would be if it ended now."""

    def __init__(self, options: Options, stage: Stage) -> None:
        self._options = options
        self._stage = stage
        self.code = INTERRUPTED
        self._ending = False

    def end(self, work: "asyncio.Task[int]") -> None:
        """Somebody wants it to end; asked again, it goes on ending in order."""
        if self._ending:
            self._stage.say("The fleet is being taken down already")
        else:
            self._ending = True
            work.cancel()

    async def run(self) -> int:
        async with self._fleet_up() as (fleet, port):
            scene = Scene(f"http://127.0.0.1:{port}/", self._options.seed)
            scene.doing = "waiting for the fleet to be whole"
            self._stage.say(
                f"Interrex demo, seed {scene.seed}: 3 workers keep 3 replicas of a small shop and "
                f"2 balancer processes alive on {scene.url}"
            )
            story = Story(fleet, scene, self._stage)
            with self._stage:
                drawing = asyncio.get_running_loop().create_task(story.draw())
                try:
                    await _unless(drawing, story.begin())
                    await self._with_customers(story, scene, fleet, port, drawing)
                finally:
                    await _cancelled(drawing)
                    story.close()
        return self.code

    async def _with_customers(
        self, story: Story, scene: Scene, fleet: Fleet, port: int, drawing: "asyncio.Task[None]"
    ) -> None:
        self._stage.say(
            f"Its customers send {RATE:g} requests/s whatever comes back: they place orders and "
            "read them, and retry a GET once if its connection breaks before the answer"
        )
        load = await LoadClient.start(port, RATE, self._options.seed, scene.take)
        try:
            play = story.play(self._options.seed, self._options.pace, load)
            outcome = await _unless(drawing, _unless(load.ended, play))
            self._conclude(outcome)
            if not self._options.once:
                self._stage.tell_all(tips(scene.url, _command(), str(fleet.folder), _pids(scene)))
                scene.tally.expect_kills()
                since = scene.tally.begin_span()
                try:
                    await _unless(drawing, _unless(load.ended, story.go_on()))
                finally:
                    self._stage.tell_all([f"Since the summary {requests_of(since)}"])
        finally:
            await load.stop()

    def _conclude(self, outcome: Outcome) -> None:
        self.code = FAILED if outcome.failed else 0
        self._stage.sum_up(outcome)

    @asynccontextmanager
    async def _fleet_up(self) -> AsyncIterator[tuple[Fleet, int]]:
        """A fleet and its port; it is taken down in order at the end, by the guard if need be."""
        fleet = Fleet(new_folder())
        guard = Guard(fleet.folder)
        try:
            with reserved_port() as port:
                fleet.prepare(port, self._options.election)
                fleet.launch()
                yield fleet, port
        except InterrexError:
            self.code = FAILED
            raise
        finally:
            began = time.monotonic()
            self._stage.say("Taking the fleet down: balancers first, the shop, then the workers")
            in_order = await fleet.take_down(self._stage.wait_for)
            keep = self.code == FAILED and fleet.layout.home.exists()
            await fleet.end(keep=keep)
            guard.dismiss()
            how = "" if in_order else "; what did not stop in order was killed"
            self._stage.say(f"All of it is down after {span(time.monotonic() - began)}{how}")
            if keep:
                self._stage.say(f"What it noted and logged is kept in {fleet.folder}")


async def _unless(other: "asyncio.Task[None]", work: Coroutine[Any, Any, _T]) -> _T:
    """Do the work; but if the other task, which should go on for longer, ends first, raise its
    error."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            other.result()
        return await task
    finally:
        await _cancelled(task)


async def _cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait({task})


def _require_packages() -> None:
    needed = ("starlette", "uvicorn")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise InterrexError(
            f"the demo's sample API needs {' and '.join(missing)}\n"
            "install what is missing: pip install 'interrex[demo]'"
        )


def _command() -> str:
    """How this program was called."""
    name = Path(sys.argv[0])
    return str(name) if name.name == "interrex" else "interrex"


def _pids(scene: Scene) -> dict[str, int]:
    """One process of each kind, and the leader."""
    found: dict[str, int] = {}
    if scene.status is None:
        return found
    for part in Part:
        processes = [p for p in processes_of(scene.status).values() if p.part is part]
        chosen = next((p for p in processes if p.leads), processes[0] if processes else None)
        if chosen is not None:
            found[f"{chosen.name}{', the leader' if chosen.leads else ''}"] = chosen.pid
    return found
