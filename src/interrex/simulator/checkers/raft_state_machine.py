"""State Machine Safety: what one server has applied at an index, no other applies differently
(paper, figure 3); and what is called committed is on a majority of disks (5.3, 5.4.2).

Differs from the paper: it is about what leaders call committed. That everybody applies the same
is watched for every election, in ``applied``.
"""

from interrex.elections.raft.messages import AppendEntries
from interrex.simulator.checkers.majorities import is_majority
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step


class StateMachineSafety(RaftChecker):
    """Compares leaders' commit indices with the disks of the voters and with each other.

    Who votes is seen nowhere but in the leader's core. As a change of it may be appended in the
    very step that commits, those who voted when the leader last sent entries count too.
    """

    promise = "what is committed stays, on a majority of disks"

    def __init__(self) -> None:
        super().__init__()
        self._terms: dict[int, int] = {}
        self._newest = 0
        self._voters: dict[int, list[int]] = {}
        self._led: dict[int, set[int]] = {}
        """By life: which terms it led. What it committed then, it may say only later."""
        self.mail = {AppendEntries: self._sends}

    def _sends(self, server: Server, step: Step, message: AppendEntries) -> None:
        self._voters[server.life] = _voters(step)

    def leads(self, server: Server, step: Step) -> None:
        self._voters[server.life] = _voters(step)
        self._led.setdefault(server.life, set()).add(server.leads)

    def commits(self, server: Server, step: Step, index: int) -> None:
        log = server.log
        voters, before = _voters(step), self._voters.get(server.life, [])
        self._voters[server.life] = voters
        term = log.term_at(index)
        if index > max(self._newest, log.snapshot) and term is not None:
            if not self._is_stored(index, term, voters) and not self._is_stored(
                index, term, before
            ):
                raise self.broken(
                    f"{server} calls {index} of term {term} committed, which a majority of "
                    f"{voters} has not on disk"
                )
            if term not in self._led[server.life]:
                raise self.broken(
                    f"{server} of term {server.leads} calls {index} committed, which is of term "
                    f"{term} and was committed by nobody"
                )
        for position in range(self._newest + 1, index + 1):
            known = log.term_at(position)
            if known is not None:
                self._terms[position] = known
        self._newest = max(self._newest, index)
        if term is not None and self._terms.get(index, term) != term:
            raise self.broken(
                f"{server} calls {index} of term {term} committed, it was of term "
                f"{self._terms[index]}"
            )

    def _is_stored(self, index: int, term: int, voters: list[int]) -> bool:
        return is_majority([one for one in voters if self._holds(one, index, term)], voters)

    def _holds(self, member: int, index: int, term: int) -> bool:
        disk = self.disks.get(member)
        if disk is None:
            return False
        return disk.harmed or disk.log.snapshot >= index or disk.log.term_at(index) == term


def _voters(step: Step) -> list[int]:
    return [member.member for member in step.core.election.members]
