"""Mail from other servers: what follows from it whatever a paper calls its messages."""

from typing import Any, Generic, TypeVar

from interrex.core.ids import WorkerName
from interrex.elections.replicated.detection import AnyQuestion
from interrex.elections.replicated.follower import FollowerRole
from interrex.elections.replicated.leader import LeaderRole
from interrex.elections.replicated.server import ReplicatedServer

AnyServer = TypeVar("AnyServer", bound=ReplicatedServer[Any, Any, Any, Any])


class Letterbox(Generic[AnyServer]):
    """Takes payloads for one server; an election's own knows the messages and their rules."""

    def __init__(self, server: AnyServer) -> None:
        self._server = server

    def _hear_of_end(self, ended: int) -> bool:
        """Takes the news that this epoch's leadership is over. Returns whether it was news."""
        server = self._server
        detection, node = server.detection, server.node
        if isinstance(server.role, LeaderRole) or ended != node.epoch or detection.ended == ended:
            return False
        if detection.leader_worker is not None:
            server.reason = f"{detection.leader_worker} is gone, as a candidate says"
        detection.end(ended, node.now)
        return True

    def _on_question(self, question: AnyQuestion, ended: int, worker: WorkerName) -> None:
        """Somebody asks before it stands, and says which leadership it knows to be over."""
        server = self._server
        told = self._hear_of_end(ended)
        refused = server.questions.on_question(question, worker)
        if told:
            server.weigh_again()
        if told or refused:
            server.hurry_if_next()

    def _on_hand_over(self, epoch: int, source: int, worker: WorkerName) -> None:
        """The leader of this epoch asks this server to stand at once."""
        server = self._server
        node, detection = server.node, server.detection
        if (
            epoch == node.epoch
            and isinstance(server.role, FollowerRole)
            and node.may_campaign
            and detection.leader in (None, source)
        ):
            detection.end(epoch, node.now)
            server.become_candidate(f"{worker} handed over")
