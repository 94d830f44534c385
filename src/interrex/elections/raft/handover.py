"""Leadership transfer: the leader picks its successor and lets it campaign at once.

Source: thesis 3.10.

Differs from the thesis: given up as soon as the target's connection closes, not only after an
election time-out; then the old leader goes on.
"""

from interrex.elections.raft.messages import TimeoutNow
from interrex.elections.raft.node import Node
from interrex.elections.raft.replication import Replication


class Handover:
    """At most one transfer under way. While there is, the leader takes no proposals."""

    def __init__(self, node: Node, replication: Replication) -> None:
        self._node = node
        self._replication = replication
        self._target = 0
        self._told = False
        self.until: int | None = None
        """When the transfer under way is given up, None for none."""

    def begin(self, target: int) -> None:
        node = self._node
        self._target, self._told = target, False
        self.until = node.now + node.settings.election_timeout
        self.drive()

    def drive(self) -> None:
        """Tells the target once it holds the whole log."""
        if self.until is None or self._told:
            return
        node = self._node
        if self._replication.matched.get(self._target, 0) >= node.log.last_index:
            self._told = True
            node.send(self._target, TimeoutNow(self._target, node.member, node.term))

    def on_time(self) -> None:
        if self.until is not None and self._node.now >= self.until:
            self.until = None

    def on_peer_lost(self, member: int) -> None:
        if self._target == member:
            self.until = None
