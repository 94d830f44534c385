"""What this worker has read of the cluster's keys: who leads, who would, and the log.

Everything comes from one reading of all keys and the changes since, in the order of their
revisions; a transaction's own answer may bring single keys earlier, so each knows its revision and
older news of it are passed over. Log entries are handed out once, in order, without a gap.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.log import Log, NotTaken, SnapshotHead
from interrex.elections.etcd.keys import (
    CANDIDATES,
    LEADER,
    LOG,
    SNAPSHOT,
    SUCCESSOR,
    Candidate,
    Holder,
    Successor,
    log_index,
    part_key,
)
from interrex.elections.etcd.questions import Event, KeyValue

UNREADABLE = WorkerName("(unreadable)")
"""Who leads where the leader's key holds what no worker writes."""


class Held(NamedTuple):
    """A leadership: whose, under which lease, and its epoch."""

    worker: WorkerName
    lease: int
    epoch: int


class Standing(NamedTuple):
    """A candidate, the revision at which it came, and the lease that it stands under."""

    candidate: Candidate
    since: int
    lease: int


class Least(NamedTuple):
    """What etcd has at least, unless it was set back or has lost data: its revision, the index of
    the last change, and the newest epoch."""

    revision: int = 0
    changes: int = 0
    epoch: int = 0


class View:
    """The cluster's keys, as far as they were read.

    ``revision``: everything up to it was seen; 0 before the first reading.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.revision = 0
        self.leader: Held | None = None
        self.epoch = 0
        """The highest of any leader that was seen."""
        self.candidates: dict[WorkerName, Standing] = {}
        self.successor: Successor | None = None
        self.head_revision = 0
        self.has_gap = False
        """An entry was passed over: everything has to be read again."""
        self._leader_as_of = 0

    # Reading everything

    def load(self, found: Sequence[KeyValue], revision: int, least: Least) -> None:
        """Take all keys as of a revision."""
        keys = {entry.key: entry for entry in found}
        log = self.log
        log.problem = ""
        stands = keys.get(SNAPSHOT)
        if self._is_begun_anew(stands):
            self.epoch = self.head_revision = self._leader_as_of = 0
            self.saw_snapshot(stands)
            least = least._replace(revision=0)
        least_revision = max(least.revision, least.epoch - log.above)
        if revision < least_revision:
            self._leader_as_of = 0
            log.problem = (
                f"etcd was set back, from revision {least_revision} or later to {revision}: what "
                f"was acknowledged since is lost"
            )
        self.has_gap = False
        self.revision = revision
        self.candidates = {}
        self.successor = None
        for entry in found:
            self._take_small(entry.key, entry.value, entry.created, entry.lease)
        self.saw_leader(keys.get(LEADER), revision)
        if revision >= self.head_revision > (0 if stands is None else stands.modified):
            log.problem = "the snapshot that stood in etcd is gone"
        self.saw_snapshot(stands)
        entries = [entry for entry in found if entry.key.startswith(LOG)]
        newest = max(map(_index, entries), default=0)
        reached = max(newest, 0 if stands is None else log.head.index)
        if reached < least.changes:
            log.problem = (
                f"etcd has lost changes: {least.changes} were acknowledged, it has {reached}"
            )
        if log.problem:
            return
        base = log.head.index
        if base > log.applied:
            data = _assembled(log.head, keys)
            if data is None:
                log.problem = "parts of the snapshot are missing in etcd"
                return
            log.restore(data)
        already = [entry for entry in entries if base < _index(entry) <= log.applied]
        log.tail_bytes = sum(len(entry.value) for entry in already)
        self._compare(already)
        if not log.problem:
            self.add(entries)
        if self.has_gap:
            log.problem = f"the log in etcd has a gap after {log.applied}"
            self.has_gap = False

    # Reading changes

    def take(self, events: Sequence[Event]) -> None:
        """Take what a watch tells of."""
        for event in events:
            if event.modified <= self.revision:
                continue
            if event.key == LEADER:
                self.saw_leader(_written(event), event.modified)
            elif event.key == SNAPSHOT:
                stands = _written(event)
                if self._is_begun_anew(stands):
                    self.has_gap = True
                else:
                    self.saw_snapshot(stands)
            elif event.key.startswith(LOG):
                written = _written(event)
                self.add([] if written is None else [written])
            else:
                self._take_small(event.key, event.value, event.created, event.lease)
        self.revision = max([self.revision, *(event.modified for event in events)])

    def add(self, entries: Iterable[KeyValue]) -> None:
        """Take entries of the log, in whatever order, and hand out those that come next; none while
        what stands there is not what was acknowledged."""
        if self.log.problem:
            return
        for entry in sorted(entries, key=_index):
            index = _index(entry)
            if index <= self.log.applied:
                continue
            if index > self.log.applied + 1:
                self.has_gap = True
                break
            try:
                self.log.append(index, entry.value)
            except NotTaken as error:
                self.log.problem = f"{entry.key} in etcd {error}"
                break

    def _compare(self, already: Iterable[KeyValue]) -> None:
        """See whether what was handed out is still what stands there."""
        for entry in already:
            try:
                self.log.check(_index(entry), entry.value)
            except NotTaken as error:
                self.log.problem = f"{entry.key} in etcd {error}"

    def goes_on_with(self, head: Sequence[KeyValue], entries: Sequence[KeyValue]) -> bool:
        """Whether what stands there is what was handed out, and more: the snapshot's key is the
        known one, and the last entry is there or in it."""
        found = {_index(entry): entry.value for entry in entries}
        applied = self.log.applied
        if (head[0].modified if head else 0) != self.head_revision:
            return False
        if applied == self.log.head.index:
            return True
        return applied in found and not self.log.memory.is_other(applied, found[applied])

    def saw_leader(self, found: KeyValue | None, revision: int) -> None:
        """The leader's key as of a revision, None where there is none."""
        if revision <= self._leader_as_of:
            return
        self._leader_as_of = revision
        self.leader = None
        if found is not None:
            try:
                worker = msgspec.json.decode(found.value, type=Holder).worker
            except msgspec.MsgspecError:
                worker = UNREADABLE
            self.leader = Held(worker, found.lease, found.created)
            self.epoch = max(self.epoch, found.created)

    def leader_gone(self, epoch: int) -> None:
        """The lease under which the leader's key of this epoch stood is no more."""
        if self.leader is not None and self.leader.epoch == epoch:
            self.leader = None

    def saw_snapshot(self, found: KeyValue | None) -> None:
        """The snapshot's key, None where there is none."""
        if found is None or found.modified <= self.head_revision:
            return
        try:
            head = _head_in(found)
        except msgspec.MsgspecError as error:
            self.log.problem = f"{SNAPSHOT} in etcd is unreadable: {error}"
        else:
            self.head_revision = found.modified
            self.log.saw_head(head)

    def _is_begun_anew(self, stands: KeyValue | None) -> bool:
        """Whether revisions count for other epochs than before, by this key of the snapshot's."""
        try:
            head = SnapshotHead() if stands is None else _head_in(stands)
        except msgspec.MsgspecError:
            return False
        return head.above > self.log.above

    def _take_small(self, key: str, value: bytes | None, created: int, lease: int) -> None:
        """Candidates and successor: nonsense there is as good as nothing."""
        try:
            if key == SUCCESSOR:
                self.successor = None
                if value is not None:
                    self.successor = msgspec.json.decode(value, type=Successor)
            elif key.startswith(CANDIDATES):
                self.candidates.pop(WorkerName(key.removeprefix(CANDIDATES)), None)
                if value is not None:
                    candidate = msgspec.json.decode(value, type=Candidate)
                    self.candidates[candidate.worker] = Standing(candidate, created, lease)
        except msgspec.MsgspecError:
            return


def _written(event: Event) -> KeyValue | None:
    if event.value is None:
        return None
    return KeyValue(event.key, event.value, event.created, event.modified, event.lease)


def _head_in(found: KeyValue) -> SnapshotHead:
    return msgspec.json.decode(found.value, type=SnapshotHead)


def _index(entry: KeyValue) -> int:
    try:
        return log_index(entry.key)
    except ValueError:
        return 0


def _assembled(head: SnapshotHead, keys: dict[str, KeyValue]) -> bytes | None:
    parts = [keys.get(part_key(head.id, number)) for number in range(head.parts)]
    found = [part.value for part in parts if part is not None]
    return b"".join(found) if len(found) == head.parts else None
