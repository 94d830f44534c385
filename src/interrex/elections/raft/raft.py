"""Raft, as a pure state machine behind the election's contract.

Guaranteed: at most one leader per term; what was reported committed is never lost while a majority
of disks survives; every worker sees the same changes in the same order (paper, figure 3).

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); that ``LeaderChanged`` reaches all at the same moment; any
progress without a majority; exactly-once of a proposal that is asked again (its id is for that).

When a leader is announced: ``LeaderChanged`` with this worker itself means: a majority's votes for
this term are on their disks and so is its own, and its deadline has not passed; commands stamped
with the epoch are safe to send, because nobody else can ever lead in it. It does not mean that all
changes of earlier epochs have been handed out yet: who acts on the replicated state asks
``ConfirmRead`` first, which is answered once an entry of this term is committed.

Source: "In Search of an Understandable Consensus Algorithm (Extended Version)", Ongaro and
Ousterhout 2014; "Consensus: Bridging Theory and Practice", Ongaro 2014 ("thesis").
Differs from the paper: see the modules, and docs/raft.md.
"""

from collections.abc import Mapping
from random import Random
from typing import assert_never

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.interface import (
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    Member,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persisted,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    ReplaceMember,
    SnapshotTaken,
    StepDown,
    WakeUp,
)
from interrex.elections.raft import messages as m
from interrex.elections.raft.candidate import Candidate
from interrex.elections.raft.detection import Detection, Loss
from interrex.elections.raft.follower import Follower
from interrex.elections.raft.leader import Leader
from interrex.elections.raft.node import Node
from interrex.elections.raft.settings import RaftSettings
from interrex.elections.raft.voting import Voting

LeaderMail = m.AppendEntries | m.Advance | m.Heartbeat | m.InstallSnapshot
NOT_LEADING = "this worker does not lead"


class Raft:
    """One Raft server. Implements ``interrex.elections.interface.Election``.

    Invariants: state changes only in the ``become`` methods; a term has one leader.
    """

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: RaftSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        """Begins as a follower, with nothing sent: the first ``step`` is due at once.

        Args:
            worker: this worker's name.
            member: its member id, at least 1. A worker that lost its log takes a new one, no
                genesis, and waits for ``ReplaceMember``.
            stored: what its disk holds.
            settings: times and sizes.
            genesis: member ids and workers' names of the first configuration; used only while
                neither log nor snapshot holds one, and the same on every member of it.
            random: for time-outs; only ``getrandbits`` is used.

        Raises:
            InvariantViolation: the disk's content is not this member's, or contradicts itself.
        """
        ensure(member >= 1, "a member id is at least 1")
        self._node = Node(worker, member, stored, settings, genesis, random)
        self._detection = Detection(member, settings)
        self._voting = Voting(self._node, self._detection, lambda: self.leading)
        self._role: Follower | Candidate | Leader = self._follower(rest=False)
        self._started = False
        self._wake_at: int | None = 0
        self._announced: tuple[WorkerName | None, int] = (None, self._node.term)
        self._reason = ""
        self._leader_of_term = (0, 0)

    # What the contract shows

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns), None for never."""
        return self._wake_at

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows."""
        if isinstance(self._role, Leader):
            return self._node.worker if self.leading else None
        return None if self._detection.loss is Loss.ENDED else self._detection.leader_worker

    @property
    def epoch(self) -> int:
        """The newest term this worker has seen."""
        return self._node.term

    @property
    def leading(self) -> bool:
        """Whether this worker leads, and its deadline had not passed at the last step."""
        return isinstance(self._role, Leader) and self._node.now < self._role.deadline

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""
        return self._role.deadline if isinstance(self._role, Leader) else None

    @property
    def members(self) -> tuple[Member, ...]:
        """The voters, by worker name; ``matched`` is known for others only to a leader."""
        matched = self._role.replication.matched if isinstance(self._role, Leader) else {}
        own = {self._node.member: self._node.log.persisted}
        voters = sorted(self._node.membership.voters.items(), key=lambda item: item[::-1])
        return tuple(
            Member(name, member, (matched | own).get(member, 0)) for member, name in voters
        )

    # The one entry point

    def step(self, event: ElectionEvent, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is no message of Raft; nothing has changed.
            InvariantViolation: a safety rule was about to be broken; stop the node.
        """
        node = self._node
        effects: list[ElectionEffect] = []
        node.effects = effects
        node.now = max(node.now, now)
        due = self._wake_at
        if not self._started:
            self._start()
            due = None
        self._take(event)
        if due is not None and node.now >= due:
            self._on_time(late=node.now - due > node.settings.heartbeat)
        node.flush()
        self._announce()
        self._wake_at = self._role.wake_at
        return effects

    def _start(self) -> None:
        self._started = True
        self._node.restored()
        self._role = self._follower(rest=True)
        if self._node.membership.majority == 1 and self._node.is_voter:
            self.become_candidate("it is the only voter")

    def _on_time(self, *, late: bool) -> None:
        if self._detection.remembered and not self._voting.hears_a_leader():
            self._voting.weigh_again()
        self._role.on_time(late=late)

    def _announce(self) -> None:
        known = (self.leader, self._node.term)
        if known != self._announced:
            self._announced = known
            self._node.effects.append(LeaderChanged(*known, self._reason))

    def _take(self, event: ElectionEvent) -> None:
        node, role = self._node, self._role
        match event:
            case PayloadReceived(sender, payload):
                self._on_payload(sender, payload)
            case Propose(change):
                if isinstance(role, Leader):
                    role.on_propose(event)
                else:
                    node.effects.append(ProposalSettled(change, None, NOT_LEADING))
            case Persisted(token):
                node.persisted(token)
                self._role.on_persisted(token)
            case WakeUp():
                pass
            case ConfirmRead(read):
                if isinstance(role, Leader) and self.leading:
                    role.on_confirm_read(event)
                else:
                    node.effects.append(ReadConfirmed(read, confirmed=False))
            case PeerConnected(peer, member):
                self._on_peer_connected(peer, member)
            case PeerLost(peer, proved_dead):
                self._on_peer_lost(peer, proved_dead=proved_dead)
            case StepDown(successor):
                if isinstance(role, Leader):
                    role.on_step_down(successor)
            case SnapshotTaken():
                node.snapshot_taken(event)
            case ReplaceMember(change):
                if isinstance(role, Leader):
                    role.on_replace_member(event)
                else:
                    node.effects.append(ProposalSettled(change, None, NOT_LEADING))
            case _:
                assert_never(event)

    # Peers

    def _on_peer_connected(self, peer: WorkerName, member: int) -> None:
        self._node.peers[member] = peer
        self._detection.dead.discard(peer)
        if isinstance(self._role, Leader):
            self._role.on_peer_connected(member)

    def _on_peer_lost(self, peer: WorkerName, *, proved_dead: bool) -> None:
        detection, node = self._detection, self._node
        detection.forget_worker(peer)
        if proved_dead:
            detection.dead.add(peer)
        if isinstance(self._role, Leader):
            member = node.membership.member_of(peer)
            if member is not None:
                self._role.on_peer_lost(member)
        elif detection.leader_worker == peer:
            self._lose_leader(proved_dead=proved_dead)
        elif proved_dead and detection.former == (peer, node.term):
            self._learn_of_death()
        elif proved_dead:
            self._hurry_if_next()

    def _learn_of_death(self) -> None:
        """Proof comes after the suspicion: the question is asked anew with it."""
        self._detection.end(self._node.term, self._node.now)
        if isinstance(self._role, Candidate) and self._role.asking:
            self.become_pre_candidate("its former leader is proved dead")
        else:
            self._hurry_if_next()

    def _lose_leader(self, *, proved_dead: bool) -> None:
        """The leader's connection is gone: suspicion, or its end."""
        detection, node = self._detection, self._node
        self._reason = f"{detection.leader_worker} is out of reach"
        delay = node.settings.reconnect_allowance
        if proved_dead:
            self._reason = f"{detection.leader_worker} is proved dead"
            detection.end(node.term, node.now)
            delay = 0
        elif detection.loss is Loss.NONE:
            detection.loss = Loss.DISCONNECTED
        self._voting.weigh_again()
        self._hurry(delay)

    def _hurry(self, delay: int) -> None:
        if isinstance(self._role, Follower):
            self._role.hurry(delay)
            self._role.on_time(late=False)

    def _hurry_if_next(self) -> None:
        """Somebody before this server is dead or was refused: it may be next now.

        Not while it has given its vote to somebody who may still win with it.
        """
        detection, node = self._detection, self._node
        if not detection.has_lost(node.now):
            return
        voted_for = node.worker_of(node.vote) if node.vote not in (0, node.member) else None
        if voted_for is not None and voted_for not in detection.dead:
            return
        if detection.ended or detection.loss is not Loss.NONE:
            self._hurry(0)

    # Mail

    def _on_payload(self, worker: WorkerName, payload: bytes) -> None:
        message = m.decode(payload)
        node = self._node
        if message.target != node.member or message.source == node.member:
            return
        known = node.membership.worker_of(message.source)
        if known is None:
            node.peers[message.source] = worker
        elif known != worker:
            return
        if self._detection.remembered and not isinstance(message, m.PreVote):
            self._detection.forget(message.source, message.term)
        if message.term > node.term and not self._takes_newer_term(message, worker):
            return
        self._dispatch(message, worker)

    def _takes_newer_term(self, message: m.Message, worker: WorkerName) -> bool:
        """The rule of newer terms, before any role's (5.1). Returns whether to go on."""
        match message:
            case m.PreVote() | m.PreVoteWithdrawn():
                return True  # about a term that nobody has begun
            case m.PreVoteAnswer(granted=True):
                return True
            case m.RequestVote():
                if self._voting.ignores(message):
                    return False
                self._hear_of_end(message.ended)
            case _:
                pass
        self.become_follower(message.term, f"{worker} is in term {message.term}")
        return True

    def _dispatch(self, message: m.Message, worker: WorkerName) -> None:
        role = self._role
        match message:
            case m.AppendEntries() | m.Advance() | m.Heartbeat() | m.InstallSnapshot():
                self._on_leader_mail(message, worker)
            case m.AppendAccepted():
                if isinstance(role, Leader) and message.term == self._node.term:
                    role.on_accepted(message)
            case m.AppendRefused():
                if isinstance(role, Leader) and message.term == self._node.term:
                    role.on_refused(message)
            case m.HeartbeatAnswer():
                if isinstance(role, Leader) and message.term == self._node.term:
                    role.on_heartbeat_answer(message)
            case m.SnapshotWanted():
                if isinstance(role, Leader) and message.term == self._node.term:
                    role.on_snapshot_wanted(message)
            case m.PreVote():
                self._on_pre_vote(message, worker)
            case m.PreVoteAnswer():
                if isinstance(role, Candidate):
                    role.on_pre_vote_answer(message)
            case m.PreVoteWithdrawn():
                self._detection.remembered.pop(message.source, None)
            case m.RequestVote():
                self._on_request_vote(message)
            case m.Vote():
                if isinstance(role, Candidate) and message.term == self._node.term:
                    role.on_vote(message)
            case m.TimeoutNow():
                self._on_timeout_now(message)
            case m.NewerTerm():
                pass  # the rule of newer terms has seen to it
            case _:
                assert_never(message)

    def _on_leader_mail(self, message: LeaderMail, worker: WorkerName) -> None:
        node, detection = self._node, self._detection
        if message.term < node.term:
            node.send(message.source, m.NewerTerm(message.source, node.member, node.term))
            return
        if detection.is_over(message.term, node.now):
            return  # sent before it died or handed over: must not bring it back to life
        self._ensure_one_leader(message.source)
        if not isinstance(self._role, Follower) or detection.leader != message.source:
            self.follow(message.source, worker, f"{worker} leads term {node.term}")
        role = self._role
        if not isinstance(role, Follower):
            return
        match message:
            case m.AppendEntries():
                role.on_append(message, worker)
            case m.Advance():
                role.on_advance(message, worker)
            case m.Heartbeat():
                role.on_heartbeat(message, worker)
            case m.InstallSnapshot():
                role.on_snapshot(message, worker)
            case _:
                assert_never(message)

    def _ensure_one_leader(self, member: int) -> None:
        term, leader = self._leader_of_term
        ensure(term < self._node.term or leader == member, "a term has one leader")
        self._leader_of_term = (self._node.term, member)

    def _hear_of_end(self, ended: int) -> bool:
        """Takes the news that this term's leadership is over. Returns whether it was news."""
        detection, node = self._detection, self._node
        if isinstance(self._role, Leader) or ended != node.term or detection.ended == ended:
            return False
        if detection.leader_worker is not None:
            self._reason = f"{detection.leader_worker} is gone, as a candidate says"
        detection.end(ended, node.now)
        return True

    def _on_pre_vote(self, message: m.PreVote, worker: WorkerName) -> None:
        told = self._hear_of_end(message.ended)
        refused = self._voting.on_pre_vote(message, worker)
        if told:
            self._voting.weigh_again()
        if told or refused:
            self._hurry_if_next()

    def _on_request_vote(self, message: m.RequestVote) -> None:
        if self._voting.on_request_vote(message):
            if isinstance(self._role, Follower):
                self._role.rest()
        else:
            self._hurry_if_next()

    def _on_timeout_now(self, message: m.TimeoutNow) -> None:
        node, detection = self._node, self._detection
        if (
            message.term == node.term
            and isinstance(self._role, Follower)
            and node.may_campaign
            and detection.leader in (None, message.source)
        ):
            detection.end(node.term, node.now)
            self.become_candidate(f"{node.name_of(message.source)} handed over")

    # Transitions

    def _draw(self) -> int:
        return self._node.random.getrandbits(32)

    def _follower(self, *, rest: bool) -> Follower:
        return Follower(self._node, self._detection, self, draw=self._draw(), rest=rest)

    def become_follower(self, term: int, reason: str) -> None:
        """Without a known leader, in this term or a newer one."""
        node, detection, before = self._node, self._detection, self._role
        if isinstance(before, Leader):
            before.end(reason)
        if term > node.term:
            node.set_term(term)
        detection.forget_leader()
        self._reason = reason
        follower = self._role = self._follower(rest=True)
        if isinstance(before, Candidate) and detection.ended and detection.fast_retries:
            detection.fast_retries -= 1
            follower.hurry(detection.stagger)
        self._voting.weigh_again()

    def follow(self, leader: int, worker: WorkerName, reason: str) -> None:
        """As a follower of this term's leader, which was just heard."""
        if isinstance(self._role, Candidate):
            self._role.withdraw()
        ensure(not isinstance(self._role, Leader), "a term has one leader")
        self._detection.heard(leader, worker, self._node.now, self._node.term)
        self._reason = reason
        self._role = self._follower(rest=True)

    def become_pre_candidate(self, reason: str) -> None:
        """Asks who would vote for this server. Changes neither term nor vote."""
        ensure(not isinstance(self._role, Leader), "a leader does not campaign")
        if self._node.membership.majority == 1 and self._node.is_voter:
            self.become_candidate(reason)
            return
        self._campaign(reason, asking=True)

    def become_candidate(self, reason: str) -> None:
        """Stands for election in the next term."""
        ensure(not isinstance(self._role, Leader), "a leader does not campaign")
        self._detection.tried = True
        self._node.set_term(self._node.term + 1, self._node.member)
        self._campaign(reason, asking=False)

    def _campaign(self, reason: str, *, asking: bool) -> None:
        node, detection = self._node, self._detection
        ensure(node.may_campaign, "only a voter campaigns")
        detection.forget_leader()
        node.campaigns += 1
        self._reason = reason
        timeout = detection.timeout + (detection.timeout * self._draw() >> 32)
        candidate = Candidate(node, detection, self, asking=asking, timeout=timeout)
        self._role = candidate
        self._voting.weigh_again()
        candidate.ask()

    def become_leader(self, asked_at: int, reason: str) -> None:
        """Won: a majority's votes are in, this server's own is on disk."""
        ensure(isinstance(self._role, Candidate), "only a candidate wins")
        self._ensure_one_leader(self._node.member)
        self._detection.won()
        self._reason = reason
        leader = self._role = Leader(self._node, self, asked_at)
        leader.begin()
