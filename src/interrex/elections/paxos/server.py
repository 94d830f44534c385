"""One Paxos server and its role; how roles change is in ``replicated.server``."""

from collections.abc import Mapping
from random import Random

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.paxos.candidate import FAST_RETRIES, Candidate
from interrex.elections.paxos.findings import Findings
from interrex.elections.paxos.follower import Follower
from interrex.elections.paxos.leader import Leader
from interrex.elections.paxos.messages import Ask, InstallSnapshot
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.promising import Promising
from interrex.elections.paxos.settings import PaxosSettings
from interrex.elections.replicated.detection import Detection
from interrex.elections.replicated.server import ReplicatedServer


class Server(ReplicatedServer[Ask, Follower, Candidate, Leader]):
    """One Paxos server. Implements Transitions.

    Two may be in one round while the configurations that they know share no majority; only one of
    them calls itself leader, and the other one learns of it by a later round: mail of a second one
    is left alone (``may_lead``).
    """

    node: Node

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: PaxosSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        node = Node(worker, member, stored, settings, genesis, random)
        detection: Detection[Ask] = Detection(member, settings, FAST_RETRIES)
        self.promising = Promising(node, detection, lambda: self.leading)
        super().__init__(node, detection)

    @property
    def questions(self) -> Promising:
        return self.promising

    def _new_follower(self, draw: int) -> Follower:
        return Follower(self.node, self.detection, self, draw=draw)

    def _new_candidate(self, *, asking: bool, timeout: int) -> Candidate:
        return Candidate(self.node, self.detection, self, asking=asking, timeout=timeout)

    def _back_off(self) -> int:
        """How long to wait after a lost duel: one to two distances, doubled each time."""
        detection = self.detection
        wait = detection.stagger << (FAST_RETRIES - detection.fast_retries)
        detection.fast_retries -= 1
        return wait + (wait * self._draw() >> 32)

    def become_leader(self, asked_at: int, findings: Findings, campaign: int, reason: str) -> None:
        """Won: a majority's promises are in, this server's own is on disk.

        One that learns by them that it was removed leaves the round to itself.
        """
        ensure(isinstance(self.role, Candidate), "only a candidate wins")
        findings.learn()
        if not self.node.may_campaign:
            self.become_follower(self.node.round, "it was removed from the cluster")
            return
        self._lead(Leader(self.node, self, findings, campaign, asked_at), reason)

    def learn_lesson(self, lesson: InstallSnapshot) -> None:
        """Somebody who does not lead knows more than this server, and nobody leads who would tell.

        Raises:
            MalformedPayload: it is no snapshot.
        """
        node = self.node
        if not self.detection.has_lost or isinstance(self.role, Leader):
            return
        patience = node.settings.election_timeout
        if lesson.index <= node.chosen or (
            not node.arriving.is_welcome(lesson, node.now, patience)
        ):
            return
        snapshot = node.arriving.take(lesson, node.settings.max_snapshot_bytes, node.now)
        if snapshot is None:
            node.send(lesson.source, node.arriving.wanted(lesson.source, node.member, node.round))
            return
        node.install(snapshot)
        self.become_follower(node.round, "it lacked what others had learned")
