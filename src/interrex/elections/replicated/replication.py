"""The leader's side of the log: what of it is the same whatever a paper calls its messages."""

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from interrex.core.storage import Snapshot
from interrex.elections.replicated.lease import Lease
from interrex.elections.replicated.node import DurableNode
from interrex.elections.replicated.progress import FollowerProgress


class Appended(Protocol):
    """A log, as far as it says how much there is to send."""

    appended_bytes: int


AnyProgress = TypeVar("AnyProgress", bound=FollowerProgress)


class LogReplication(ABC, Generic[AnyProgress]):
    """The followers and learners of one leadership.

    Invariant: ``matched`` holds, for every member, an index up to which its disk is known to
    hold what this leader has.
    """

    def __init__(self, node: DurableNode[Any], lease: Lease, log: Appended) -> None:
        self._node = node
        self._lease = lease
        self._appended = log
        self.progress: dict[int, AnyProgress] = {}
        self.matched: dict[int, int] = {}
        self.order: tuple[int, ...] = ()
        """In which order the others would succeed this leader."""

    @abstractmethod
    def last_proposed(self) -> int:
        """Up to where a follower has to hold the log to hold all that is proposed."""

    @property
    def is_done(self) -> bool:
        """Whether everybody is known to hold all that is proposed."""
        last = self.last_proposed()
        return all(progress.match >= last for progress in self.progress.values())

    @property
    def slowest(self) -> int:
        """What the round trip of the slowest seldom exceeds (ns)."""
        slowest = 0
        for progress in self.progress.values():
            slowest = max(slowest, progress.round_trips.bound)
        return slowest

    @abstractmethod
    def reconnected(self, member: int) -> None:
        """Nothing that was under way arrives any more."""

    # Sending

    def send_all(self) -> None:
        for progress in self.progress.values():
            self.send(progress)

    @abstractmethod
    def send(self, progress: AnyProgress) -> None:
        """Sends all that may be sent now."""

    def _may_send_more(self, progress: AnyProgress) -> bool:
        """Behind a batch under way only a full one leaves: small ones share the next message."""
        settings = self._node.settings
        waiting = self._appended.appended_bytes - progress.sent_bytes
        return waiting >= settings.batch_bytes and (
            len(progress.inflight) < settings.inflight_batches
        )

    def _send_chunk(self, progress: AnyProgress) -> None:
        snapshot = progress.snapshot
        if progress.paused or snapshot is None:
            return
        node = self._node
        node.send(progress.member, self._chunk(progress.member, snapshot, progress.snapshot_offset))
        progress.paused = True
        progress.sent_round = self._lease.number

    @abstractmethod
    def _chunk(self, member: int, snapshot: Snapshot, offset: int) -> msgspec.Struct:
        """The message that carries the chunk of a snapshot which begins at an offset."""

    # Answers

    def on_snapshot_wanted(self, source: int, index: int, offset: int) -> None:
        """A member asks for the chunk at ``offset`` of the snapshot after ``index``."""
        progress = self.progress.get(source)
        if progress is None or progress.snapshot is None:
            return
        if progress.snapshot.index != index or not progress.wants(offset):
            return
        progress.snapshot_offset = min(offset, len(progress.snapshot.data))
        progress.paused = False
        self.send(progress)
