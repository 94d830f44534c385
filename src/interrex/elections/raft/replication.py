"""The leader's side of the log: what each follower is sent, and what its answers mean.

Source: paper 5.3 and 7; thesis 10.2.1 (the leader writes its own disk in parallel).
"""

from interrex.core.errors import ensure
from interrex.core.quorum import agreed_index
from interrex.core.storage import Snapshot
from interrex.elections.raft.messages import (
    Advance,
    AppendAccepted,
    AppendEntries,
    AppendRefused,
    HeartbeatAnswer,
    InstallSnapshot,
)
from interrex.elections.raft.node import Node
from interrex.elections.raft.progress import Progress, State
from interrex.elections.replicated.lease import Lease
from interrex.elections.replicated.replication import LogReplication


class Replication(LogReplication[Progress]):
    """The followers and learners of one leadership.

    Invariant: ``matched`` holds, for every member, an index up to which its disk is known to
    hold this leader's log.
    """

    _node: Node

    def __init__(self, node: Node, lease: Lease) -> None:
        super().__init__(node, lease, node.log)
        self.adopt_members()

    def last_proposed(self) -> int:
        return self._node.log.last_index

    def adopt_members(self) -> None:
        """Follows the configuration; a removed member is served until its removal is committed."""
        node = self._node
        members = node.membership.all
        for member in members:
            if member != node.member and member not in self.progress:
                self.progress[member] = Progress(member, node.log.last_index + 1)
                self.matched[member] = 0
        if node.membership.index <= node.commit:
            for member in [one for one in self.progress if one not in members]:
                del self.progress[member], self.matched[member]

    def agreed(self) -> int:
        """The highest index that is on a majority's disks."""
        node = self._node
        self.matched[node.member] = node.log.persisted
        return agreed_index(node.membership.voters, self.matched)

    def reconnected(self, member: int) -> None:
        """Nothing that was under way arrives any more: find out anew where the logs agree."""
        progress = self.progress.get(member)
        if progress is not None:
            progress.become_probe(self._node.log.last_index + 1)

    # Sending

    def send(self, progress: Progress) -> None:
        """Sends all that may be sent now."""
        log = self._node.log
        while True:
            if progress.state is State.SNAPSHOT:
                self._send_chunk(progress)
                return
            if progress.paused:
                self._send_behind(progress)
                return
            if progress.next > log.last_index and progress.state is State.REPLICATE:
                self._send_commit(progress)
                return
            if progress.inflight and not self._may_send_more(progress):
                return
            prev_term = log.term_at(progress.next - 1)
            if prev_term is None or progress.next < log.first_index:
                ensure(log.snapshot is not None, "what the log no longer holds, a snapshot does")
                if log.snapshot is not None:
                    progress.become_snapshot(log.snapshot)
                continue
            self._send_entries(progress, progress.next - 1, prev_term)

    def _send_behind(self, progress: Progress) -> None:
        """What was proposed since the first message of this leadership left follows it at once:
        a write that has waited for a leader does not wait for that answer as well. Where the first
        does not fit, what is behind it fits no better, and all is refused."""
        sent = progress.last_probe
        if sent is not None and sent < self._node.log.last_index:
            prev_term = self._node.log.term_at(sent)
            if prev_term is not None:
                self._send_entries(progress, sent, prev_term)

    def _send_entries(self, progress: Progress, prev_index: int, prev_term: int) -> None:
        node = self._node
        entries, size = node.log.batch(prev_index + 1, node.settings.batch_bytes)
        message = AppendEntries(
            progress.member,
            node.member,
            node.term,
            prev_index,
            prev_term,
            node.commit,
            self.order,
            entries,
        )
        node.send(progress.member, message)
        progress.sent(prev_index + len(entries), self._lease.number)
        progress.sent_bytes += size
        progress.commit_sent = node.commit

    def _send_commit(self, progress: Progress) -> None:
        node = self._node
        if progress.commit_sent >= node.commit or progress.inflight:
            return
        commit = min(node.commit, progress.match)
        if progress.commit_sent < commit:
            progress.commit_sent = commit
            node.send(progress.member, Advance(progress.member, node.member, node.term, commit))

    def _chunk(self, member: int, snapshot: Snapshot, offset: int) -> InstallSnapshot:
        node = self._node
        return InstallSnapshot(
            member,
            node.member,
            node.term,
            snapshot.index,
            snapshot.epoch,
            offset,
            len(snapshot.data),
            snapshot.data[offset : offset + node.settings.snapshot_chunk_bytes],
        )

    # Answers

    def on_accepted(self, message: AppendAccepted) -> None:
        """Notes what is on the follower's disk; the caller sends on, with the new commit index."""
        progress = self.progress.get(message.source)
        if progress is not None:
            self._accepted(progress, message.matched, probed=True)

    def _accepted(self, progress: Progress, matched: int, *, probed: bool) -> None:
        ensure(matched <= self._node.log.last_index, "a follower holds no more than its leader")
        if progress.accepted(matched):
            self.matched[progress.member] = matched
        if progress.state is State.SNAPSHOT:
            arrived = progress.snapshot is not None and matched >= progress.snapshot.index
        else:
            arrived = probed and progress.state is State.PROBE
        if arrived:
            progress.become_replicate()
            self._count_unsent(progress)

    def _count_unsent(self, progress: Progress) -> None:
        log = self._node.log
        start = max(progress.next, log.first_index)
        unsent = sum(len(entry.data) for entry in log.slice(start, log.last_index))
        progress.sent_bytes = log.appended_bytes - unsent

    def on_refused(self, message: AppendRefused) -> None:
        progress = self.progress.get(message.source)
        if progress is None:
            return
        fits = self._node.log.last_within_term(message.hint_index, message.hint_term)
        if progress.refused(message.prev_index, fits + 1):
            self.send(progress)

    def on_heartbeat_answer(self, message: HeartbeatAnswer) -> None:
        """Finds what was lost: the answer is to a round sent after it, and does not know it.

        The caller sends on.
        """
        progress = self.progress.get(message.source)
        if progress is None:
            return
        self._accepted(progress, message.matched, probed=False)
        if message.round > progress.sent_round:
            if progress.state is not State.REPLICATE:
                progress.paused = False
                progress.inflight.clear()
                progress.goes_back = True
            elif message.received < progress.match:
                # It has doubted its leader meanwhile, and commits no further than it can verify.
                progress.become_probe(progress.match + 1)
            elif progress.inflight and message.received < progress.next - 1:
                progress.inflight.clear()
                progress.next = message.received + 1
                self._count_unsent(progress)
