"""Election Safety: at most one leader can be elected in a given term (paper, figure 3)."""

from interrex.elections.raft.messages import TimeoutNow
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step


class ElectionSafety(RaftChecker):
    """Believes the messages that only a leader sends."""

    promise = "one leader per term"

    def __init__(self) -> None:
        super().__init__()
        self._leaders: dict[int, tuple[int, int]] = {}
        """Term -> the leader's member id and life."""
        self.mail = {TimeoutNow: self._hands_over}

    def leads(self, server: Server, step: Step) -> None:
        self._leads(server, server.leads)

    def _hands_over(self, server: Server, step: Step, message: TimeoutNow) -> None:
        self._leads(server, message.term)

    def _leads(self, server: Server, term: int) -> None:
        leader = (server.member, server.life)
        known = self._leaders.setdefault(term, leader)
        if known != leader:
            raise self.broken(
                f"{server} leads term {term}, which member {known[0]} (life {known[1]}) leads"
            )
