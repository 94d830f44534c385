"""A server that follows, learns the log, and watches its leader.

Source: paper 5.2 (time-outs), 5.3 (log), 7 (snapshots); thesis 9.6.

Differs from the paper: AppendEntries is acknowledged when it is on disk, by one answer for all
that arrived meanwhile; a refusal names the last index whose term may fit (whole terms are
skipped); the election time-out is cut short by proof of death or a closed connection, and is
staggered by the leader's succession order instead of by chance; a server that was itself stopped
gives its leader a fresh, bounded time to be heard before it believes its own clock.
"""

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Entry, Snapshot
from interrex.core.time import earliest
from interrex.elections.interface import MalformedPayload
from interrex.elections.raft.messages import (
    Advance,
    AppendAccepted,
    AppendEntries,
    AppendRefused,
    Heartbeat,
    HeartbeatAnswer,
    InstallSnapshot,
    PreVote,
    SnapshotWanted,
)
from interrex.elections.raft.node import Node
from interrex.elections.raft.roles import Transitions
from interrex.elections.replicated.detection import Detection
from interrex.elections.replicated.payload import configuration_of


class Follower:
    """The state of a follower in one term under one leader.

    Invariant: up to ``verified`` this log is the leader's; it starts at the commit index.
    """

    def __init__(
        self, node: Node, detection: Detection[PreVote], server: Transitions, *, draw: int
    ) -> None:
        self._node = node
        self._detection = detection
        self._server = server
        self._draw = draw
        self.verified = node.commit
        self._acknowledge = False
        """Whether something was received that was not acknowledged yet."""
        self._acknowledged = 0
        self._chunks = bytearray()
        self._chunks_of: tuple[int, int, int] | None = None
        self.campaign_at: int | None = None

    @property
    def wake_at(self) -> int | None:
        detection = self._detection
        return earliest(self.campaign_at, None if detection.has_lost else detection.silent_at)

    # Watching

    def rest(self) -> None:
        """A whole random time-out from now on. None for who may not campaign."""
        if self._node.may_campaign:
            timeout = self._detection.timeout
            self.campaign_at = self._node.now + timeout + (timeout * self._draw >> 32)
        else:
            self.campaign_at = None

    def hurry(self, delay: int) -> None:
        """Campaign after the delay and one distance for each rank before this one."""
        if not self._node.may_campaign or self._node.settings.paper_elections:
            return
        detection = self._detection
        wait = delay + detection.rank(self._node.membership.voters) * detection.stagger
        at = self._node.now + wait
        self.campaign_at = at if self.campaign_at is None else min(at, self.campaign_at)

    def on_time(self, *, late: bool) -> None:
        del late  # the leader has had its grace
        node, detection = self._node, self._detection
        if self.campaign_at is None or node.now < self.campaign_at:
            return
        if not node.may_campaign:
            self.campaign_at = None
        elif not detection.has_lost:
            self.campaign_at = detection.silent_at  # the leader was given a grace
        elif node.is_disk_stuck:
            self.rest()
        elif self._needs_no_question():
            self._server.become_candidate("its leader is gone, and it is next")
        else:
            self._server.become_pre_candidate(self._why())

    def _needs_no_question(self) -> bool:
        """The leader is gone for good and this server is next: nobody's leader is at stake."""
        detection = self._detection
        is_next = detection.rank(self._node.membership.voters) == 0
        return bool(detection.ended) and not detection.tried and is_next

    def _why(self) -> str:
        detection = self._detection
        if detection.leader is None:
            return "no leader is known"
        name = self._node.name_of(detection.leader)
        return f"{name}: {detection.loss.value}"

    def _heard(self, leader: int, worker: WorkerName) -> None:
        self._detection.heard(leader, worker, self._node.now, self._node.term)
        self.rest()

    # Learning

    def on_append(self, message: AppendEntries, worker: WorkerName) -> None:
        self._heard(message.source, worker)
        self._detection.order = message.succession
        node, log = self._node, self._node.log
        prev_index, entries = message.prev_index, message.entries
        last_index = prev_index + len(entries)
        if prev_index < node.commit:
            # Committed entries are the same everywhere: only what is behind them is news.
            entries = entries[node.commit - prev_index :]
        elif log.term_at(prev_index) != message.prev_term:
            hint = max(node.commit, log.last_within_term(prev_index, message.prev_term))
            refusal = AppendRefused(
                message.source, node.member, node.term, prev_index, hint, log.term_at(hint) or 0
            )
            node.send(message.source, refusal)
            return
        self._take(entries)
        self.verified = max(self.verified, last_index)
        self._commit(message.commit)
        if self.matched >= last_index:
            self._accept(message.source)
        else:
            self._acknowledge = True

    def _take(self, entries: tuple[Entry, ...]) -> None:
        """Adds what is new; what conflicts goes, and all behind it (paper 5.3)."""
        node, log = self._node, self._node.log
        for position, entry in enumerate(entries):
            term = log.term_at(entry.index)
            if term == entry.epoch:
                continue
            news = entries[position:]
            _check_configurations(news)
            if term is not None:
                node.truncate(entry.index)
            node.append(news)
            return

    def on_advance(self, message: Advance, worker: WorkerName) -> None:
        self._heard(message.source, worker)
        self._commit(message.commit)

    def on_heartbeat(self, message: Heartbeat, worker: WorkerName) -> None:
        self._detection.heartbeat(message.timeout, message.round_trip, message.succession)
        self._heard(message.source, worker)
        self._commit(message.commit)
        node = self._node
        answer = HeartbeatAnswer(
            message.source, node.member, node.term, message.round, self.verified, self.matched
        )
        node.send(message.source, answer)

    def _commit(self, commit: int) -> None:
        self._node.commit_to(min(commit, self.verified))

    @property
    def matched(self) -> int:
        """Up to here the log is the leader's and on disk."""
        return min(self.verified, self._node.log.persisted)

    def on_persisted(self, token: int) -> None:
        del token
        news = self.matched > self._acknowledged or self.matched == self.verified
        if self._acknowledge and news and self._detection.leader is not None:
            self._acknowledge = self.matched < self.verified
            self._accept(self._detection.leader)

    def _accept(self, leader: int) -> None:
        node = self._node
        self._acknowledged = self.matched
        node.send(leader, AppendAccepted(leader, node.member, node.term, self.matched))

    # Snapshots

    def on_snapshot(self, message: InstallSnapshot, worker: WorkerName) -> None:
        self._heard(message.source, worker)
        node = self._node
        if message.index <= node.commit:
            self.verified = max(self.verified, node.commit)
            if self.matched >= node.commit:
                self._accept(message.source)
            else:
                self._acknowledge = True
            return
        identity = (message.index, message.epoch, message.total)
        if message.total > node.settings.max_snapshot_bytes:
            raise MalformedPayload(f"a snapshot of {message.total} bytes is too large")
        if self._chunks_of != identity:
            self._chunks_of = identity
            self._chunks.clear()
        if message.offset == len(self._chunks):
            if message.offset + len(message.data) > message.total:
                raise MalformedPayload("a snapshot's chunk reaches behind its end")
            self._chunks += message.data
        if len(self._chunks) < message.total:
            wanted = SnapshotWanted(
                message.source, node.member, node.term, message.index, len(self._chunks)
            )
            node.send(message.source, wanted)
            return
        node.install(Snapshot(message.index, message.epoch, bytes(self._chunks)))
        self._chunks = bytearray()
        self._chunks_of = None
        self.verified = message.index
        self._acknowledge = True
        self.rest()


def _check_configurations(entries: tuple[Entry, ...]) -> None:
    try:
        for entry in entries:
            configuration_of(entry)
    except msgspec.DecodeError as error:
        raise MalformedPayload(f"an entry that claims to be a configuration: {error}") from error
