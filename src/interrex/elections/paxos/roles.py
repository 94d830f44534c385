"""What a role may ask of the server that plays it: to become another one."""

from typing import Protocol

from interrex.elections.paxos.findings import Findings


class Transitions(Protocol):
    """The only ways to change role or round. ``reason`` ends up in ``LeaderChanged``."""

    def become_follower(self, number: int, reason: str) -> None:
        """Without a known leader, in this round or a later one."""

    def become_pre_candidate(self, reason: str) -> None:
        """Asks who would promise a round to this server. Changes no promise."""

    def become_candidate(self, reason: str) -> None:
        """Prepares the next round."""

    def begin_anew(self, reason: str) -> None:
        """A leader that cannot go on in its round prepares the next one at once."""

    def become_leader(self, asked_at: int, findings: Findings, campaign: int, reason: str) -> None:
        """Won: a majority's promises are in, this server's own is on disk."""
