"""Election by an etcd cluster, as a pure state machine behind the election's contract.

Each worker holds a lease. Whoever creates the key ``leader`` under its lease leads, and the
revision of that transaction is the epoch. The log is keys that only the leader writes, each
transaction guarded by the leader's key. A leader stops by its own clock before its lease can have
run out at etcd (``session.py``). When a leader's *process* is proved dead, the next in line
revokes exactly the lease that this process had, and does not wait for it to run out.

Guaranteed, while etcd keeps what it acknowledged: one leader per epoch, epochs that rise, changes
in the same order everywhere, no acknowledged change lost, none acknowledged by a deposed leader.

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); a deadline that is right where clocks run apart by more than
a tenth, or where a deposed leader *of etcd* still answers keep-alives; anything after etcd was set
back to an older backup: it is noticed, and then nobody leads.

Source: etcd's API reference; "Learning etcd: client architecture"; C. Gray and D. Cheriton,
"Leases", 1989. Differs from etcd's own election recipe (concurrency.Election): one key instead of
a queue of them, so that a leadership begins with a single transaction; the order of candidates is a
matter of speed only.
"""

from random import Random
from typing import assert_never

import msgspec

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.time import earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import (
    LEADER,
    LOG,
    SNAPSHOT,
    Candidate,
    Holder,
    after,
    candidate_key,
    log_key,
)
from interrex.elections.etcd.leading import Leading
from interrex.elections.etcd.line import Line
from interrex.elections.etcd.payload import LeaseTold, decode_payload, encode_payload
from interrex.elections.etcd.reader import Reader
from interrex.elections.etcd.session import Session
from interrex.elections.etcd.settings import EtcdSettings
from interrex.elections.etcd.view import View
from interrex.elections.guarantees import ETCD, Guarantees
from interrex.elections.interface import (
    Committed,
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    MalformedPayload,
    Member,
    Noticed,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persisted,
    ProposalSettled,
    Propose,
    ReadConfirmed,
    ReplaceMember,
    Restored,
    SendPayload,
    SnapshotTaken,
    StepDown,
    TimesChanged,
    Told,
    WakeUp,
)

NOT_LEADING = "this worker does not lead"


class Etcd:
    """One worker of an election by etcd. Implements ``interrex.elections.interface.Election``."""

    def __init__(
        self, worker: WorkerName, member: int, settings: EtcdSettings, random: Random
    ) -> None:
        """Begins with nothing asked: the first ``step`` is due at once.

        Args:
            worker: this worker's name; nobody else has it at the same time.
            member: its member id, for people only: nobody votes.
            settings: times and sizes.
            random: for lease ids and delays; only ``getrandbits`` is used.
        """
        self._me = worker
        self._settings = settings
        self._desk: Desk[q.Answer] = Desk(random)
        self._view = View()
        self._session = Session(self._desk, settings, self._began, self._session_ended)
        self._reader = Reader(self._desk, settings, self._view, self._learned)
        self._line = Line(worker, settings, self._view)
        self._members: dict[WorkerName, int] = {worker: member}
        self._connected: dict[WorkerName, int] = {}
        self._told_leases: dict[WorkerName, int] = {}
        self._leading: Leading | None = None
        self._led = 0
        """The last epoch in which this worker led."""
        self._claiming = False
        self._claim_backoff = Backoff(settings.first_retry, settings.last_retry, random)
        self._wake_at: int | None = 0
        self._announced: tuple[WorkerName | None, int] = (None, 0)
        self._reason = "it has just started"

    @property
    def guarantees(self) -> Guarantees:
        """What an election by etcd promises."""
        return ETCD

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns), None for never."""
        return self._wake_at

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows; nobody while etcd does not answer."""
        if self._leading is not None:
            return self._me if self.leading else None
        held = self._view.leader
        is_known = held is not None and self._session.lease is not None
        if held is None or not is_known or self._line.is_vacant or held.worker == self._me:
            return None
        return held.worker

    @property
    def epoch(self) -> int:
        """The newest epoch this worker has seen."""
        return self._view.epoch

    @property
    def leading(self) -> bool:
        """Whether this worker leads, and its deadline had not passed at the last step."""
        leading = self._leading
        return leading is not None and not leading.handing_over and self._session.lease is not None

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""
        return self._session.deadline if self.leading else None

    @property
    def members(self) -> tuple[Member, ...]:
        """The workers that are here, by name: whoever reaches etcd may lead."""
        applied = self._view.applied
        return tuple(
            Member(worker, member, applied if worker == self._me else 0)
            for worker, member in sorted(self._members.items())
        )

    def step(self, event: ElectionEvent, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is no message of this election.
            InvariantViolation: a safety rule was about to be broken; stop the node.
        """
        desk = self._desk
        desk.now = max(desk.now, now)
        desk.effects = []
        # A lease that ran out while this process did not run is given up before anything else.
        self._session.on_time()
        self._take(event)
        self._go_on()
        known = (self.leader, self.epoch)
        if known != self._announced:
            self._announced = known
            desk.effects.append(LeaderChanged(*known, self._why(known[0])))
        self._wake_at = earliest(
            self._session.wake_at,
            self._reader.wake_at,
            self._claim_at(),
            self._leading.wake_at if self._leading is not None else None,
        )
        return desk.effects

    def _take(self, event: ElectionEvent) -> None:
        effects = self._desk.effects
        match event:
            case Told(request, answer):
                self._desk.told(request, answer)
            case Noticed(news):
                self._reader.noticed(news)
            case PayloadReceived(sender, payload):
                self._on_payload(sender, payload)
            case Propose(change):
                if self._leading is not None and self.leading:
                    self._leading.propose(event)
                else:
                    effects.append(ProposalSettled(change, None, NOT_LEADING))
            case ConfirmRead(read):
                if self._leading is not None and self.leading:
                    self._leading.confirm(read)
                else:
                    effects.append(ReadConfirmed(read, confirmed=False))
            case SnapshotTaken():
                if self._leading is not None:
                    self._leading.snapshot_taken(event)
            case StepDown(successor):
                if self._leading is not None:
                    self._leading.hand_over(successor)
            case PeerConnected(peer, member):
                self._on_peer_connected(peer, member)
            case PeerLost(peer, proved_dead):
                self._on_peer_lost(peer, proved_dead)
            case ReplaceMember():
                self._on_replace_member(event)
            case WakeUp() | TimesChanged() | Persisted():
                pass
            case _:
                assert_never(event)

    def _go_on(self) -> None:
        """Whatever follows from where things stand now."""
        self._session.on_time()
        self._reader.on_time()
        self._follow_leader()
        self._line.look(self._session.lease, self._desk.now)
        at = self._claim_at()
        if at is not None and self._desk.now >= at:
            self._claim()
        if self._leading is not None:
            self._leading.go_on()

    def _why(self, leader: WorkerName | None) -> str:
        if leader is None and self._view.problem:
            return self._view.problem
        if leader not in (None, self._me):
            return f"{leader} holds the leader's key in etcd"
        return self._reason

    # Peers

    def _on_peer_connected(self, peer: WorkerName, member: int) -> None:
        self._connected[peer] = member
        self._members[peer] = member
        self._told_leases.pop(peer, None)
        self._line.is_back(peer)
        self._tell(peer)

    def _on_peer_lost(self, peer: WorkerName, proved_dead: bool) -> None:
        self._connected.pop(peer, None)
        if proved_dead:
            lease = self._told_leases.pop(peer, None)
            self._line.is_dead(peer, lease)
            held = self._view.leader
            if held is not None and held.lease == lease:
                self._reason = f"{peer}, which led, is dead"

    def _on_payload(self, sender: WorkerName, payload: bytes) -> None:
        try:
            self._told_leases[sender] = decode_payload(payload).lease
        except msgspec.MsgspecError as error:
            raise MalformedPayload(str(error)) from error

    def _on_replace_member(self, event: ReplaceMember) -> None:
        """Nobody votes, so there is nothing to agree on: the leader only notes who is to go."""
        if not self.leading or self._leading is None:
            self._desk.effects.append(ProposalSettled(event.change, None, NOT_LEADING))
            return
        if event.member is None:
            self._members.pop(event.worker, None)
            if event.worker == self._me:
                self._leading.hand_over(None)
        else:
            self._members[event.worker] = event.member
        self._desk.effects.append(ProposalSettled(event.change, self._view.applied))

    def _tell(self, *peers: WorkerName) -> None:
        """Let peers know this process's lease: on its proved death they end that very one."""
        lease = self._session.lease
        if lease is not None:
            payload = encode_payload(LeaseTold(lease))
            self._desk.effects += [SendPayload(peer, payload) for peer in peers]

    # The session

    def _began(self) -> None:
        lease = self._session.lease
        ensure(lease is not None, "a session begins with a lease")
        assert lease is not None
        self._tell(*sorted(self._connected))
        candidate = msgspec.json.encode(Candidate(self._me, self._settings.priority))
        put = q.Put(candidate_key(self._me), candidate, lease)

        def stood(answer: q.Answer) -> None:
            if isinstance(answer, q.LeaseGone):
                self._session.gone(lease, "etcd has let its lease run out")

        self._desk.ask(q.Transact((), (put,)), stood)

    def _session_ended(self, reason: str) -> None:
        if self._leading is not None:
            self._end(reason)

    def _end(self, reason: str) -> None:
        if self._leading is not None:
            self._reason = reason
            leading, self._leading = self._leading, None
            leading.end()

    # Who leads

    def _learned(self, news: list[Committed | Restored]) -> None:
        self._desk.effects += news

    def _follow_leader(self) -> None:
        """Begin or end leading, as the leader's key says."""
        held, lease = self._view.leader, self._session.lease
        leading = self._leading
        if leading is not None and held is None:
            self._end("the leader's key is gone from etcd")
        elif leading is not None and held is not None and held.epoch != leading.epoch:
            self._end(f"{held.worker} leads in a later epoch")
        elif leading is not None and self._view.problem:
            self._session.give_up(self._view.problem)
        if self._leading is None and held is not None and held.lease == lease:
            if held.epoch <= self._led:
                self._session.give_up("a leadership that has ended does not begin again")
            elif not self._reader.is_current(held.epoch):
                self._reader.read_anew()
            elif not self._view.problem:
                self._reason = "its key is the leader's in etcd"
                self._led = held.epoch
                self._leading = Leading(
                    self._desk,
                    self._settings,
                    self._view,
                    self._me,
                    held.epoch,
                    self._learned,
                    self._deposed,
                )

    def _deposed(self, found: q.KeyValue | None, revision: int) -> None:
        heir = self._leading.heir if self._leading is not None else None
        self._view.saw_leader(found, revision)
        if heir is not None:
            self._view.successor = heir
        self._end("it has handed over" if heir else "its key is not the leader's any more")

    def _claim_at(self) -> int | None:
        """When this worker tries to lead (ns), None while it does not."""
        free = self._line.claim_at
        idle = self._leading is None and not self._claiming and self._session.lease is not None
        if free is None or not idle or not self._reader.has_read or self._view.problem:
            return None
        return max(free, self._claim_backoff.at)

    def _claim(self) -> None:
        """Lead, if nobody does; of one that is certainly dead the lease is ended first."""
        self._claiming = True
        held = self._view.leader
        if held is not None:
            self._desk.ask(q.Revoke(held.lease), lambda answer: self._revoked(held.epoch, answer))
            return
        lease = self._session.lease
        assert lease is not None
        put = q.Put(LEADER, msgspec.json.encode(Holder(self._me)), lease)
        new = q.Get(log_key(self._view.applied + 1), after(LOG))
        question = q.Transact(
            (q.Compare(LEADER, created=0),), (put, q.Get(SNAPSHOT), new), (q.Get(LEADER),)
        )
        self._desk.ask(question, lambda answer: self._claimed(lease, put, answer))

    def _revoked(self, epoch: int, answer: q.Answer) -> None:
        self._claiming = False
        if not isinstance(answer, q.Revoked | q.LeaseGone):
            self._claim_backoff.failed(self._desk.now)
            return
        self._claim_backoff.succeeded()
        self._view.leader_gone(epoch)

    def _claimed(self, lease: int, put: q.Put, answer: q.Answer) -> None:
        self._claiming = False
        if isinstance(answer, q.LeaseGone):
            self._session.gone(lease, "etcd has let its lease run out")
            return
        if not isinstance(answer, q.Transacted):
            self._claim_backoff.failed(self._desk.now)
            return
        self._claim_backoff.succeeded()
        if not answer.succeeded:
            (found,) = answer.got
            self._view.saw_leader(found[0] if found else None, answer.revision)
            return
        head, entries = answer.got
        at = answer.revision
        self._view.saw_leader(q.KeyValue(put.key, put.value, at, at, lease), at)
        if head and head[0].modified != self._view.head_revision:
            return  # there may be a snapshot in place of what is missing here: all is read anew
        self._learned(self._view.add(entries))
        if not self._view.has_gap:
            self._reader.current_at = max(self._reader.current_at, at)
