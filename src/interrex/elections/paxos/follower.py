"""A server that follows: an acceptor and a learner that watches its leader.

Source: PMS 2.2 (phase 2b, P1a), 2.3 (a distinguished learner tells the others what was chosen);
PML 5.5 (snapshots).

Differs from the papers: one ``Accepted`` answers for all slots up to one, when they are on disk;
what is accepted out of order is kept, and answered for when the gap before it is filled. A slot is
learned by being told that all up to it is chosen, where its value is of the leader's own round:
values that were chosen in earlier rounds are sent again, as proposals of this one.
"""

from interrex.core.ids import WorkerName
from interrex.core.time import earliest
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


class Follower:
    """The state of a follower in one round under one leader.

    Invariant: up to ``verified`` every slot holds a value of this round, or the chosen one.
    """

    def __init__(
        self, node: Node, detection: Detection[Ask], server: Transitions, *, draw: int
    ) -> None:
        self._node = node
        self._detection = detection
        self._server = server
        self._draw = draw
        self.verified = node.chosen
        self._verify()
        self._acknowledge = False
        """Whether something was received that was not acknowledged yet."""
        self._acknowledged = 0
        self.is_named = False
        """Whether the leader says itself that it leads: it may still have to learn first."""
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
        if not self._node.may_campaign:
            return
        detection = self._detection
        wait = delay + detection.rank(self._node.membership.electorate) * detection.stagger
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
        is_next = detection.rank(self._node.membership.electorate) == 0
        return bool(detection.ended) and not detection.tried and is_next

    def _why(self) -> str:
        detection = self._detection
        if detection.leader is None:
            return "no leader is known"
        name = self._node.name_of(detection.leader)
        return f"{name}: {detection.loss.value}"

    def _heard(self, leader: int, worker: WorkerName) -> None:
        self._detection.heard(leader, worker, self._node.now, self._node.round)
        self.rest()

    # Accepting and learning

    def on_accept(self, message: Accept, worker: WorkerName) -> None:
        """Phase 2b. A value that is held in this round already is not written again."""
        self._heard(message.source, worker)
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
        if self.matched >= self.verified:
            self._accept(message.source)
        else:
            self._acknowledge = True

    def _verify(self) -> None:
        slots, number = self._node.slots, self._node.round
        self.verified = max(self.verified, self._node.chosen)
        while number and slots.round_at(self.verified + 1) == number:
            self.verified += 1

    def on_chosen(self, message: Chosen, worker: WorkerName) -> None:
        self._heard(message.source, worker)
        self._learn(message.chosen)

    def on_heartbeat(self, message: Heartbeat, worker: WorkerName) -> None:
        self._detection.heartbeat(message.timeout, message.round_trip, message.succession)
        self._heard(message.source, worker)
        self.is_named |= message.leads
        self._learn(message.chosen)
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

    def on_persisted(self, token: int) -> None:
        del token
        news = self.matched > self._acknowledged or self.matched == self.verified
        if self._acknowledge and news and self._detection.leader is not None:
            self._acknowledge = self.matched < self.verified
            self._accept(self._detection.leader)

    def _accept(self, leader: int) -> None:
        node = self._node
        self._acknowledged = self.matched
        node.send(leader, Accepted(leader, node.member, node.round, self.matched))

    # Snapshots

    def on_snapshot(self, message: InstallSnapshot, worker: WorkerName) -> None:
        self._heard(message.source, worker)
        node = self._node
        if message.index <= node.chosen:
            self._verify()
            if self.matched >= node.chosen:
                self._accept(message.source)
            else:
                self._acknowledge = True
            return
        snapshot = node.arriving.take(message, node.settings.max_snapshot_bytes, node.now)
        if snapshot is None:
            node.send(message.source, node.arriving.wanted(message.source, node.member, node.round))
            return
        node.install(snapshot)
        self._verify()
        self._acknowledge = True
        self.rest()
