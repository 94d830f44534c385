"""A server that follows and learns the log. How it watches its leader is in
``replicated.follower``.

Source: paper 5.2 (time-outs), 5.3 (log), 7 (snapshots); thesis 9.6.

Differs from the paper: AppendEntries is acknowledged when it is on disk, by one answer for all
that arrived meanwhile; a refusal names the last index whose term may fit (whole terms are
skipped).
"""

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Entry, Snapshot
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
from interrex.elections.replicated.follower import FollowerRole
from interrex.elections.replicated.lease import UNANSWERED
from interrex.elections.replicated.payload import configuration_of


class Follower(FollowerRole):
    """The state of a follower in one term under one leader.

    Invariant: up to ``verified`` this log is the leader's; it starts at the commit index.
    """

    _node: Node

    def __init__(
        self, node: Node, detection: Detection[PreVote], server: Transitions, *, draw: int
    ) -> None:
        super().__init__(node, detection, server, draw)
        self.verified = node.commit
        self._chunks = bytearray()
        self._chunks_of: tuple[int, int, int] | None = None

    def hurry(self, delay: int) -> None:
        if not self._node.settings.paper_elections:
            super().hurry(delay)

    # Learning

    def on_append(self, message: AppendEntries, worker: WorkerName) -> None:
        self._heard(message.source, worker, message.term)
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
        self._accept_up_to(last_index, message.source)

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
        self._heard(message.source, worker, message.term)
        self._commit(message.commit)

    def on_heartbeat(self, message: Heartbeat, worker: WorkerName) -> None:
        self._detection.heartbeat(message.timeout, message.round_trip, message.succession)
        self._heard(message.source, worker, message.term)
        self._commit(message.commit)
        if message.round == UNANSWERED:
            return
        node = self._node
        answer = HeartbeatAnswer(
            message.source, node.member, node.term, message.round, self.verified, self.matched
        )
        node.send(message.source, answer)

    def _commit(self, commit: int) -> None:
        if commit > self._node.commit:
            self._node.commit_to(min(commit, self.verified))

    @property
    def matched(self) -> int:
        """Up to here the log is the leader's and on disk."""
        return min(self.verified, self._node.log.persisted)

    def _say_accepted(self, leader: int, matched: int) -> None:
        node = self._node
        node.send(leader, AppendAccepted(leader, node.member, node.term, matched))

    # Snapshots

    def on_snapshot(self, message: InstallSnapshot, worker: WorkerName) -> None:
        self._heard(message.source, worker, message.term)
        node = self._node
        if message.index <= node.commit:
            self.verified = max(self.verified, node.commit)
            self._accept_up_to(node.commit, message.source)
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
