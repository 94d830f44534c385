"""No process of a service is started twice, and none dies because an orchestrator's did."""

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import (
    Cause,
    ProcessBegan,
    ProcessEnded,
    RecordLost,
    Step,
    WorkerBegan,
)
from interrex.supervision.interface import Claimed, ClaimOutcome, Forget, Sweep, Swept

Place = tuple[HostName, SlotName]


class Processes(Watch):
    """Believes the beginnings and ends of processes.

    On one host a slot has one live process at most, and its incarnations rise while its record is
    kept. What a dead one left behind is swept only when it is dead, and before the next begins.
    An end has a cause, and another worker is none. No two live processes share a port.
    """

    promise = "no service process is started twice or dies with its worker"

    def __init__(self) -> None:
        super().__init__()
        self._hosts: dict[WorkerName, HostName] = {}
        self._live: dict[Place, ProcessBegan] = {}
        self._last: dict[Place, int] = {}
        """The last incarnation of a slot whose record is kept."""
        self._unswept: dict[Place, int] = {}
        """The incarnation that is dead, and may have left something behind."""
        self._ports: dict[tuple[HostName, int], ProcessBegan] = {}
        self.effects = {Sweep: self._sweeps, Forget: self._forgets}
        self.events = {Swept: self._swept, Claimed: self._claimed}
        self.occurrences = {
            WorkerBegan: self._worker_began,
            ProcessBegan: self._began,
            ProcessEnded: self._ended,
            RecordLost: self._record_lost,
        }

    def _worker_began(self, at: int, began: WorkerBegan) -> None:
        self._hosts[began.worker] = began.host

    def _began(self, at: int, began: ProcessBegan) -> None:
        place = (began.host, began.slot)
        other = self._live.setdefault(place, began)
        if other is not began:
            raise self.broken(
                f"{began.by} started {began.slot} on {began.host} (pid {began.pid}), which already "
                f"runs there (pid {other.pid}, started by {other.by})"
            )
        if place in self._unswept:
            raise self.broken(
                f"{began.by} started {began.slot} on {began.host} before incarnation "
                f"{self._unswept[place]} was swept"
            )
        if began.incarnation <= self._last.get(place, -1):
            raise self.broken(
                f"{began.by} started {began.slot} on {began.host} as incarnation "
                f"{began.incarnation}, there was {self._last[place]}"
            )
        self._last[place] = began.incarnation
        self._take_port(began)

    def _take_port(self, began: ProcessBegan) -> None:
        user = self._ports.setdefault((began.host, began.port), began) if began.port else began
        if user is not began:
            raise self.broken(
                f"{began.slot} and {user.slot} run on {began.host} with the port {began.port}"
            )

    def _ended(self, at: int, ended: ProcessEnded) -> None:
        place = (ended.host, ended.slot)
        live = self._live.get(place)
        if live is not None and live.pid == ended.pid:
            del self._live[place]
            self._ports.pop((ended.host, live.port), None)
            self._unswept[place] = ended.incarnation
        if ended.cause is Cause.PEER or (ended.cause is Cause.SIGNAL and ended.by is None):
            raise self.broken(f"{ended.slot} on {ended.host} died because a worker did")

    def _record_lost(self, at: int, lost: RecordLost) -> None:
        """Its incarnations are counted anew; a sweep is of whatever the slot has left behind."""
        place = (lost.host, lost.slot)
        self._last.pop(place, None)
        if place in self._unswept:
            self._unswept[place] = 0

    def _sweeps(self, step: Step, sweep: Sweep) -> None:
        live = self._live.get((self._hosts[step.worker], sweep.slot))
        if live is not None and live.incarnation == sweep.incarnation:
            raise self.broken(
                f"{step.worker} sweeps {sweep.slot} while its main process (pid {live.pid}) lives"
            )

    def _swept(self, step: Step, swept: Swept) -> None:
        place = (self._hosts[step.worker], swept.slot)
        if self._unswept.get(place) == swept.incarnation:
            del self._unswept[place]

    def _claimed(self, step: Step, claimed: Claimed) -> None:
        if claimed.outcome is ClaimOutcome.ABSENT:  # also where a machine came back without disks
            place = (self._hosts[step.worker], claimed.slot)
            self._last.pop(place, None)
            self._unswept.pop(place, None)

    def _forgets(self, step: Step, forget: Forget) -> None:
        self._last.pop((self._hosts[step.worker], forget.slot), None)
