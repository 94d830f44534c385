"""Mail from other servers: whose it is, the rule of newer terms, then the role's handler.

Source: paper 5.1 ("rules for all servers", figure 2); thesis 4.2.3 and 9.6.
"""

from typing import assert_never

from interrex.core.ids import WorkerName
from interrex.elections.raft import messages as m
from interrex.elections.raft.candidate import Candidate
from interrex.elections.raft.follower import Follower
from interrex.elections.raft.leader import Leader
from interrex.elections.raft.server import Server
from interrex.elections.replicated.mail import Letterbox

LeaderMail = m.AppendEntries | m.Advance | m.Heartbeat | m.InstallSnapshot
AnswerToLeader = m.AppendAccepted | m.AppendRefused | m.HeartbeatAnswer | m.SnapshotWanted


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
        if detection.remembered and not isinstance(message, m.PreVote):
            detection.sender_moved(worker, message.term)
        if message.term <= node.term or self._takes_newer_term(message, worker):
            self._dispatch(message, worker)

    def _takes_newer_term(self, message: m.Message, worker: WorkerName) -> bool:
        """The rule of newer terms, before any role's (5.1). Returns whether to go on."""
        server = self._server
        match message:
            case m.PreVote() | m.PreVoteWithdrawn() | m.PreVoteAnswer(granted=True):
                return True  # about a term that nobody has begun
            case m.RequestVote():
                if server.voting.ignores(message.ended):
                    return False
                self._hear_of_end(message.ended)
            case _:
                pass
        server.become_follower(message.term, f"{worker} is in term {message.term}")
        return True

    def _dispatch(self, message: m.Message, worker: WorkerName) -> None:
        role = self._server.role
        match message:
            case m.HeartbeatAnswer() | m.AppendAccepted() | m.AppendRefused() | m.SnapshotWanted():
                self._on_answer_to_leader(message)
            case m.Heartbeat() | m.AppendEntries() | m.Advance() | m.InstallSnapshot():
                self._on_leader_mail(message, worker)
            case m.PreVote():
                self._on_question(message, message.ended, worker)
            case m.PreVoteAnswer():
                if isinstance(role, Candidate):
                    role.on_pre_vote_answer(message)
            case m.PreVoteWithdrawn():
                self._server.detection.remembered.pop(worker, None)
            case m.RequestVote():
                self._on_request_vote(message)
            case m.Vote():
                if isinstance(role, Candidate) and message.term == self._server.node.term:
                    role.on_vote(message)
            case m.TimeoutNow():
                self._on_hand_over(message.term, message.source, worker)
            case m.NewerTerm():
                pass  # the rule of newer terms has seen to it
            case _:
                assert_never(message)

    def _on_leader_mail(self, message: LeaderMail, worker: WorkerName) -> None:
        server = self._server
        node = server.node
        if message.term < node.term:
            node.send(message.source, m.NewerTerm(message.source, node.member, node.term))
            return
        if server.detection.is_over(message.term, node.now):
            return  # sent before it died or handed over: must not bring it back to life
        follower = server.follow(message.source, worker)
        match message:
            case m.Heartbeat():
                follower.on_heartbeat(message, worker)
            case m.AppendEntries():
                follower.on_append(message, worker)
            case m.Advance():
                follower.on_advance(message, worker)
            case m.InstallSnapshot():
                follower.on_snapshot(message, worker)
            case _:
                assert_never(message)

    def _on_answer_to_leader(self, message: AnswerToLeader) -> None:
        role = self._server.role
        if isinstance(role, Leader) and message.term == self._server.node.term:
            match message:
                case m.HeartbeatAnswer():
                    role.on_heartbeat_answer(message)
                case m.AppendAccepted():
                    role.on_accepted(message)
                case m.AppendRefused():
                    role.on_refused(message)
                case m.SnapshotWanted():
                    role.on_snapshot_wanted(message)
                case _:
                    assert_never(message)

    def _on_request_vote(self, message: m.RequestVote) -> None:
        server = self._server
        if not server.voting.on_request_vote(message):
            server.hurry_if_next()
        elif isinstance(server.role, Follower):
            server.role.rest()
