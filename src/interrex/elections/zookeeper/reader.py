"""Reads the log: what is new whenever its tip has moved, a snapshot where it was cut off before."""

from collections.abc import Callable

import msgspec

from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.script import Script, follow
from interrex.elections.interface import Committed, Restored
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import (
    SNAPSHOT,
    TIP,
    LogEntry,
    SnapshotHead,
    Tip,
    log_path,
    part_path,
)
from interrex.elections.zookeeper.settings import ZooKeeperSettings

AT_ONCE = 64


class Reader:
    """Hands out the log once, in order, without a gap.

    ``applied``: up to which index. ``read_for``: the newest epoch whose beginning is covered by a
    reading that has come to its end. ``problem``: why nobody may lead by what stands there.
    """

    def __init__(
        self,
        desk: Desk[q.Answer],
        settings: ZooKeeperSettings,
        learned: Callable[[list[Committed | Restored]], None],
    ) -> None:
        self._desk = desk
        self._learned = learned
        self._backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._busy = False
        self._dirty = False
        self.wanted_for = 0
        self.read_for = -1
        self.applied = 0
        self.log_bytes = 0
        self.head = SnapshotHead()
        self.head_version = 0
        self.tip_version = 0
        self.problem = ""

    @property
    def wake_at(self) -> int | None:
        """When there is something to do (ns)."""
        return self._backoff.at if self._dirty and not self._busy else None

    def read(self, epoch: int = 0) -> None:
        """Read what is new; of an epoch that has begun, all that stood there before."""
        self.wanted_for = max(self.wanted_for, epoch)
        self._dirty = True

    def on_time(self) -> None:
        """Do what is due."""
        if self._dirty and not self._busy and self._backoff.is_due(self._desk.now):
            self._busy, self._dirty = True, False
            follow(self._desk, self._reading(self.wanted_for))

    def take(self, index: int, entry: LogEntry, size: int) -> None:
        """Hand out the next entry."""
        if index == self.applied + 1:
            self.applied = index
            self.log_bytes += size
            self._learned([Committed(index, entry.data)])

    def _reading(self, epoch: int) -> Script[q.Answer]:
        _, head, tip = yield (q.Sync(), q.Read(SNAPSHOT), q.Read(TIP, watch=True))
        if not isinstance(head, q.Found) or not isinstance(tip, q.Found):
            self._end(failed=True)
            return
        try:
            self.head = msgspec.json.decode(head.data or b"{}", type=SnapshotHead)
            last = msgspec.json.decode(tip.data or b"{}", type=Tip).index
        except msgspec.MsgspecError as error:
            self.problem = f"what stands in ZooKeeper is unreadable: {error}"
            self._end(failed=True)
            return
        self.head_version, self.tip_version = head.stat.version, tip.stat.version
        if last < self.applied:
            self.problem = (
                f"ZooKeeper has lost changes: {self.applied} were acknowledged, it has {last}"
            )
            self._end(failed=True)
            return
        self.problem = ""
        if self.head.index > self.applied:
            wanted = [q.Read(part_path(self.head.id, at)) for at in range(self.head.parts)]
            parts = yield wanted
            data = [part.data for part in parts if isinstance(part, q.Found)]
            if len(data) < len(parts):
                self._end(failed=True)  # another snapshot may just take its place
                return
            if self.head.index > self.applied:
                self.applied, self.log_bytes = self.head.index, 0
                self._learned([Restored(self.head.index, b"".join(data))])
        while self.applied < last:
            first = self.applied + 1
            indices = range(first, min(last, first + AT_ONCE - 1) + 1)
            entries = yield [q.Read(log_path(index)) for index in indices]
            for index, entry in zip(indices, entries, strict=True):
                if isinstance(entry, q.Found):
                    self._found(index, entry.data)
            if self.applied < first:
                self._end(failed=True)
                return
        self.read_for = max(self.read_for, epoch)
        self._end(failed=False)

    def _found(self, index: int, data: bytes) -> None:
        try:
            self.take(index, msgspec.msgpack.decode(data, type=LogEntry), len(data))
        except msgspec.MsgspecError as error:
            self.problem = f"change {index} in ZooKeeper is unreadable: {error}"

    def _end(self, failed: bool) -> None:
        self._busy = False
        if failed:
            self._dirty = True
            self._backoff.failed(self._desk.now)
        else:
            self._backoff.succeeded()
