"""A leader places slots only on workers that it is connected to, as its proposals say."""

from interrex.core.ids import SlotName, WorkerName
from interrex.core.state import Place, decode_change
from interrex.core.storage import AppendEntries
from interrex.elections.replicated.payload import committed_data
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step
from interrex.worker.interface import PeerJoined, PeerLeft


class Placing(RaftChecker):
    """Believes the connections that a worker was told of, and the entries that it hands out.

    Entries wait until those before them are on disk: a worker that was there since the last ones
    were handed out counts as there. Moving a slot's port leaves it on its worker, who may be away.
    """

    promise = "nothing is placed on a worker that is not there"

    def __init__(self) -> None:
        super().__init__()
        self._gone: dict[int, dict[WorkerName, int]] = {}
        """Life -> who left, and how often entries had been handed out by then."""
        self._connected: dict[int, dict[WorkerName, None]] = {}
        self._places: dict[SlotName, WorkerName] = {}
        """Where each slot was placed last, by whatever leader."""
        self.seen = {PeerJoined: self._joined, PeerLeft: self._left}
        self.handed_out = {AppendEntries: self._appends}

    def _joined(self, server: Server, step: Step, event: PeerJoined) -> None:
        self._connected.setdefault(server.life, {})[event.peer] = None

    def _left(self, server: Server, step: Step, event: PeerLeft) -> None:
        self._connected.setdefault(server.life, {}).pop(event.peer, None)
        self._gone.setdefault(server.life, {})[event.peer] = server.handouts

    def _appends(self, server: Server, record: AppendEntries) -> None:
        for entry in record.entries:
            if server.leads == entry.epoch:
                self._proposes(server, entry.data)

    def _proposes(self, server: Server, data: bytes) -> None:
        change = committed_data(data)
        for operation in decode_change(change).operations if change is not None else ():
            if not isinstance(operation, Place):
                continue
            placement = operation.placement
            before = self._places.get(placement.slot)
            self._places[placement.slot] = placement.worker
            if before != placement.worker and not self._is_there(server, placement.worker):
                raise self.broken(
                    f"{server} places {placement.slot} on {placement.worker}, to which it is not "
                    "connected"
                )

    def _is_there(self, server: Server, worker: WorkerName) -> bool:
        return (
            worker == server.worker
            or worker in self._connected.get(server.life, {})
            or self._gone.get(server.life, {}).get(worker, -1) >= server.handouts - 1
        )
