"""What a role may ask of the server that plays it: to become another one."""

from typing import Protocol


class Transitions(Protocol):
    """The only ways to change role or epoch. ``reason`` ends up in ``LeaderChanged``.

    An election's own says what a candidate hands over to the leader that it becomes.
    """

    def become_follower(self, epoch: int, reason: str) -> None:
        """Without a known leader, in this epoch or a newer one."""

    def become_pre_candidate(self, reason: str) -> None:
        """Asks who would elect this server. Changes nothing that is on disk."""

    def become_candidate(self, reason: str) -> None:
        """Stands for election in the next epoch."""

    def begin_anew(self, reason: str) -> None:
        """A leader that cannot go on in its epoch stands for the next one at once."""
