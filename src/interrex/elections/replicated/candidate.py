"""A server that wants to lead: what of it no paper's rule decides."""

from typing import Any

from interrex.elections.replicated.node import DurableNode
from interrex.elections.replicated.roles import Transitions


class CandidateRole:
    """A candidate, or (``asking``) one that asks first whether it would be elected."""

    is_named = False
    """There is no leader to name."""

    def __init__(
        self, node: DurableNode[Any], server: Transitions, *, asking: bool, timeout: int
    ) -> None:
        self._node = node
        self._server = server
        self.asking = asking
        self.asked_at = node.now
        self.deadline = node.now + timeout

    @property
    def wake_at(self) -> int:
        return self.deadline

    def ask(self) -> None:
        """Sends the question, or the request, to everybody who has a say."""
        for member in self._unheard():
            self._ask(member)

    def on_peer_connected(self, member: int) -> None:
        """What it was asked while it was away is lost."""
        if member in self._unheard():
            self._ask(member)

    def _unheard(self) -> list[int]:
        """Who has a say and has not answered, but for this server, in order."""
        raise NotImplementedError

    def _ask(self, member: int) -> None:
        raise NotImplementedError

    def withdraw(self) -> None:
        """Tells everybody that was asked to forget the question."""
        raise NotImplementedError

    def on_persisted(self, token: int) -> None:
        """What was handed out up to this token is on disk."""
        raise NotImplementedError

    def on_time(self, *, late: bool) -> None:
        """Nobody won: ask again. Being late oneself changes nothing here."""
        del late
        node = self._node
        if node.now < self.deadline:
            return
        if node.is_disk_stuck:
            self._server.become_follower(node.epoch, "its disk does not answer")
        else:
            self._server.become_pre_candidate("the election timed out")
