"""This host's processes: interprets what supervision asks for and tells what happens to them."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import assert_never

import msgspec

from interrex.core.errors import ensure
from interrex.core.ids import BALANCER, SlotName, service_of
from interrex.runtime.adoption import open_recorded, rebuild_record
from interrex.runtime.held_slot import HeldSlot, ReleasedChildren
from interrex.runtime.means import lacks_means
from interrex.runtime.pidfd import (
    ProcessIdentity,
    become_subreaper,
    group_signals_by_pidfd,
    let_children_default_signals,
    reap,
    send_signal,
    signal_group,
)
from interrex.runtime.probes import AdminProbe, Prober
from interrex.runtime.records import (
    CorruptRecord,
    Instances,
    ReplicaRecord,
    lock_record,
)
from interrex.runtime.rotation import Rotator
from interrex.runtime.spawning import CannotSpawn, Output, Place, check_port, reason_of, spawn
from interrex.runtime.strangers import Family
from interrex.runtime.sweeping import Remains, Sweeper
from interrex.supervision.interface import (
    Claim,
    Claimed,
    ClaimOutcome,
    Exited,
    Forget,
    Probe,
    Probed,
    Release,
    Signal,
    Spawn,
    Spawned,
    SpawnFailed,
    SupervisionEvent,
    Sweep,
    Swept,
)

ProcessEffect = Claim | Release | Forget | Spawn | Signal | Sweep | Probe

_TICK_S = 1.0
_LATEST_TICK_S = 1.1
"""Where the worker is not awake anyway between the two."""
_TICKS_PER_TIDYING = 10
_TICKS_PER_PRUNING = 3600
_FIRST_PRUNING = 60

_log = logging.getLogger(__name__)


class HostProcesses:
    """Runs, adopts, watches, signals, sweeps and probes the replicas of one host.

    ``perform`` returns at once and never calls ``emit`` itself: every answer comes later, from
    the loop, so that a list of effects is always performed to its end first.

    Does *not* end any replica, neither at ``close`` nor when the worker dies: they live in
    sessions of their own, write to files of their own and are adopted by the next worker.
    """

    def __init__(
        self,
        state: Path,
        loop: asyncio.AbstractEventLoop,
        emit: Callable[[SupervisionEvent], None],
        *,
        admin_probe: AdminProbe | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        """
        Args:
            state: The host's folder; ``replicas/`` and ``logs/`` are made in it.
            loop: The running loop, whose thread calls everything here.
            emit: Hears every answer and every death, called by the loop.
            address: Where replicas are told to listen.
            admin_probe: Answers ADMIN probes: what is wrong with a slot, None when nothing is.
        """
        self._loop = loop
        self._emit = emit
        self._address = address
        self._records = state / "replicas"
        self._logs = state / "logs"
        self._records.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._instances = Instances(state)
        self._held: dict[SlotName, HeldSlot] = {}
        self._children: set[int] = set()
        self._released = ReleasedChildren(loop, self._children)
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self._rotator = Rotator(loop)
        self._sweeper = Sweeper(loop, self._children)
        self._prober = Prober(loop, self._tell, self._children, self._null, admin_probe)
        become_subreaper()
        group_signals_by_pidfd()  # asked of the kernel while there are descriptors to do it with
        let_children_default_signals()
        self._closed = False
        self._ticks = 0
        self._tick_from = loop.time() + _TICK_S
        self._timer: asyncio.Handle = loop.call_later(_LATEST_TICK_S, self._tick)

    def perform(self, effect: ProcessEffect) -> None:
        """Does what an effect asks; what comes of it is told to ``emit``."""
        match effect:
            case Claim():
                self._claim(effect.slot)
            case Release():
                self._release(effect.slot)
            case Forget():
                self._forget(effect.slot)
            case Spawn():
                self._spawn(effect)
            case Signal():
                self._signal(effect)
            case Sweep():
                self._sweep(effect)
            case Probe():
                self._probe(effect)
            case _:
                assert_never(effect)

    def log_path(self, slot: SlotName) -> Path:
        """Where a slot's output goes; rotated files stand beside it."""
        return self._logs / f"{slot}.log"

    def pass_by(self) -> None:
        """The worker is awake: if the house is to be kept soon, that is done in the loop's next
        turn, so that nothing has to be woken for it alone."""
        if not self._closed and self._loop.time() >= self._tick_from:
            self._timer.cancel()
            self._timer = self._loop.call_soon(self._tick)

    def tidy(self) -> None:
        """Reaps and kills what sweeps could not see; the tick calls it every 10 s."""
        try:
            self._sweeper.tidy(self._is_stale)
        except OSError as error:
            if not lacks_means(error):
                raise
            _log.warning("%s", reason_of(error, "looking for orphans"))

    def close(self) -> None:
        """Lets go of everything: locks fall, watches end, the replicas live on, nothing more is
        told. Once is enough."""
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        self._prober.close()
        for slot in list(self._held):
            self._release(slot)
        self._released.close()
        self._sweeper.close()
        self._rotator.close()
        os.close(self._null)

    # Claiming

    def _claim(self, slot: SlotName) -> None:
        try:
            held = self._lock(slot)
            if held is None:
                self._tell(Claimed(slot, ClaimOutcome.LOCKED))
            else:
                self._examine(slot, held)
        except OSError as error:
            self._put_off(slot, error)

    def _put_off(self, slot: SlotName, error: OSError) -> None:
        """Lets the slot go; the claim is repeated after a while."""
        _log.error("%s cannot be taken over yet: %s", slot, reason_of(error, "its record"))
        self._release(slot)
        self._tell(Claimed(slot, ClaimOutcome.LOCKED))

    def _lock(self, slot: SlotName) -> HeldSlot | None:
        held = self._held.get(slot)
        if held is None and (lock := lock_record(self._records, slot)) is not None:
            held = self._held[slot] = HeldSlot(lock)
        return held

    def _examine(self, slot: SlotName, held: HeldSlot) -> None:
        try:
            held.record = held.lock.read()
        except CorruptRecord as error:
            _log.warning("the record of %s is corrupt, looking in /proc: %s", slot, error)
            self._run(held, self._search(slot, held, self._instances.prefix(slot)))
            return
        if held.record is None:
            self._run(held, self._search(slot, held, self._instances.prefix(slot), new=True))
        elif held.record.process is None:
            self._run(held, self._search(slot, held, held.record.instance))
        else:
            self._adopt(slot, held, held.record)

    async def _search(self, slot: SlotName, held: HeldSlot, prefix: str, new: bool = False) -> None:
        """Looks for the process of a record that does not name one; ``new``: there is none, since
        the slot never ran here or since somebody deleted it."""
        try:
            found = await self._sweeper.find(prefix)
        except OSError as error:
            self._put_off(slot, error)
            return
        record = rebuild_record(slot, found, self._instances, self.log_path(slot))
        if record is not None:
            held.note(record)
        if held.record is None:
            absent = new and not found
            self._tell(Claimed(slot, ClaimOutcome.ABSENT if absent else ClaimOutcome.GONE))
        else:
            self._adopt(slot, held, held.record)

    def _adopt(self, slot: SlotName, held: HeldSlot, record: ReplicaRecord) -> None:
        outcome, pid = ClaimOutcome.GONE, None
        if held.pidfd is None and (pidfd := open_recorded(record)) is not None:
            assert record.process is not None
            self._watch(slot, held, record.process.pid, pidfd)
        if held.alive:
            outcome, pid = ClaimOutcome.ADOPTED, held.pid
            self._rotator.watch(self.log_path(slot), record.logs)
        self._tell(Claimed(slot, outcome, record.incarnation, record.generation, pid, record.port))

    def _release(self, slot: SlotName) -> None:
        held = self._held.pop(slot, None)
        if held is None:
            return
        for task in held.tasks:
            task.cancel()  # a sweep going on would kill what the next holder starts
        self._rotator.unwatch(self.log_path(slot))
        if held.alive:
            assert held.pidfd is not None
            self._loop.remove_reader(held.pidfd)
            self._released.keep(held.pid, held.pidfd)
        else:
            held.drop_pidfd()
        held.lock.close()

    def _forget(self, slot: SlotName) -> None:
        held = self._held.get(slot)
        if held is not None:
            held.lock.delete()
            self._release(slot)

    # Starting and ending

    def _spawn(self, effect: Spawn) -> None:
        held = self._held.get(effect.slot)
        ensure(held is not None, f"{effect.slot} is started without its record's lock")
        assert held is not None
        ensure(not held.alive, f"{effect.slot} is started while its process lives")
        try:
            pid = self._start(effect, held)
        except CannotSpawn as error:
            self._tell(SpawnFailed(effect.slot, effect.incarnation, error.reason, error.port_taken))
        except OSError as error:
            reason = reason_of(error, f"starting {effect.slot}")
            self._tell(SpawnFailed(effect.slot, effect.incarnation, reason))
        else:
            self._tell(Spawned(effect.slot, effect.incarnation, pid))

    def _start(self, effect: Spawn, held: HeldSlot) -> int:
        check_port(effect.port)
        slot, log = effect.slot, self.log_path(effect.slot)
        instance = self._instances.new(slot, effect.incarnation, effect.generation)
        intent = ReplicaRecord(
            slot=slot,
            incarnation=effect.incarnation,
            generation=effect.generation,
            epoch=effect.epoch,
            port=effect.port,
            instance=instance,
            log=str(log),
            logs=effect.spec.logs,
            written_at=time.time(),
            stop_signal=effect.spec.stop_signal,
            stop_timeout=effect.spec.stop_timeout,
        )
        held.lock.write(intent)
        held.record = intent
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            place = Place(slot, effect.port, effect.epoch, instance, self._address)
            child = spawn(effect.spec.command, effect.spec, place, Output(self._null, output))
        finally:
            os.close(output)
        self._children.add(child.pid)
        held.drop_pidfd()
        self._watch(slot, held, child.pid, child.pidfd)
        held.child = True
        # Not reaped, so it still has its stat even if it has died already.
        held.note(msgspec.structs.replace(intent, process=ProcessIdentity.of(child.pid)))
        self._rotator.watch(log, effect.spec.logs)
        return child.pid

    def _watch(self, slot: SlotName, held: HeldSlot, pid: int, pidfd: int) -> None:
        self._released.take_back(pid)
        held.pidfd, held.child, held.exited = pidfd, False, False
        self._loop.add_reader(pidfd, self._died, slot, held)

    def _died(self, slot: SlotName, held: HeldSlot) -> None:
        assert held.pidfd is not None
        assert held.record is not None
        self._loop.remove_reader(held.pidfd)
        status = reap(held.pidfd)
        held.exited, held.child = True, status is not None
        self._children.discard(held.pid)
        self._tell(Exited(slot, held.record.incarnation, status))

    def _signal(self, effect: Signal) -> None:
        held = self._current(effect.slot, effect.incarnation)
        if held is None or not held.alive:
            return
        assert held.pidfd is not None
        number = signal.Signals[effect.signal]
        if service_of(effect.slot) == BALANCER and number != signal.SIGKILL:
            # HAProxy's master passes it on; a worker that gets it twice dies of the second one.
            sent = send_signal(held.pidfd, number)
        else:
            sent = signal_group(held.pidfd, held.pid, number)
        if not sent:
            _log.warning("%s did not get %s: it is dead or not ours", effect.slot, effect.signal)

    def _sweep(self, effect: Sweep) -> None:
        held = self._held.get(effect.slot)
        if held is None or held.alive:
            return
        process = None if held.record is None else held.record.process
        remains = Remains(
            self._instances.prefix(effect.slot),
            None if process is None else process.pid,
            held.pidfd,
            held.child,
        )
        if self._sweeper.nothing_left(remains):
            self._swept(effect, held, 0)
        else:
            self._run(held, self._sweep_closely(effect, held, remains))

    async def _sweep_closely(self, effect: Sweep, held: HeldSlot, remains: Remains) -> None:
        self._swept(effect, held, await self._sweeper.sweep(remains))

    def _swept(self, effect: Sweep, held: HeldSlot, killed: int) -> None:
        held.drop_pidfd()
        self._tell(Swept(effect.slot, effect.incarnation, killed))

    # Asking

    def _probe(self, effect: Probe) -> None:
        held = self._current(effect.slot, effect.incarnation)
        record = None if held is None else held.record
        if record is None:
            detail = "its process is not supervised here"
            self._tell(Probed(effect.slot, effect.incarnation, effect.probe, False, detail))
            return
        place = Place(effect.slot, effect.port, record.epoch, record.instance, self._address)
        family = None
        if effect.own and held is not None and held.alive:
            family = Family(held.pid, self._instances.prefix(effect.slot), self._children)
        self._prober.start(effect, place, family)

    # Keeping house

    def _current(self, slot: SlotName, incarnation: int) -> HeldSlot | None:
        held = self._held.get(slot)
        if held is None or held.record is None or held.record.incarnation != incarnation:
            return None
        return held

    def _is_stale(self, instance: str) -> bool:
        """Whether it belongs to an earlier incarnation of a slot that we hold."""
        slot = SlotName(instance.partition("@")[0])
        held = self._held.get(slot)
        if held is None or held.record is None:
            return False
        return instance != held.record.instance and instance.startswith(
            self._instances.prefix(slot)
        )

    def _tell(self, event: SupervisionEvent) -> None:
        self._loop.call_soon(self._deliver, event)

    def _deliver(self, event: SupervisionEvent) -> None:
        if not self._closed:
            self._emit(event)

    def _run(self, held: HeldSlot, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        held.tasks.add(task)
        task.add_done_callback(held.tasks.discard)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": f"supervising processes failed: {error}", "exception": error}
            self._loop.call_exception_handler(context)

    def _tick(self) -> None:
        self._tick_from = self._loop.time() + _TICK_S
        self._timer = self._loop.call_later(_LATEST_TICK_S, self._tick)
        self._rotator.check()
        self._ticks += 1
        if self._ticks % _TICKS_PER_TIDYING == 0:
            self.tidy()
        if self._ticks % _TICKS_PER_PRUNING == _FIRST_PRUNING:
            self._rotator.prune(self._logs, self._records)
