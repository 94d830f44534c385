"""Leadership transfer: the leader picks its successor and lets it prepare a round at once.

Not in the papers; as in Raft (thesis 3.10). Given up when the target's connection closes, or after
an election time-out; then the old leader goes on.
"""

from interrex.elections.paxos.messages import TakeOver
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.replication import Replication


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
        self.drive(ready=True)

    def drive(self, *, ready: bool) -> None:
        """Tells the target once it holds all that is proposed; ``ready``: nothing else waits."""
        if self.until is None or self._told or not ready:
            return
        node = self._node
        if self._replication.matched.get(self._target, 0) >= self._replication.proposed:
            self._told = True
            node.send(self._target, TakeOver(self._target, node.member, node.round))

    def on_time(self) -> None:
        if self.until is not None and self._node.now >= self.until:
            self.until = None

    def on_peer_lost(self, member: int) -> None:
        if self._target == member:
            self.until = None
