"""What keeps changes from being made until somebody acts, as far as this worker knows.

Full disks, and what an election says of the coordination service that it rests on. What only the
leader meets, because only it writes, everybody learns from its reports.
"""

from typing import NamedTuple

from interrex.core.ids import WorkerName
from interrex.elections.interface import Election, Explaining
from interrex.worker.peers import Peers


class Obstacle(NamedTuple):
    """What is in the way, what to do about it, and how it is called when that was done."""

    text: str
    remedy: str
    over: str


class Obstacles:
    """Of one worker.

    Args:
        election: its election.
        peers: what the workers report.
    """

    def __init__(self, election: Election, peers: Peers) -> None:
        self._election = election
        self._explaining = election if isinstance(election, Explaining) else None
        self.explained = self._explaining is not None
        """Whether the election says what it meets: one that rests on nothing outside does not."""
        self._peers = peers
        self.own = ""
        """What this worker's own election meets; goes into its reports."""

    def have_changed(self) -> bool:
        """Whether the election meets another one now than before."""
        if self._explaining is None or self._explaining.obstacle == self.own:
            return False
        self.own = self._explaining.obstacle
        return True

    @property
    def of_the_election(self) -> str:
        """What this worker's election meets, or else the leader's."""
        leader = self._election.leader
        return self.own or ("" if leader is None else self._peers.obstacle_of(leader))

    @property
    def hindrance(self) -> str:
        """Why nobody can lead, also where that may pass by itself; empty while somebody does."""
        explaining = self._explaining if self._election.leader is None else None
        return "" if explaining is None else explaining.hindrance

    def found(self) -> Obstacle | None:
        """The one that a user is to hear of."""
        full = self._peers.full_disks(self._election.members)
        if full:
            return Obstacle(_full(full), "free space there, then ask again", "there is space")
        text = self.of_the_election
        return Obstacle(text, "mend that, then ask again", "that is mended") if text else None


def _full(workers: list[WorkerName]) -> str:
    if len(workers) == 1:
        return f"the disk of {workers[0]} is full"
    return f"the disks of {', '.join(workers[:-1])} and {workers[-1]} are full"
