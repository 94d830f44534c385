"""Who leads a term has the votes of a majority in it (paper, 5.2)."""

from interrex.elections.raft.messages import Vote
from interrex.simulator.checkers.majorities import is_majority
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step


class Elected(RaftChecker):
    """Counts the votes that were sent, and the leader's own. Who votes is seen nowhere but in the
    leader's core."""

    promise = "a leader has a majority's votes"

    def __init__(self) -> None:
        super().__init__()
        self._votes: dict[tuple[int, int], set[int]] = {}
        """(term, candidate) -> who voted for it."""
        self.mail = {Vote: self._voted}

    def _voted(self, server: Server, step: Step, message: Vote) -> None:
        if message.granted:
            self._votes.setdefault((message.term, message.target), set()).add(server.member)

    def leads(self, server: Server, step: Step) -> None:
        voters = [member.member for member in step.core.election.members]
        votes = self._votes.pop((server.leads, server.member), set()) | {server.member}
        if not is_majority(votes, voters):
            raise self.broken(
                f"{server} leads term {server.leads} with the votes of {sorted(votes)}, of {voters}"
            )
