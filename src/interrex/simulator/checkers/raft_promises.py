"""What a message promises is on the sender's disk before it leaves (paper, figure 2: "updated on
stable storage before responding to RPCs")."""

from interrex.elections.raft.messages import AppendAccepted, HeartbeatAnswer, Vote
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step


class Promises(RaftChecker):
    """Compares votes and acknowledgements with what is on the disk when they are sent.

    An acknowledgement also promises that the entries are the leader's: compared at the index
    that it names, as logs match up to there.
    """

    promise = "what is promised is on disk first"

    def __init__(self) -> None:
        super().__init__()
        self._leaders: dict[int, Server] = {}
        """By term."""
        self.mail = {
            Vote: self._voted,
            AppendAccepted: self._accepted,
            HeartbeatAnswer: self._accepted,
        }

    def leads(self, server: Server, step: Step) -> None:
        self._leaders[server.leads] = server
        vote = server.disk.vote
        if (vote.term, vote.vote) != (server.leads, server.member) and not server.disk.harmed:
            raise self.broken(
                f"{server} leads term {server.leads}, its vote on disk is {vote.vote} in "
                f"{vote.term}"
            )

    def _voted(self, server: Server, step: Step, message: Vote) -> None:
        vote = server.disk.vote
        if not message.granted or vote.term > message.term or server.disk.harmed:
            return
        if (vote.term, vote.vote) != (message.term, message.target):
            raise self.broken(
                f"{server} votes for member {message.target} in term {message.term}, its vote on "
                f"disk is {vote.vote} in {vote.term}"
            )

    def _accepted(
        self, server: Server, step: Step, message: AppendAccepted | HeartbeatAnswer
    ) -> None:
        log, matched = server.disk.log, message.matched
        if server.disk.harmed:
            return
        if matched > log.last:
            raise self.broken(
                f"{server} acknowledges everything up to {matched}, its disk ends at {log.last}"
            )
        leader = self._leaders.get(message.term)
        if leader is None or leader.leads != message.term or matched <= log.snapshot:
            return
        here, there = log.term_at(matched), leader.log.term_at(matched)
        if here != there and None not in (here, there):
            raise self.broken(
                f"{server} acknowledges {matched} to {leader}: its entry is of term {here}, the "
                f"leader's of {there}"
            )
