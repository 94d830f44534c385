"""One Raft server and its role; how roles change is in ``replicated.server``."""

from collections.abc import Mapping
from random import Random

from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.raft.candidate import FAST_RETRIES, Candidate
from interrex.elections.raft.follower import Follower
from interrex.elections.raft.leader import Leader
from interrex.elections.raft.messages import PreVote
from interrex.elections.raft.node import Node
from interrex.elections.raft.settings import RaftSettings
from interrex.elections.raft.voting import Voting
from interrex.elections.replicated.detection import Detection
from interrex.elections.replicated.server import ReplicatedServer


class Server(ReplicatedServer[PreVote, Follower, Candidate, Leader]):
    """One Raft server. Implements Transitions."""

    node: Node

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: RaftSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        node = Node(worker, member, stored, settings, genesis, random)
        detection: Detection[PreVote] = Detection(member, settings, FAST_RETRIES)
        self.voting = Voting(node, detection, lambda: self.leading)
        super().__init__(node, detection)

    @property
    def questions(self) -> Voting:
        return self.voting

    def _new_follower(self, draw: int) -> Follower:
        return Follower(self.node, self.detection, self, draw=draw)

    def _new_candidate(self, *, asking: bool, timeout: int) -> Candidate:
        return Candidate(self.node, self.detection, self, asking=asking, timeout=timeout)

    @property
    def _asks_first(self) -> bool:
        return super()._asks_first and not self.node.settings.paper_elections

    def _back_off(self) -> int:
        """One distance of the succession order."""
        self.detection.fast_retries -= 1
        return self.detection.stagger

    def become_leader(self, asked_at: int, reason: str) -> None:
        """Won: a majority's votes are in, this server's own is on disk."""
        self._lead(Leader(self.node, self, asked_at), reason)
