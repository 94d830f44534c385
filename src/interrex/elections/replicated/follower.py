"""A server that follows: it watches its leader, and says what it holds on disk.

Source: Raft's extended paper 5.2 (time-outs).

Differs from the paper: what was received is acknowledged when it is on disk, by one answer for all
that arrived meanwhile; the election time-out is cut short by proof of death or a closed
connection, and is staggered by the leader's succession order instead of by chance; a server that
was itself stopped gives its leader a fresh, bounded time to be heard before it believes its own
clock.
"""

from typing import Any

from interrex.core.ids import WorkerName
from interrex.core.time import earliest
from interrex.elections.replicated.detection import Detection
from interrex.elections.replicated.node import DurableNode
from interrex.elections.replicated.roles import Transitions


class FollowerRole:
    """The state of a follower in one epoch under one leader."""

    is_named = True
    """Whether the leader says itself that it leads."""

    def __init__(
        self, node: DurableNode[Any], detection: Detection[Any], server: Transitions, draw: int
    ) -> None:
        self._node = node
        self._detection = detection
        self._server = server
        self._draw = draw
        self.verified = 0
        """Up to here, this server holds in its memory what its leader has."""
        self._acknowledge = False
        """Whether something was received that was not acknowledged yet."""
        self._acknowledged = 0
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

    def _heard(self, leader: int, worker: WorkerName, epoch: int) -> None:
        self._detection.heard(leader, worker, self._node.now, epoch)
        self.rest()

    # Acknowledging

    @property
    def matched(self) -> int:
        """Up to here this server holds what its leader has, and on disk."""
        raise NotImplementedError

    def on_persisted(self, token: int) -> None:
        del token
        news = self.matched > self._acknowledged or self.matched == self.verified
        if self._acknowledge and news and self._detection.leader is not None:
            self._acknowledge = self.matched < self.verified
            self._accept(self._detection.leader)

    def _accept_up_to(self, index: int, leader: int) -> None:
        """Acknowledges what was received up to here, now or when it is on disk."""
        if self.matched >= index:
            self._accept(leader)
        else:
            self._acknowledge = True

    def _accept(self, leader: int) -> None:
        matched = self._acknowledged = self.matched
        self._say_accepted(leader, matched)

    def _say_accepted(self, leader: int, matched: int) -> None:
        """Tells the leader up to where this server's disk holds what it has."""
        raise NotImplementedError
