"""The demo's story: a fleet, its customers, and one fault after the other.

Each fault begins with a whole fleet and ends with a whole fleet; the requests that end between a
kill and the next one are counted as that fault's, so none falls between two stools.
"""

import asyncio
import time
from collections.abc import Callable

from interrex.core.errors import InterrexError
from interrex.core.time import S
from interrex.demo.faults import Fault, Kind, Part, Process, processes_of, schedule, victims
from interrex.demo.fleet import Fleet
from interrex.demo.killing import kill
from interrex.demo.load_client import LoadClient
from interrex.demo.scene import Scene
from interrex.demo.stage import Stage
from interrex.demo.telling import Healing, Outcome, ending_of, leader_of, opening_of, span
from interrex.demo.watching import QUIET_S, Noticing, Watch, disturbed, replaced
from interrex.runtime.clock import now_ns

START_S = 60.0
HEAL_S = 30.0
"""How long the demo waits for a fault to be healed before it gives it up."""
SETTLE_S = 0.5
"""How long after a recovery requests are watched before its line is written."""
SILENCE_S = 2.0
"""After so long without a line the demo says what it is waiting for."""
FRAME_S = 0.125


class Story:
    """Plays the faults against a fleet that is up.

    Args:
        fleet: prepared and launched; scene, stage: where it is shown.
    """

    def __init__(self, fleet: Fleet, scene: Scene, stage: Stage) -> None:
        self._fleet = fleet
        self._scene = scene
        self._stage = stage
        self._watch = Watch(fleet.layout, fleet.workers)
        self._waiting_since = 0.0

    async def begin(self) -> None:
        """Wait until the fleet is whole.

        Raises:
            InterrexError: it is not, in time; says what is missing.
        """
        began = time.monotonic()
        if not await self._until_whole(lambda: True, START_S):
            raise InterrexError(
                f"the fleet is not whole after {START_S:g} s: {'; '.join(self._watch.missing())}\n"
                f"its workers' logs are in {self._fleet.layout.home}/workers"
            )
        status = self._watch.newest
        assert status is not None
        self._stage.say(
            f"The fleet is whole after {span(time.monotonic() - began)}: {leader_of(status)}"
        )

    async def play(self, seed: int, pace: float, load: LoadClient) -> Outcome:
        """Every fault of a seed, then the reading back of all orders."""
        healings = []
        faults = schedule(seed, pace)
        for number, fault in enumerate(faults, start=1):
            self._scene.doing = "all is quiet"
            await asyncio.sleep(fault.pause_s)  # the story's own pace
            healing = await self._strike(number, len(faults), fault)
            healings.append(healing)
            await asyncio.sleep(SETTLE_S * pace)
            self._stage.tell(ending_of(healing))
        self._scene.doing = "reading every order back"
        verdict = await load.verify()
        return Outcome(healings, self._scene.tally.total, verdict)

    async def _strike(self, number: int, of: int, fault: Fault) -> Healing:
        await self._until_whole(lambda: True, HEAL_S)
        status = self._watch.newest
        if status is None:
            raise InterrexError("no worker answers, and nobody has killed them")
        before = processes_of(status)
        killed = victims(fault, status)
        self._stage.say(opening_of(number, of, fault, killed))
        self._scene.deed = f"killed {fault.kind}"
        self._watch.new_events()
        healing = Healing(fault, killed, self._scene.tally.begin_span())
        killed_at = await self._kill(killed)
        noticing = Noticing(killed, time.time() - _since(killed_at))
        if fault.kind is Kind.ALL_WORKERS:
            await self._play_systemd(fault, healing, killed_at)

        def succeeded() -> bool:
            noticing.take(self._watch.new_events())
            documents = self._watch.documents.values()
            return all(replaced(before, document, killed) for document in documents)

        if await self._until_whole(succeeded, HEAL_S):
            healing.whole_s = _since(killed_at)
        else:
            healing.missing = self._watch.missing()
        healing.noticed_s = noticing.took_s
        now = self._watch.newest
        if now is not None:
            if now.epoch != status.epoch:
                healing.led = leader_of(now)
            healing.disturbed = disturbed(before, now, killed)
        self._scene.doing = "healed" if not healing.missing else "not healed"
        return healing

    async def _kill(self, killed: tuple[Process, ...]) -> int:
        """Returns when (ns). The tally knows before it hears of any request that was cut off."""
        moments: list[int] = []

        def sent(at: int) -> None:
            moments.append(at)
            if any(process.part is not Part.WORKER for process in killed):
                self._scene.tally.killed(at)

        await kill(killed, self._fleet.layout, sent)
        return moments[0]

    async def _play_systemd(self, fault: Fault, healing: Healing, killed_at: int) -> None:
        self._scene.doing = "nobody supervises; requests are served all the same"
        await self._watch.look()
        await asyncio.sleep(fault.absent_s)  # systemd's delay: RestartSec
        healing.restarted_s = _since(killed_at)
        self._fleet.launch()

    async def _until_whole(self, also: Callable[[], bool], timeout_s: float) -> bool:
        self._waiting_since = time.monotonic()
        return await self._watch.until(
            lambda: also() and not self._watch.missing(), timeout_s, self._seen
        )

    def _seen(self) -> None:
        self._show_status()
        missing = self._watch.missing()
        self._scene.doing = f"{self._scene.deed}: {'; '.join(missing) or 'whole'}"
        if time.monotonic() - self._waiting_since > SILENCE_S:
            self._waiting_since = time.monotonic()
            self._stage.wait_for("; ".join(missing) or "replacements")

    async def go_on(self) -> None:
        """Tell what happens to the fleet, until cancelled."""
        self._scene.doing = "kill what you like; Ctrl-C ends the demo and its fleet"
        while True:
            self._stage.tell([event.text for event in self._watch.new_events()])
            await asyncio.sleep(QUIET_S)  # files do not announce what is added to them

    async def draw(self) -> None:
        """Redraw the picture until cancelled, and look at the fleet while nobody else does."""
        looked = 0.0
        while True:
            if time.monotonic() - looked > QUIET_S:
                await self._watch.look()
                looked = time.monotonic()
                self._show_status()
            self._stage.draw(self._scene)
            await asyncio.sleep(FRAME_S)  # the picture's own pace

    def _show_status(self) -> None:
        self._scene.answering = set(self._watch.documents)
        self._scene.status = self._watch.newest or self._scene.status

    def close(self) -> None:
        self._watch.close()


def _since(then: int) -> float:
    """Seconds since a time of the runtime's clock."""
    return (now_ns() - then) / S
