"""No process of a service is started twice, and none dies because an orchestrator's did."""

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Cause, ProcessBegan, ProcessEnded, Step, WorkerBegan
from interrex.supervision.interface import Sweep


class Processes(Watch):
    """Believes the beginnings and ends of processes.

    On one host a slot has one live process at most, and its incarnations rise; what a dead one
    left behind is swept only when it is dead. An end has a cause, and another worker is none.
    """

    promise = "no service process is started twice or dies with its worker"

    def __init__(self) -> None:
        super().__init__()
        self._hosts: dict[WorkerName, HostName] = {}
        self._live: dict[tuple[HostName, SlotName], ProcessBegan] = {}
        self.effects = {Sweep: self._swept}
        self.occurrences = {
            WorkerBegan: self._worker_began,
            ProcessBegan: self._began,
            ProcessEnded: self._ended,
        }

    def _worker_began(self, at: int, began: WorkerBegan) -> None:
        self._hosts[began.worker] = began.host

    def _began(self, at: int, began: ProcessBegan) -> None:
        other = self._live.setdefault((began.host, began.slot), began)
        if other is not began:
            raise self.broken(
                f"{began.by} started {began.slot} on {began.host} (pid {began.pid}), which already "
                f"runs there (pid {other.pid}, started by {other.by})"
            )

    def _ended(self, at: int, ended: ProcessEnded) -> None:
        live = self._live.get((ended.host, ended.slot))
        if live is not None and live.pid == ended.pid:
            del self._live[ended.host, ended.slot]
        if ended.cause is Cause.PEER or (ended.cause is Cause.SIGNAL and ended.by is None):
            raise self.broken(f"{ended.slot} on {ended.host} died because a worker did")

    def _swept(self, step: Step, sweep: Sweep) -> None:
        live = self._live.get((self._hosts[step.worker], sweep.slot))
        if live is not None and live.incarnation == sweep.incarnation:
            raise self.broken(
                f"{step.worker} sweeps {sweep.slot} while its main process (pid {live.pid}) lives"
            )
