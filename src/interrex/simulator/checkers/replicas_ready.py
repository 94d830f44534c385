"""In the end every replica that was asked for is ready, and no other process runs."""

from interrex.core.ids import HostName, SlotName, WorkerName, service_of
from interrex.core.messages import Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.state import ClusterState, Placement
from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import Healed, ProcessBegan, ProcessEnded, Step, WorkerBegan
from interrex.worker.interface import Send

Place = tuple[HostName, SlotName]


class ReplicasReady(Watch):
    """Compares the processes that live, what the workers last reported of them, and how many
    replicas the newest state asks for.

    Only where the faults have stopped, and the world has given the fleet its time since.
    """

    promise = "exactly the replicas that were asked for are ready in the end"

    def __init__(self) -> None:
        super().__init__()
        self._healed = False
        self._hosts: dict[WorkerName, HostName] = {}
        self._live: dict[Place, ProcessBegan] = {}
        self._reports: dict[WorkerName, Report] = {}
        self.messages = {Report: self._reported}
        self.occurrences = {
            Healed: self._heals,
            WorkerBegan: self._worker_began,
            ProcessBegan: self._began,
            ProcessEnded: self._ended,
        }

    def _heals(self, at: int, healed: Healed) -> None:
        self._healed = True

    def _worker_began(self, at: int, began: WorkerBegan) -> None:
        self._hosts[began.worker] = began.host

    def _reported(self, step: Step, send: Send) -> None:
        if type(send.message) is Report and send.to is None:
            self._reports[step.worker] = send.message

    def _began(self, at: int, began: ProcessBegan) -> None:
        self._live[began.host, began.slot] = began

    def _ended(self, at: int, ended: ProcessEnded) -> None:
        live = self._live.get((ended.host, ended.slot))
        if live is not None and live.pid == ended.pid:
            del self._live[ended.host, ended.slot]

    def ready(self, cores: Cores) -> dict[Place, ReplicaReport]:
        """The replicas that a living worker calls ready, with where they are."""
        return {
            (self._hosts[worker], replica.slot): replica
            for worker in sorted(cores)
            if worker in self._reports
            for replica in self._reports[worker].replicas
            if replica.state is ReplicaState.READY
        }

    def finish(self, at: int, cores: Cores) -> None:
        if not self._healed or not cores:
            return
        ready = self.ready(cores)
        for place, process in self._live.items():
            report = ready.get(place)
            if report is None or report.pid != process.pid:
                raise self.broken(
                    f"{place[1]} runs on {place[0]} (pid {process.pid}), reported is {report}"
                )
        for place in ready:
            if place not in self._live:
                raise self.broken(f"{place[1]} on {place[0]} is called ready, and does not run")
        state = max((core.state for core in cores.values()), key=lambda state: state.index)
        for (host, slot), report in ready.items():
            self._compare(host, report, state.placements.get(slot))
        self._count(state)

    def _compare(self, host: HostName, report: ReplicaReport, placed: Placement | None) -> None:
        asked_for = (placed.host, placed.target, placed.port) if placed is not None else None
        if asked_for != (host, report.generation, report.port):
            raise self.broken(
                f"{report.slot} is ready on {host}, generation {report.generation}, port "
                f"{report.port}; asked for is {placed}"
            )

    def _count(self, state: ClusterState) -> None:
        for name, service in sorted(state.services.items()):
            slots = [slot for _, slot in self._live if service_of(slot) == name]
            if len(slots) != service.spec.replicas or len(set(slots)) != len(slots):
                raise self.broken(
                    f"{name}: {service.spec.replicas} replicas are asked for, running are "
                    f"{sorted(slots)}"
                )
        strangers = {slot for _, slot in self._live if service_of(slot) not in state.services}
        if strangers:
            raise self.broken(f"nobody asks for {sorted(strangers)}, and they run")
