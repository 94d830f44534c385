"""Election by a ZooKeeper ensemble, as a pure state machine behind the election's contract.

Each worker stands in a line with an ephemeral, sequential node, and watches the one before it.
Whoever comes first when nobody leads writes itself into the *breadcrumb*, a node that stays: in one
transaction that holds only while the breadcrumb is as it was and its own node is there. The zxid of
that transaction is the epoch. Everything else that a leader writes is guarded by the breadcrumb's
version and its node in the line. A leader stops by its own clock before its session can have run
out. When a leader's *process* is proved dead, the next one's claim deletes exactly the node of that
process, and does not wait for its session to run out.

Guaranteed, while the ensemble keeps what it acknowledged: one leader per epoch, epochs that rise,
changes in the same order everywhere, no acknowledged change lost, none acknowledged by a deposed
leader.

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); a right deadline where clocks run at very different rates; the
deadline's relation to another's claim where a person deletes nodes of the line.

Source: ZooKeeper's recipe "Leader Election"; the breadcrumb is that of HDFS'
ActiveStandbyElector. Differs from the recipe: the winner writes, so its epoch is newer than every
earlier leadership's; priorities come before arrival.
"""

from random import Random
from typing import assert_never, cast

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.time import earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.script import Script, follow
from interrex.elections.guarantees import ZOOKEEPER, Guarantees
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
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.leading import Leading
from interrex.elections.zookeeper.line import Line
from interrex.elections.zookeeper.nodes import ACTIVE, LINE, TIP, Crumb, place_of, place_prefix
from interrex.elections.zookeeper.payload import SessionTold, decode_payload, encode_payload
from interrex.elections.zookeeper.reader import Reader
from interrex.elections.zookeeper.settings import ZooKeeperSettings

NOT_LEADING = "this worker does not lead"


class ZooKeeper:
    """One worker of an election by ZooKeeper. Implements ``elections.interface.Election``."""

    def __init__(
        self, worker: WorkerName, member: int, settings: ZooKeeperSettings, random: Random
    ) -> None:
        """Begins without a session: its client says when there is one.

        Args:
            worker: this worker's name; nobody else has it at the same time.
            member: its member id, for people only: nobody votes.
            settings: times and sizes.
            random: for GUIDs and delays; only ``getrandbits`` is used.
        """
        self._me = worker
        self._settings = settings
        self._desk: Desk[q.Answer] = Desk(random)
        self._reader = Reader(self._desk, settings, self._learned)
        self._line = Line(worker, settings)
        self._session: q.Connected | None = None
        self._connected = False
        self._deadline = 0
        self._guid = ""
        self._node = ""
        """This worker's node in the line; empty while it has none."""
        self._is_standing_up = False
        self._looking = False
        self._must_look = True
        self._look_at = 0
        self._claiming = False
        self._backoff = Backoff(settings.first_retry, settings.last_retry, random)
        self._members: dict[WorkerName, int] = {worker: member}
        self._peers: dict[WorkerName, int] = {}
        self._told_nodes: dict[WorkerName, str] = {}
        self._leading: Leading | None = None
        self._led = 0
        """The last epoch in which this worker led."""
        self._claimed_at = 0
        self._wake_at: int | None = 0
        self._announced: tuple[WorkerName | None, int] = (None, 0)
        self._reason = "it has just started"

    @property
    def guarantees(self) -> Guarantees:
        """What an election by ZooKeeper promises."""
        return ZOOKEEPER

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns), None for never."""
        return self._wake_at

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows; nobody while ZooKeeper does not answer."""
        if self._leading is not None:
            return self._me if self.leading else None
        crumb = self._line.crumb
        if crumb is None or not self._connected or self._line.is_vacant or crumb.worker == self._me:
            return None
        return crumb.worker

    @property
    def epoch(self) -> int:
        """The newest epoch this worker has seen."""
        return self._line.epoch

    @property
    def leading(self) -> bool:
        """Whether this worker leads, and its deadline had not passed at the last step."""
        leading = self._leading
        in_time = self._desk.now < self._deadline
        return leading is not None and not leading.handing_over and in_time

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""
        return self._deadline if self.leading else None

    @property
    def members(self) -> tuple[Member, ...]:
        """The workers that are here, by name: whoever reaches ZooKeeper may lead."""
        applied = self._reader.applied
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
        self._keep_deadline()
        self._take(event)
        self._go_on()
        known = (self.leader, self.epoch)
        if known != self._announced:
            self._announced = known
            desk.effects.append(LeaderChanged(*known, self._why(known[0])))
        self._wake_at = self._next()
        return desk.effects

    def _next(self) -> int | None:
        leading = self._leading
        if leading is not None:
            return earliest(self._deadline, leading.wake_at, self._reader.wake_at)
        if not self._connected:
            return None
        look = self._backoff.at if self._must_look or not self._node else self._look_at
        return earliest(
            None if self._looking or self._is_standing_up else look,
            self._claim_at(),
            self._reader.wake_at,
        )

    def _take(self, event: ElectionEvent) -> None:
        effects = self._desk.effects
        match event:
            case Told(request, answer):
                self._desk.told(request, answer)
            case Noticed(news):
                self._on_news(cast(q.News, news))
            case PayloadReceived(sender, payload):
                try:
                    self._told_nodes[sender] = decode_payload(payload).node
                except msgspec.MsgspecError as error:
                    raise MalformedPayload(str(error)) from error
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
                self._peers[peer] = self._members[peer] = member
                self._told_nodes.pop(peer, None)
                self._tell(peer)
            case PeerLost(peer, proved_dead):
                self._peers.pop(peer, None)
                node = self._told_nodes.pop(peer, "") if proved_dead else ""
                if node:
                    self._line.is_dead(node)
            case ReplaceMember():
                self._on_replace_member(event)
            case WakeUp() | TimesChanged() | Persisted():
                pass
            case _:
                assert_never(event)

    def _go_on(self) -> None:
        """Whatever follows from where things stand now."""
        now = self._desk.now
        if self._connected:
            if not self._node:
                self._stand_up()
            due = self._must_look or now >= self._look_at
            if due and not self._looking and self._backoff.is_due(now):
                self._looking, self._must_look = True, False
                self._look_at = now + self._settings.look_every
                follow(self._desk, self._look(self._node))
            self._reader.on_time()
            self._begin()
            self._line.look(self._node, now)
            at = self._claim_at()
            if at is not None and now >= at:
                self._claim()
        if self._leading is not None:
            self._leading.go_on()

    def _why(self, leader: WorkerName | None) -> str:
        if leader is None and self._reader.problem:
            return self._reader.problem
        if leader not in (None, self._me):
            return f"{leader} is the active one in ZooKeeper"
        return self._reason

    def _tell(self, *peers: WorkerName) -> None:
        """Let peers know this process's node: on its proved death they delete that very one."""
        if self._session is not None and self._node:
            payload = encode_payload(SessionTold(self._session.session, self._node))
            self._desk.effects += [SendPayload(peer, payload) for peer in peers]

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
        self._desk.effects.append(ProposalSettled(event.change, self._reader.applied))

    # The session

    def _on_news(self, news: q.News) -> None:
        match news:
            case q.Connected(session):
                if self._session is None or self._session.session != session:
                    self._end("its session with ZooKeeper has ended")
                    self._node = ""
                    self._guid = f"{self._desk.random.getrandbits(64):016x}"
                self._session, self._connected = news, True
                self._must_look = True
                self._reader.read()
            case q.Suspended():
                self._connected = False
            case q.Lost():
                self._connected = False
                self._session = None
                self._node = ""
                self._end("its session with ZooKeeper has ended")
            case q.Fired(path):
                if path != TIP:
                    self._must_look = True
                elif self._leading is None:
                    self._reader.read()
            case _:
                assert_never(news)

    def _keep_deadline(self) -> None:
        """The holder stops by its own clock, whatever its client says or does not say."""
        if self._leading is not None and self._desk.now >= self._deadline:
            self._end("ZooKeeper has not confirmed its session in time")
            self._desk.ask(q.Reset(), lambda answer: None)

    def _renewed(self, asked: int) -> None:
        if self._session is not None:
            believed = self._settings.believed(self._session.granted_ms)
            self._deadline = max(self._deadline, asked + believed)

    def _stand_up(self) -> None:
        """Take a place in the line; whether an attempt was done its GUID tells."""
        if self._is_standing_up or not self._backoff.is_due(self._desk.now):
            return
        self._is_standing_up = True
        follow(self._desk, self._standing_up(self._guid))

    def _standing_up(self, guid: str) -> Script[q.Answer]:
        _, names = yield (q.Sync(), q.List(LINE))
        node = ""
        if isinstance(names, q.Names):
            mine = [place for name in names.names if (place := place_of(name)) is not None]
            node = next((place.node for place in mine if place.guid == guid), "")
            if not node:
                prefix = place_prefix(self._me, self._settings.priority, guid)
                create = q.Create(prefix, b"", ephemeral=True, sequential=True)
                (made,) = yield (q.Transact((create,)),)
                node = made.created[0] if isinstance(made, q.Transacted) else ""
        self._is_standing_up = False
        if guid != self._guid:
            return
        if not node:
            self._backoff.failed(self._desk.now)
            return
        self._backoff.succeeded()
        self._node = node
        self._must_look = True
        self._tell(*sorted(self._peers))

    # Who leads

    def _learned(self, news: list[Committed | Restored]) -> None:
        self._desk.effects += news

    def _look(self, node: str) -> Script[q.Answer]:
        """Read the breadcrumb and the line, and watch who stands before this worker."""
        _, active, names = yield (q.Sync(), q.Read(ACTIVE, watch=True), q.List(LINE))
        if not isinstance(active, q.Found) or not isinstance(names, q.Names):
            self._looking, self._must_look = False, True
            self._backoff.failed(self._desk.now)
            return
        places = [place for name in names.names if (place := place_of(name)) is not None]
        self._line.saw(places, active)
        before = self._line.before(node)
        if before:
            (found,) = yield (q.Read(before, watch=True),)
            if not isinstance(found, q.Found):
                self._must_look = True
        self._looking = False

    def _begin(self) -> None:
        """Lead once the breadcrumb names this worker's node and the log before it is read."""
        crumb, stat, session = self._line.crumb, self._line.stat, self._session
        if self._leading is not None:
            if stat.modified != self._leading.epoch:
                self._end("another is the active one")
            return
        if crumb is None or session is None or crumb.released or crumb.node != self._node:
            return
        if not self._node or stat.modified <= self._led:
            return
        if self._reader.read_for < stat.modified:
            if self._reader.wanted_for < stat.modified:
                self._reader.read(stat.modified)
            return
        if self._reader.problem:
            return
        if self._desk.now >= self._deadline:
            self._confirm()
            return
        self._led = stat.modified
        self._reason = "it is the active one in ZooKeeper"
        self._leading = Leading(
            self._desk,
            self._settings,
            self._reader,
            crumb,
            stat,
            session.granted_ms,
            self._renewed,
            self._deposed,
        )

    def _confirm(self) -> None:
        """That the claim was done only the breadcrumb has said: the ensemble has to say it too."""
        if self._claiming or not self._backoff.is_due(self._desk.now):
            return
        self._claiming = True
        asked = self._desk.now
        guards = (q.Check(ACTIVE, self._line.stat.version), q.Check(self._node, 0))

        def confirmed(answer: q.Answer) -> None:
            self._claiming = False
            if isinstance(answer, q.Transacted):
                self._renewed(asked)
            else:
                self._must_look = True
                self._backoff.failed(self._desk.now)

        self._desk.ask(q.Transact(guards), confirmed)

    def _deposed(self, reason: str) -> None:
        leading = self._leading
        if leading is not None and leading.heir is not None:
            self._line.hands_over(leading.heir)
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self._leading is not None:
            self._reason = reason
            leading, self._leading = self._leading, None
            leading.end()
            self._must_look = True
            self._reader.read()

    def _claim_at(self) -> int | None:
        """When this worker tries to lead (ns), None while it does not."""
        free = self._line.claim_at
        idle = self._leading is None and not self._claiming and self._connected
        if free is None or not idle or not self._node or self._reader.problem:
            return None
        return max(free, self._backoff.at)

    def _claim(self) -> None:
        """Write this worker into the breadcrumb; the node of one that is certainly dead goes."""
        session = self._session
        assert session is not None
        self._claiming = True
        crumb = Crumb(worker=self._me, node=self._node, session=session.session)
        dead = self._line.dead_leader
        operations: tuple[q.Operation, ...] = (
            q.Check(self._node, 0),
            q.Write(ACTIVE, msgspec.json.encode(crumb), self._line.stat.version),
        )
        if dead:
            operations = (*operations, q.Remove(dead, 0))
        asked = self._desk.now
        self._desk.ask(q.Transact(operations), lambda answer: self._claimed(asked, crumb, answer))

    def _claimed(self, asked: int, crumb: Crumb, answer: q.Answer) -> None:
        self._claiming = False
        if crumb.node != self._node:
            return
        if isinstance(answer, q.Transacted):
            self._backoff.succeeded()
            self._renewed(asked)
            self._line.won(crumb, answer.written[0])
            return
        self._must_look = True  # whether it was done the breadcrumb says
        if isinstance(answer, q.NotHeld) and answer.at == 0:
            self._node = ""
        self._line.unsure()
        self._backoff.failed(self._desk.now)
