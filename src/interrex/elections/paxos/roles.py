"""What a role may ask of the server that plays it: to become another one."""

from typing import Protocol

from interrex.elections.paxos.findings import Findings
from interrex.elections.replicated import roles


class Transitions(roles.Transitions, Protocol):
    """As in every election; and what a candidate has won."""

    def become_leader(self, asked_at: int, findings: Findings, campaign: int, reason: str) -> None:
        """Won: a majority's promises are in, this server's own is on disk."""
