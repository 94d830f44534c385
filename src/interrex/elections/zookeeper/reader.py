"""Reads the log: what is new whenever its tip has moved, a snapshot where it was cut off before."""

import msgspec

from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.log import Log, NotTaken, SnapshotHead
from interrex.elections.coordinated.script import Script, follow
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import (
    SNAPSHOT,
    TIP,
    Tip,
    log_path,
    part_path,
)
from interrex.elections.zookeeper.settings import ZooKeeperSettings

AT_ONCE = 64


class Reader:
    """Reads the log. ``read_for``: the newest epoch whose beginning is covered by a reading that
    has come to its end."""

    def __init__(self, desk: Desk[q.Answer], settings: ZooKeeperSettings, log: Log) -> None:
        self._desk = desk
        self.log = log
        self._backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._busy = False
        self._dirty = False
        self.wanted_for = 0
        self.read_for = -1
        self.head_version = 0
        self.tip_version = 0

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

    def _reading(self, epoch: int) -> Script[q.Answer]:
        log = self.log
        least, own = log.least, log.applied
        questions = [q.Sync(), q.Read(SNAPSHOT), q.Read(TIP, watch=True)]
        _, head, tip, *found_own = yield [*questions, *([q.Read(log_path(own))] if own else [])]
        if isinstance(head, q.Missing) or isinstance(tip, q.Missing):
            gone = SNAPSHOT if isinstance(head, q.Missing) else TIP
            log.problem = f"the node {gone} is gone from ZooKeeper"
        if not isinstance(head, q.Found) or not isinstance(tip, q.Found):
            self._end(failed=True)
            return
        try:
            newest = msgspec.json.decode(head.data or b"{}", type=SnapshotHead)
            last = msgspec.json.decode(tip.data or b"{}", type=Tip).index
        except msgspec.MsgspecError as error:
            log.problem = f"what stands in ZooKeeper is unreadable: {error}"
            self._end(failed=True)
            return
        if newest.above > log.head.above:
            epoch = self.wanted_for = 0
            self.read_for = -1
        elif newest.above < log.head.above:
            log.problem = "what was begun anew in ZooKeeper is gone"
            self._end(failed=True)
            return
        if newest != log.head:
            log.saw_head(newest)
        self.head_version, self.tip_version = head.stat.version, tip.stat.version
        log.problem = ""
        if last < least:
            log.problem = f"ZooKeeper has lost changes: {least} were acknowledged, it has {last}"
        for entry in found_own:
            if isinstance(entry, q.Found) and own > newest.index and not log.problem:
                self._compare(own, entry.data)
        if log.problem:
            self._end(failed=True)
            return
        if log.head.index > log.applied:
            wanted = [q.Read(part_path(newest.id, at)) for at in range(newest.parts)]
            parts = yield wanted
            data = [part.data for part in parts if isinstance(part, q.Found)]
            if len(data) < len(parts):
                self._end(failed=True)  # another snapshot may just take its place
                return
            if newest == log.head and newest.index > log.applied:
                log.restore(b"".join(data))
        while log.applied < last:
            first = log.applied + 1
            indices = range(first, min(last, first + AT_ONCE - 1) + 1)
            entries = yield [q.Read(log_path(index)) for index in indices]
            for index, entry in zip(indices, entries, strict=True):
                if isinstance(entry, q.Found) and index == log.applied + 1:
                    self._found(index, entry.data)
            if log.applied < first or log.problem:
                self._end(failed=True)
                return
        self.read_for = max(self.read_for, epoch)
        self._end(failed=False)

    def _found(self, index: int, data: bytes) -> None:
        try:
            self.log.append(index, data)
        except NotTaken as error:
            self.log.problem = f"change {index} in ZooKeeper {error}"

    def _compare(self, index: int, data: bytes) -> None:
        """See whether what was handed out is still what stands there."""
        try:
            self.log.check(index, data)
        except NotTaken as error:
            self.log.problem = f"change {index} in ZooKeeper {error}"

    def _end(self, failed: bool) -> None:
        self._busy = False
        if failed:
            self._dirty = True
            self._backoff.failed(self._desk.now)
        else:
            self._backoff.succeeded()
