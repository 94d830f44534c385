"""A server that follows: an acceptor and a learner. How it watches its leader is in
``replicated.follower``.

Source: PMS 2.2 (phase 2b, P1a), 2.3 (a distinguished learner tells the others what was chosen);
PML 5.5 (snapshots).

Differs from the papers: one ``Accepted`` answers for all slots up to one, when they are on disk;
what is accepted out of order is kept, and answered for when the gap before it is filled. A slot is
learned by being told that all up to it is chosen, where its value is of the leader's own round:
values that were chosen in earlier rounds are sent again, as proposals of this one.
"""

from interrex.core.ids import WorkerName
from interrex.elections.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    Chosen,
    Heartbeat,
    HeartbeatAnswer,
    InstallSnapshot,
)
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.roles import Transitions
from interrex.elections.replicated.detection import Detection
from interrex.elections.replicated.follower import FollowerRole
from interrex.elections.replicated.lease import UNANSWERED


class Follower(FollowerRole):
    """The state of a follower in one round under one leader.

    Invariant: up to ``verified`` every slot holds a value of this round, or the chosen one.
    """

    _node: Node

    def __init__(
        self, node: Node, detection: Detection[Ask], server: Transitions, *, draw: int
    ) -> None:
        super().__init__(node, detection, server, draw)
        self._verify()
        self.is_named = False  # it may still have to learn before it leads

    # Accepting and learning

    def on_accept(self, message: Accept, worker: WorkerName) -> None:
        """Phase 2b. A value that is held in this round already is not written again."""
        self._heard(message.source, worker, message.round)
        self._detection.order = message.succession
        node, slots = self._node, self._node.slots
        start, values = message.start, message.values
        if start > slots.last + 1 + node.settings.window:
            return  # so far ahead that the leader has to go back in any case
        end = start + len(values) - 1
        while start <= end and (start <= node.chosen or slots.round_at(start) == node.round):
            start += 1
        while start <= end and slots.round_at(end) == node.round:
            end -= 1
        if start <= end:
            node.accept(start, values[start - message.start : end + 1 - message.start])
        if message.start <= self.verified + 1:
            self.verified = max(self.verified, message.start + len(values) - 1)
        self._verify()
        self._learn(message.chosen)
        self._accept_up_to(self.verified, message.source)

    def _verify(self) -> None:
        slots, number = self._node.slots, self._node.round
        self.verified = max(self.verified, self._node.chosen)
        while number and slots.round_at(self.verified + 1) == number:
            self.verified += 1

    def on_chosen(self, message: Chosen, worker: WorkerName) -> None:
        self._heard(message.source, worker, message.round)
        self._learn(message.chosen)

    def on_heartbeat(self, message: Heartbeat, worker: WorkerName) -> None:
        self._detection.heartbeat(message.timeout, message.round_trip, message.succession)
        self._heard(message.source, worker, message.round)
        self.is_named |= message.leads
        self._learn(message.chosen)
        if message.beat == UNANSWERED:
            return
        node = self._node
        answer = HeartbeatAnswer(
            message.source, node.member, node.round, message.beat, self.verified, self.matched
        )
        node.send(message.source, answer)

    def _learn(self, chosen: int) -> None:
        self._node.learn_to(min(chosen, self.verified))

    @property
    def matched(self) -> int:
        """Up to here every slot holds what this leader proposes there, and that is on disk."""
        return min(self.verified, self._node.slots.persisted)

    def _say_accepted(self, leader: int, matched: int) -> None:
        node = self._node
        node.send(leader, Accepted(leader, node.member, node.round, matched))

    # Snapshots

    def on_snapshot(self, message: InstallSnapshot, worker: WorkerName) -> None:
        self._heard(message.source, worker, message.round)
        node = self._node
        if message.index <= node.chosen:
            self._verify()
            self._accept_up_to(node.chosen, message.source)
            return
        snapshot = node.arriving.take(message, node.settings.max_snapshot_bytes, node.now)
        if snapshot is None:
            node.send(message.source, node.arriving.wanted(message.source, node.member, node.round))
            return
        node.install(snapshot)
        self._verify()
        self._acknowledge = True
        self.rest()
