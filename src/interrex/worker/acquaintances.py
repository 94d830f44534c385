"""Whom a worker looks for: the workers that the state names, and those that its log names already.

A worker that starts knows only the changes that its snapshot holds: which of its log's are agreed
it learns from the next leader. But workers that joined by one of those changes may be needed to
elect that leader. So until the state has come as far as the log once went, whoever a change in
that log asks for is looked for and let in as well; an entry that was never agreed on names at
worst somebody who is not there. And one whose log was lost knows only those that the cluster began
with: whoever joins it tells it who there is, since the leader may be none of them. Where none of
those is left, it is what the workers of its host have kept (``Remember``) that it goes by; or what
a stranger says that proves to be of this cluster, and whose state is newer (``Introduced``).
"""

from collections.abc import Iterable, Mapping

import msgspec

from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Known
from interrex.core.spec import LOCAL_HOST, ClusterSpec, HostSpec
from interrex.core.state import ApplySpec, ClusterState, decode_change, workers_of
from interrex.core.storage import Stored
from interrex.elections.interface import Member, Restored
from interrex.elections.registry import contents
from interrex.worker.interface import Introduced, Remember, Send


class Acquaintances:
    """The workers to be connected with, and the file that says where they are.

    Args:
        spec: the cluster's first file.
        stored: what the disk held when this worker started.
        kept: what its host's workers last had kept.
    """

    def __init__(self, spec: ClusterSpec, stored: Stored, kept: Known | None = None) -> None:
        self._workers: dict[WorkerName, HostName] = {}
        self._spec: ClusterSpec | None = None
        self._until = 0
        self.told: ClusterSpec | None = None
        """The file that all peers were told of last."""
        for index, data in _changes(spec, stored):
            self._until = index
            for operation in decode_change(data).operations:
                if isinstance(operation, ApplySpec):
                    self._spec = _with_hosts(operation.spec, (self._spec or spec).hosts)
                    self._workers |= workers_of(operation.spec)
        if kept is not None and kept.index > self._until:
            self._take(kept, spec)

    def introduced(self, event: Introduced, state: ClusterState) -> None:
        """One that joined while this worker was away says which workers there are, itself among
        them: nobody else may be left who knows of both, and it may take both to elect a leader."""
        if workers_of(_spec_of(event.known, state.spec)).get(event.worker) == event.host:
            self.heard(event.known, state)

    def heard(self, known: Known, state: ClusterState) -> None:
        """A peer that joined says which workers there are."""
        if known.index > max(state.index, self._until):
            self._take(known, state.spec)

    def restored(self, before: ClusterState, copy: Restored) -> None:
        """Another side's copy takes the place of this worker's state. Where it begins before it,
        who was known is so until it has gone as far as the copy goes: its sender above all."""
        if before.index > copy.index and copy.goes_to > copy.index:
            self._workers = dict(self.workers(before))  # it may drop what it went by until now
            hosts = (*before.spec.hosts, *before.departing)
            self._spec = _with_hosts(self.spec(before), hosts)
            self._until = copy.goes_to

    def _take(self, known: Known, spec: ClusterSpec) -> None:
        self._spec = _spec_of(known, spec)
        self._workers = workers_of(self._spec)
        self._until = known.index

    def tell(self, peer: WorkerName, state: ClusterState) -> list[Send]:
        """What to say to a peer that joins; nothing before the first change is agreed on."""
        known = self.introduction(state)
        return [] if known is None else [Send(peer, known)]

    def introduction(self, state: ClusterState) -> Known | None:
        """Whom there is by this worker's state; None before the first change is agreed on."""
        return _known(state) if state.index else None

    def news(self, state: ClusterState) -> list[Send | Remember]:
        """What to say to all peers once the state has another file, and to keep: whoever joined
        before knows nothing of it, and one whose log was lost may not let the leader in that would
        tell it."""
        if state.spec is self.told or not state.index:
            return []
        self.told = state.spec
        known = _known(state)
        return [Send(None, known), Remember(known)]

    def spec(self, state: ClusterState) -> ClusterSpec:
        """The file that gives the addresses of those in ``workers``."""
        return _with_hosts(state.spec, state.departing) if self._spec is None else self._spec

    def workers(self, state: ClusterState) -> dict[WorkerName, HostName]:
        """Each worker to be connected with, and its host."""
        if self._spec is not None and state.index >= self._until:
            self._spec = None
        if self._spec is None:
            return state.workers
        return {**state.workers, **self._workers}

    def named(self, state: ClusterState) -> dict[WorkerName, HostName]:
        """The workers that there are by the newest that was heard."""
        known = self.workers(state)
        return known if known is state.workers else self._workers

    def needed(
        self, state: ClusterState, members: Iterable[Member], host: HostName
    ) -> Mapping[WorkerName, HostName]:
        """Whom it takes to elect a leader: without one the state may not have come far enough to
        name everybody who votes by the log. Nor anybody of this ``host``, where it has come late:
        one of its others may be the only voter, and nobody else can start it. ``state.workers``
        itself where it has."""
        known = self.workers(state)
        votes = {m.worker: known[m.worker] for m in members if m.worker in known}
        if known is not state.workers and host not in state.workers.values():
            votes |= {worker: home for worker, home in known.items() if home == host}
        return state.workers if votes.keys() <= state.workers.keys() else {**state.workers, **votes}


def _known(state: ClusterState) -> Known:
    """Whom there is by a state: also those that its file asks for no more and that have not left,
    because one of them may lead still. Names are counted up, so up to the last of each host.
    """
    spec = _with_hosts(state.spec, state.departing)
    last: dict[HostName, int] = {}
    for worker, host in state.workers.items():
        last[host] = max(last.get(host, 0), int(worker.rpartition("-")[2]))
    hosts = tuple(
        msgspec.structs.replace(host, workers=max(host.workers, last.get(host.name, 0)))
        for host in spec.hosts
    )
    return Known(state.index, max(spec.workers, last.get(LOCAL_HOST, 0)), hosts)


def _spec_of(known: Known, spec: ClusterSpec) -> ClusterSpec:
    return msgspec.structs.replace(spec, workers=known.workers, hosts=known.hosts)


def _with_hosts(spec: ClusterSpec, others: tuple[HostSpec, ...]) -> ClusterSpec:
    """A file with those of the other hosts, too, that it does not name."""
    named = {host.name for host in spec.hosts}
    more = tuple(host for host in others if host.name not in named)
    return msgspec.structs.replace(spec, hosts=(*spec.hosts, *more)) if more else spec


def _changes(spec: ClusterSpec, stored: Stored) -> list[tuple[int, bytes]]:
    try:
        return contents(spec, stored)[1]
    except msgspec.DecodeError:
        return []  # the election itself refuses such a log
