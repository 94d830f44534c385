"""What both coordinated elections do behind the election's contract, whatever the service.

Source: ``interrex.elections.interface``. A subclass knows how a session is kept, how the log is
read and which transaction makes a leader.
"""

from abc import ABC, abstractmethod
from random import Random
from typing import Generic, TypeVar, assert_never

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.candidacy import Candidacy, Rival, Who
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.fencing import Fencing
from interrex.elections.coordinated.leading import Leading
from interrex.elections.coordinated.line import Line
from interrex.elections.coordinated.log import Log
from interrex.elections.coordinated.memory import Memory
from interrex.elections.coordinated.payload import (
    MarkTold,
    Raise,
    Raised,
    Remembered,
    decode_payload,
    encode_payload,
)
from interrex.elections.coordinated.script import Script, follow
from interrex.elections.coordinated.settings import CoordinatedSettings
from interrex.elections.guarantees import Guarantees
from interrex.elections.interface import (
    NOTHING_LOST,
    BeginAnew,
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    EpochObeyed,
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
    SendPayload,
    SnapshotTaken,
    StepDown,
    TakeSnapshot,
    TimesChanged,
    Told,
    WakeUp,
)

Answer = TypeVar("Answer")

NOT_LEADING = "this worker does not lead"


class CoordinatedElection(ABC, Generic[Answer]):
    """One worker of a coordinated election. Implements ``elections.interface.Election``."""

    guarantees: Guarantees
    """What the election promises."""

    _holds: str
    """What is said of somebody else who leads, behind its name."""

    _way_out: str
    """What a person can do where the service lacks what it acknowledged."""

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        settings: CoordinatedSettings,
        random: Random,
        who: str = "",
        stored: Stored | None = None,
    ) -> None:
        """Begins with nothing asked: the first ``step`` is due at once.

        Args:
            worker: this worker's name; nobody else has it at the same time.
            member: its member id, for people only: nobody votes.
            settings: times and sizes.
            random: for ids and delays; only ``getrandbits`` is used.
            who: makes it a candidate only when ``Candidacy`` says so, and only if nobody else has
                its name: which process it is, for people.
            stored: what its disk holds; None: it keeps nothing there.
        """
        self._me = worker
        self._desk = self._new_desk(random)
        self._memory = Memory(self._desk, stored)
        self._log = Log(self._desk, self._memory)
        self._members: dict[WorkerName, int] = {worker: member}
        self._connected: set[WorkerName] = set()
        self._marks: dict[WorkerName, str] = {}
        """What the connected peers have told of their processes."""
        self._wanted = Candidacy(stands=not who)
        self._rival = Rival()
        self._fencing = Fencing(self._desk, settings.fence_patience)
        self._leading: Leading[Answer] | None = None
        self._led = 0
        """The last epoch in which this worker led."""
        self._claiming = False
        self._begins_anew = False
        self._knew_of_loss = False
        self._backoff = Backoff(settings.first_retry, settings.last_retry, random)
        self.wake_at: int | None = 0
        """When to send ``WakeUp`` (ns), None for never."""
        self._announced: tuple[WorkerName | None, int] = (None, 0)
        self._reason = "it has just started"

    # What the service's own words are for

    def _new_desk(self, random: Random) -> Desk[Answer]:
        """Where the service is asked."""
        return Desk(random)

    @property
    @abstractmethod
    def _unserved(self) -> str:
        """Why the service cannot be asked, for people, while it is not served."""

    @property
    @abstractmethod
    def epoch(self) -> int:
        """The newest epoch this worker has seen."""

    @property
    @abstractmethod
    def _line(self) -> Line:
        """Who comes next."""

    @property
    @abstractmethod
    def _is_served(self) -> bool:
        """Whether the service answers, so that what was seen of the leader counts."""

    @property
    @abstractmethod
    def _trusted_until(self) -> int:
        """Until when (ns) a leader may believe in itself unless renewed."""

    @property
    @abstractmethod
    def _mark(self) -> str:
        """What this process has at the service and no other ever has; empty while it has none."""

    @property
    @abstractmethod
    def _can_claim(self) -> bool:
        """Whether enough is known, and stands at the service, to try to lead."""

    @abstractmethod
    def _keep_time(self) -> None:
        """Give up, before anything else, what ran out while this process did not run."""

    @abstractmethod
    def _noticed(self, news: msgspec.Struct) -> None:
        """Take what the service's client says by itself."""

    @abstractmethod
    def _look(self) -> None:
        """Keep session and reading current, and begin or end leading as they say."""

    @abstractmethod
    def _read_anew(self) -> None:
        """Look at what stands there again: there should be more than was read."""

    @property
    def _lost(self) -> str:
        """What is gone of what was acknowledged; empty where nothing is."""
        return self._log.problem

    @property
    def _problem(self) -> str:
        """Why nobody may lead by what stands there; empty where nothing is wrong with it."""
        return self._lost

    @abstractmethod
    def _beginning_anew(self, taken: SnapshotTaken) -> Script[Answer]:
        """Put this in place of what stands there; where that is not done all is as before."""

    @property
    def _refusal(self) -> str:
        """What the service lets nobody do here, and what to do about it; empty where nothing is."""
        return "" if self._leading is None else self._leading.trouble

    @abstractmethod
    def _claim(self) -> None:
        """Try to lead; of one that is certainly dead what makes it the leader is ended."""

    @abstractmethod
    def _next_wake(self) -> int | None:
        """When to send ``WakeUp`` (ns)."""

    @property
    @abstractmethod
    def _has_place(self) -> bool:
        """Whether this worker is seen to stand, or may be."""

    @property
    @abstractmethod
    def session(self) -> int:
        """For how long (ns) a leader believes in itself unrenewed; 0 while that is not known, or
        not who leads."""

    # For members that are not always candidates

    @property
    def candidates(self) -> list[WorkerName]:
        """Who stands and does not lead, as far as was read; first the one who goes first."""
        holder = self._line.holder
        return [one for one in self._line.order() if holder is None or one != holder.worker]

    @property
    def rival(self) -> Who | None:
        """Who has this member's name, where another certainly has it."""
        return self._rival.who

    @property
    def is_settled(self) -> bool:
        """Whether nothing of this member's is left at the service that others wait for."""
        return self._leading is None and not self._wanted.stands and not self._has_place

    # The contract

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as this worker knows; nobody while the service does not answer."""
        if self._leading is not None:
            return self._me if self.leading else None
        holder = self._line.holder
        if holder is None or not self._is_served or self._line.is_vacant or self._problem:
            return None
        return None if holder.worker == self._me else holder.worker

    @property
    def hindrance(self) -> str:
        """Why nobody can lead, as far as is known here, and what to do."""
        return self.obstacle if self._is_served else self._unserved

    @property
    def obstacle(self) -> str:
        """Why no change can be made before somebody acts, also by a leader, and what to do."""
        if not self._is_served:
            return ""
        if self._lost:
            return f"{self._lost}; {self._way_out}"
        return self._problem or self._refusal

    @property
    def objection(self) -> str:
        """Why the log cannot be begun anew from what this worker knows, and what can be done;
        ``NOTHING_LOST`` where it need not be, empty where it can."""
        known, acknowledged = self._log.applied, self._memory.index
        if not self._is_served:
            return self._unserved
        if not self._lost:
            return NOTHING_LOST
        if known < acknowledged:
            return (
                f"{self._me} knows {known} of {acknowledged} changes: who has run since before "
                "they were lost knows more"
            )
        return ""

    @property
    def leading(self) -> bool:
        """Whether this worker leads, and its deadline had not passed at the last step."""
        leading = self._leading
        if leading is None or leading.handing_over:
            return False
        return self._desk.now < self._trusted_until

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""
        return self._trusted_until if self.leading else None

    @property
    def members(self) -> tuple[Member, ...]:
        """The workers that are here, by name: whoever reaches the service may lead."""
        applied = self._log.applied
        return tuple(
            Member(worker, member, applied if worker == self._me else 0)
            for worker, member in sorted(self._members.items())
        )

    def step(self, event: ElectionEvent | Candidacy, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order.

        Raises:
            MalformedPayload: the payload is no message of this election.
            InvariantViolation: a safety rule was about to be broken; stop the node.
        """
        desk = self._desk
        desk.now = max(desk.now, now)
        desk.effects = []
        self._keep_time()
        self._take(event)
        self._look()
        at = self._claim_at()
        if at is not None and desk.now >= at:
            self._claim()
        if self._leading is not None:
            if not self._wanted.stands:
                self._leading.hand_over(self._wanted.successor)
            self._leading.go_on()
        self._tell_of_loss()
        known = (self.leader, self.epoch)
        if known != self._announced:
            self._announced = known
            desk.effects.append(LeaderChanged(*known, self._why(known[0])))
        self._memory.saw_epoch(self.epoch)
        self._memory.keep()
        self.wake_at = self._next_wake()
        return desk.effects

    def _take(self, event: ElectionEvent | Candidacy) -> None:
        effects = self._desk.effects
        leading = self._leading if self.leading else None
        match event:
            case Told(request, answer):
                self._desk.told(request, answer)
            case Noticed(news):
                self._noticed(news)
            case PayloadReceived(sender, payload):
                self._on_payload(sender, payload)
            case Propose(change):
                if leading is not None:
                    leading.propose(event)
                else:
                    effects.append(ProposalSettled(change, None, NOT_LEADING))
            case ConfirmRead(read):
                if leading is not None:
                    leading.confirm(read)
                else:
                    effects.append(ReadConfirmed(read, confirmed=False))
            case SnapshotTaken():
                if self._leading is not None:
                    self._leading.snapshot_taken(event)
                elif self._begins_anew:
                    follow(self._desk, self._begin_anew(event))
            case BeginAnew():
                if not self.objection and not self._begins_anew:
                    self._begins_anew = True
                    effects.append(TakeSnapshot(self._log.applied))
            case StepDown(successor):
                if leading is not None and successor != self._me:
                    leading.hand_over(successor)
            case PeerConnected(peer, member):
                self._on_peer_connected(peer, member)
            case PeerLost(peer, proved_dead):
                self._on_peer_lost(peer, proved_dead)
            case ReplaceMember():
                self._on_replace_member(event)
            case Candidacy():
                self._wanted = event
            case Persisted(token):
                self._fencing.persisted(token)
                self._memory.persisted(token)
            case WakeUp() | TimesChanged() | EpochObeyed():
                pass
            case _:
                assert_never(event)

    def _begin_anew(self, taken: SnapshotTaken) -> Script[Answer]:
        yield from self._beginning_anew(taken)
        self._begins_anew = False
        self._read_anew()

    def _why(self, leader: WorkerName | None) -> str:
        if leader is None and self._problem:
            return self._problem
        if leader not in (None, self._me):
            return f"{leader} {self._holds}"
        return self._reason

    # Peers

    def _on_peer_connected(self, peer: WorkerName, member: int) -> None:
        self._connected.add(peer)
        self._members[peer] = member
        self._marks.pop(peer, None)
        self._tell(peer)
        self._tell_what_is_remembered(peer)
        self._fencing.joined(peer, self.epoch)

    def _on_peer_lost(self, peer: WorkerName, proved_dead: bool) -> None:
        self._connected.discard(peer)
        self._fencing.left(peer)
        mark = self._marks.pop(peer, "") if proved_dead else ""
        if mark:
            holder = self._line.holder
            self._line.is_dead(mark)
            if holder is not None and holder.mark == mark:
                self._reason = f"{peer}, which led, is dead"

    def _on_payload(self, sender: WorkerName, payload: bytes) -> None:
        try:
            message = decode_payload(payload)
        except msgspec.MsgspecError as error:
            raise MalformedPayload(str(error)) from error
        match message:
            case MarkTold(mark):
                self._marks[sender] = mark
            case Raise(epoch):
                self._fencing.asked(sender, epoch)
            case Raised(epoch):
                self._fencing.raised(sender, epoch)
            case Remembered(index, epoch):
                self._memory.told(index, epoch)
                if index > self._log.applied or epoch > self.epoch:
                    self._read_anew()
            case _:
                assert_never(message)

    def _tell(self, *peers: WorkerName) -> None:
        """Let peers know this process's mark: on its proved death they end that very one."""
        if self._mark:
            for peer in peers:
                self._send(peer, MarkTold(self._mark))

    def _tell_what_is_remembered(self, *peers: WorkerName) -> None:
        memory = self._memory
        if memory.index or memory.epoch:
            for peer in peers:
                self._send(peer, Remembered(memory.index, memory.epoch))

    def _tell_of_loss(self) -> None:
        """Who may be asked to begin anew has to know of all that anybody remembers."""
        if self._lost and not self._knew_of_loss:
            self._tell_what_is_remembered(*sorted(self._connected))
        self._knew_of_loss = bool(self._lost)

    def _send(self, to: WorkerName, message: MarkTold | Remembered) -> None:
        self._desk.effects.append(SendPayload(to, encode_payload(message)))

    def _tell_all(self) -> None:
        self._tell(*sorted(self._connected))

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
        self._desk.effects.append(ProposalSettled(event.change, self._log.applied))

    # Leading

    def _begin(self, leading: Leading[Answer], reason: str) -> None:
        self._leading = leading
        self._led = self._log.above + leading.epoch
        self._reason = reason

    def _end(self, reason: str) -> None:
        """Lead no more."""
        if self._leading is not None:
            self._reason = reason
            leading, self._leading = self._leading, None
            leading.end()
            self._fencing.over()

    def _claim_at(self) -> int | None:
        """When this worker tries to lead (ns), None while it does not."""
        free = self._line.claim_at
        is_idle = self._leading is None and not self._claiming and self._can_claim
        if free is None or not is_idle or self._problem:
            return None
        return max(free, self._backoff.at)
