"""Mail from other servers: whose it is, the rule of later rounds, then the role's handler.

Source: PMS 2.2 (an acceptor ignores or refuses what is of an earlier round than it promised), 2.5
(a round that was seen is never used again); PMMC 2.4 (a preempted leader stops).
"""

from typing import assert_never

from interrex.core.ids import WorkerName
from interrex.elections.paxos import messages as m
from interrex.elections.paxos.candidate import Candidate
from interrex.elections.paxos.follower import Follower
from interrex.elections.paxos.leader import Leader
from interrex.elections.paxos.server import Server
from interrex.elections.replicated.mail import Letterbox

LeaderMail = m.Accept | m.Chosen | m.Heartbeat | m.InstallSnapshot
AnswerToLeader = m.Accepted | m.HeartbeatAnswer


class Mailbox(Letterbox[Server]):
    """Takes payloads for one server."""

    def take(self, worker: WorkerName, payload: bytes) -> None:
        """One payload from a worker.

        Raises:
            MalformedPayload: it is no message; nothing has changed.
        """
        message = m.decode(payload)
        server = self._server
        node, detection = server.node, server.detection
        if not node.is_mail(message.target, message.source, worker):
            return
        if detection.remembered and not isinstance(message, m.Ask):
            detection.sender_moved(worker, message.round)
        if message.round <= node.round or self._takes_later_round(message, worker):
            self._dispatch(message, worker)

    def _takes_later_round(self, message: m.Message, worker: WorkerName) -> bool:
        """The rule of later rounds, before any role's. Returns whether to go on."""
        server = self._server
        match message:
            case m.Ask() | m.AskWithdrawn() | m.AskAnswer(granted=True):
                return True  # about a round that nobody has begun
            case m.Prepare():
                if server.promising.ignores(message.ended):
                    return False
                self._hear_of_end(message.ended)
            case _:
                pass
        server.become_follower(message.round, f"{worker} is in round {message.round}")
        return True

    def _dispatch(self, message: m.Message, worker: WorkerName) -> None:
        role = self._server.role
        match message:
            case m.InstallSnapshot(leads=False):
                self._server.learn_lesson(message)
            case m.Accept() | m.Chosen() | m.Heartbeat() | m.InstallSnapshot():
                self._on_leader_mail(message, worker)
            case m.Accepted() | m.HeartbeatAnswer():
                if isinstance(role, Leader) and message.round == self._server.node.round:
                    _give_leader(role, message)
            case m.SnapshotWanted():
                self._on_snapshot_wanted(message)
            case m.Ask():
                self._on_question(message, message.ended, worker)
            case m.AskAnswer():
                if isinstance(role, Candidate):
                    role.on_ask_answer(message)
            case m.AskWithdrawn():
                self._server.detection.remembered.pop(worker, None)
            case m.Prepare():
                self._on_prepare(message)
            case m.Promise():
                if message.round == self._server.node.round and not isinstance(role, Follower):
                    role.on_promise(message)
            case m.Refused():
                if message.round == self._server.node.round and not isinstance(role, Follower):
                    role.on_refused(message)
            case m.TakeOver():
                self._on_hand_over(message.round, message.source, worker)
            case m.Preempted():
                pass  # the rule of later rounds has seen to it
            case _:
                assert_never(message)

    def _on_leader_mail(self, message: LeaderMail, worker: WorkerName) -> None:
        server = self._server
        node = server.node
        if message.round < node.round:
            node.send(message.source, m.Preempted(message.source, node.member, node.round))
            return
        if not server.may_lead(message.source):
            return
        if server.detection.is_over(message.round, node.now):
            return  # sent before it died or handed over: must not bring it back to life
        follower = server.follow(message.source, worker)
        match message:
            case m.Accept():
                follower.on_accept(message, worker)
            case m.Chosen():
                follower.on_chosen(message, worker)
            case m.Heartbeat():
                follower.on_heartbeat(message, worker)
            case m.InstallSnapshot():
                follower.on_snapshot(message, worker)
            case _:
                assert_never(message)

    def _on_snapshot_wanted(self, message: m.SnapshotWanted) -> None:
        server = self._server
        if isinstance(server.role, Leader):
            if message.round == server.node.round:
                server.role.on_snapshot_wanted(message)
        elif message.index == server.node.slots.snapshot_index:
            server.node.teach(message.source, message.offset)

    def _on_prepare(self, message: m.Prepare) -> None:
        server = self._server
        if not server.promising.on_prepare(message):
            server.hurry_if_next()
        elif isinstance(server.role, Follower) and server.detection.leader is None:
            server.role.rest()


def _give_leader(leader: Leader, message: AnswerToLeader) -> None:
    match message:
        case m.Accepted():
            leader.on_accepted(message)
        case m.HeartbeatAnswer():
            leader.on_heartbeat_answer(message)
        case _:
            assert_never(message)
