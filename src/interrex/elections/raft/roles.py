"""What a role may ask of the server that plays it: to become another one."""

from typing import Protocol


class Transitions(Protocol):
    """The only ways to change role or term. ``reason`` ends up in ``LeaderChanged``."""

    def become_follower(self, term: int, reason: str) -> None:
        """Without a known leader, in this term or a newer one."""

    def become_pre_candidate(self, reason: str) -> None:
        """Asks who would vote for this server. Changes neither term nor vote."""

    def become_candidate(self, reason: str) -> None:
        """Stands for election in the next term."""

    def become_leader(self, asked_at: int, reason: str) -> None:
        """Won: a majority's votes are in, this server's own is on disk."""
