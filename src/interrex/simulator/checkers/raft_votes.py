"""One vote per term, across restarts, and the term on a disk never falls (paper, 5.1 and 5.2)."""

from interrex.elections.raft.messages import Vote
from interrex.elections.raft.node import StoredVote
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step


class Votes(RaftChecker):
    """Believes votes that were sent, votes on disks, and that who leads has voted for itself.

    A request for votes is no vote: its sender's own counts only once it is on disk.
    """

    promise = "one vote per term"

    def __init__(self) -> None:
        super().__init__()
        self._votes: dict[int, dict[int, int]] = {}
        """Member -> term -> whom it voted for."""
        self._terms: dict[int, int] = {}
        self.mail = {Vote: self._sent}

    def harmed(self, member: int) -> None:
        self._votes.pop(member, None)
        self._terms.pop(member, None)

    def began(self, server: Server) -> None:
        if not server.disk.harmed:
            self.voted(server, server.disk.vote)

    def _sent(self, server: Server, step: Step, message: Vote) -> None:
        if message.granted:
            self._vote(message.source, message.term, message.target, "answered")

    def leads(self, server: Server, step: Step) -> None:
        self._vote(server.member, server.leads, server.member, "leads")

    def voted(self, server: Server, vote: StoredVote) -> None:
        before = self._terms.get(vote.member, 0)
        if vote.term < before:
            raise self.broken(f"{server}: the term on its disk falls from {before} to {vote.term}")
        self._terms[vote.member] = vote.term
        if vote.vote:
            self._vote(vote.member, vote.term, vote.vote, "wrote")

    def _vote(self, member: int, term: int, candidate: int, how: str) -> None:
        known = self._votes.setdefault(member, {}).setdefault(term, candidate)
        if known != candidate:
            raise self.broken(
                f"member {member} votes in term {term} for {known} and for {candidate} ({how})"
            )
