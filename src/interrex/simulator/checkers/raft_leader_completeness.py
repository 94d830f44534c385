"""Leader Completeness: if a log entry is committed in a given term, then that entry will be
present in the logs of the leaders for all higher-numbered terms (paper, figure 3)."""

from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step


class LeaderCompleteness(RaftChecker):
    """Compares a new leader's log with the newest entry that a leader before it called committed.

    As logs match, the newest one stands for all before it.
    """

    promise = "a leader has all that is committed"

    def __init__(self) -> None:
        super().__init__()
        self._committed: dict[int, tuple[int, int]] = {}
        """The term of the leader that said so -> the newest entry's index and term."""

    def commits(self, server: Server, step: Step, index: int) -> None:
        term = server.log.term_at(index)
        if term is not None:
            self._committed[server.leads] = (index, term)

    def leads(self, server: Server, step: Step) -> None:
        before = [committed for term, committed in self._committed.items() if term < server.leads]
        index, term = max(before, default=(0, 0))
        found = server.log.term_at(index)
        if found != term and server.log.snapshot < index:
            raise self.broken(
                f"{server} leads term {server.leads} without the committed entry {index} of term "
                f"{term}: it has one of term {found}"
            )
