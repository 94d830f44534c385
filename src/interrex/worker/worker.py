"""A worker: an election, the supervision of its replicas and, while it leads, the leader's mind.

One pure state machine: ``step(event, now)`` returns effects, ``wake_at`` says when to send
``WakeUp``. The runtime and the simulator construct this very class.
"""

from random import Random
from typing import assert_never

import msgspec

from interrex.core.errors import ensure
from interrex.core.ids import HostName, WorkerName
from interrex.core.journal import Note
from interrex.core.messages import (
    Alive,
    Assignment,
    Command,
    Dismiss,
    ElectionMail,
    Founded,
    HandOver,
    KillWorker,
    Known,
    LaunchWorker,
    Report,
    Routes,
    Submit,
    Submitted,
    decode,
)
from interrex.core.replicas import SlotAssignment
from interrex.core.state import (
    ClusterState,
    apply,
    decode_change,
    decode_state,
    encode_change,
    encode_state,
)
from interrex.core.storage import Record, Stored
from interrex.core.time import S, earliest, is_due, seconds
from interrex.elections import interface as election_interface
from interrex.elections.interface import (
    Ask,
    ChangesLost,
    Committed,
    Election,
    ElectionEvent,
    EpochObeyed,
    LeaderChanged,
    MalformedPayload,
    Noticed,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persist,
    Persisted,
    ProposalSettled,
    Propose,
    RaiseEpoch,
    ReadConfirmed,
    ReplaceMember,
    Restored,
    SendPayload,
    SnapshotTaken,
    StepDown,
    TakeSnapshot,
    TimesChanged,
    Told,
)
from interrex.elections.registry import times_problem
from interrex.orchestration.fleet import Fleet
from interrex.orchestration.healing import Remedy
from interrex.orchestration.leader import Give, GrantVote, ProposeChange, vote_change
from interrex.supervision import interface as supervision_interface
from interrex.supervision.host import Supervisor
from interrex.supervision.lateness import GRAIN, Lateness
from interrex.worker.acquaintances import Acquaintances
from interrex.worker.balancers import Balancers
from interrex.worker.founding import Founding
from interrex.worker.gate import EpochGate
from interrex.worker.interface import (
    Answer,
    BeginAnewAsked,
    ChangeAsked,
    Disconnect,
    DiskFull,
    EndWorker,
    HandOverAsked,
    Introduced,
    Leave,
    LeaveAsked,
    MessageReceived,
    NotKnown,
    PeerJoined,
    PeerLeft,
    ReadAsked,
    RoutesFollowed,
    Send,
    Started,
    StartWorker,
    UserRequest,
    WakeUp,
    WorkerEffect,
    WorkerEvent,
)
from interrex.worker.leaving import Leaving
from interrex.worker.looks import Looks
from interrex.worker.losses import losses
from interrex.worker.obstacles import Obstacles
from interrex.worker.oversight import Heal, Oversight
from interrex.worker.peers import News, Peers, pulse
from interrex.worker.probation import Probation
from interrex.worker.refusals import Refusals
from interrex.worker.reporting import Reporter
from interrex.worker.requests import Requests


class Worker:
    """One worker of a cluster.

    Args:
        me: its name; ``host`` where it runs; ``member`` the identity under which its log votes;
            ``pid`` its process, for people.
        state: the genesis state; the stored snapshot and log bring it forward.
        stored: what its disk holds.
        election: the election core, made from the same ``stored``.
        random: the only source of chance.
        now: ns.
        probation: what is known of the founding, where several hosts make the cluster.
        kept: what this host's workers last had kept of whom there is.
    """

    def __init__(
        self,
        me: WorkerName,
        host: HostName,
        member: int,
        pid: int,
        state: ClusterState,
        stored: Stored,
        election: Election,
        random: Random,
        now: int,
        probation: Probation | None = None,
        kept: Known | None = None,
    ) -> None:
        self.me = me
        self.host = host
        self.pid = pid
        self.state = state
        self.election = election
        self._lateness = Lateness()
        self.supervisor = Supervisor(random, self._lateness)
        self.peers = Peers(me, host, member, now)
        self.acquaintances = Acquaintances(state.spec, stored, kept)
        self._refusals = Refusals(me)
        self._gate = EpochGate(stored.facts)
        self._reporter = Reporter(now)
        self._balancers = Balancers(self._reporter.change)
        self.obstacles = Obstacles(election, self.peers)
        self._requests = Requests(me, election, self._elect, self._emit, self.obstacles)
        self._disk_full = False
        self._timing = state.spec.timing
        self._pulse = pulse(self._timing)
        self.oversight = Oversight(me, host, election, self._timing)
        self._leaving: Leaving | None = None
        self.founding = Founding(probation, self._elect, self._emit, self._persist)
        self._effects: list[WorkerEffect] = []
        self._now = now
        self._last_step = now
        self._token = 0
        self._election_tokens: dict[int, int] = {}
        self._looks = Looks()
        self.wake_at = self._next_wake_up()
        """When to send ``WakeUp`` (ns), None for never."""

    @property
    def epoch(self) -> int:
        """The newest epoch this worker has seen."""
        return max(self.election.epoch, self._gate.highest)

    @property
    def leaving(self) -> bool:
        """Whether this worker is being taken down."""
        return self._leaving is not None

    def fleet(self) -> Fleet:
        """Everybody, as seen from here."""
        members = self.election.members
        needed = self.acquaintances.needed(self.state, members, self.host)
        return self.peers.fleet(needed, members)

    def _next_wake_up(self) -> int | None:
        return earliest(
            None if self.founding.waits else self.election.wake_at,
            self.supervisor.wake_at,
            self._requests.wake_at if self._requests.open else None,
            self._looks.wake_at,
            self._reporter.wake_at,
            self._leaving.wake_at if self._leaving is not None else None,
        )

    def step(self, event: WorkerEvent, now: int) -> list[WorkerEffect]:
        """Take one event at time ``now`` (ns on the boot-time clock); perform the effects in order.

        Raises:
            InvariantViolation: a safety rule was about to be broken; stop the process.
        """
        absent = now - self._last_step
        ensure(absent >= 0, "time does not run backwards")
        self._effects = []
        if absent > GRAIN:
            if absent > 2 * self._pulse:
                self.peers.forgive_silence(now)
                self.oversight.missed(now, now)
            if self.wake_at is not None and now - self.wake_at > GRAIN:
                self._notice_lateness(now)
        self._now = self._last_step = now
        self._dispatch(event)
        self._follow_up()
        self.wake_at = self._next_wake_up()
        return self._effects

    def _notice_lateness(self, now: int) -> None:
        lost = self._lateness.observe(self.wake_at, self._last_step, now)
        if lost:
            self.peers.forgive_absence(lost, now)
            self.oversight.missed(lost, now)
            untold = self._lateness.news(now)
            if untold:
                text = f"{self.me} was not run for {untold / S:.1f} s when it had to: its host is "
                self._note("worker.starved", text + "overloaded, or it was paused", worker=self.me)

    def _dispatch(self, event: WorkerEvent) -> None:
        match event:
            case MessageReceived():
                self._on_message(event)
            case WakeUp():
                self._on_wake_up()
            case Started():
                self._tell_what_was_obeyed()
                if self._gate.assignment is not None:
                    self._obey(self._gate.assignment, confirmed=False)
                self.founding.go_on()
            case PeerJoined():
                self._on_peer_joined(event)
            case PeerLeft():
                self._on_peer_left(event)
            case Persisted():
                self._on_persisted(event)
            case Told() | Noticed():
                self._elect(event)
            case DiskFull():
                self._disk_full = True
                self._reporter.change()
            case NotKnown():
                if self._refusals.are_enough(event, self.state, self._now):
                    self._effects.append(Leave("the cluster no longer knows this worker", True))
            case Introduced():
                self.acquaintances.introduced(event, self.state)
            case RoutesFollowed():
                self._effects += self._balancers.notes(event)
                self._balancers.followed(event, self._now)
                self._looks.changed = True  # and what has changed meanwhile is told
            case ChangeAsked() | ReadAsked() | HandOverAsked() | BeginAnewAsked() | LeaveAsked():
                self._on_request(event)
            case _:
                self._supervise(event)

    def _on_wake_up(self) -> None:
        if is_due(self.election.wake_at, self._now):
            self._elect(election_interface.WakeUp())
        if is_due(self.supervisor.wake_at, self._now):
            self._supervise(supervision_interface.WakeUp())
        if self._requests.open:
            self._requests.expire(self._now)

    def _on_peer_joined(self, event: PeerJoined) -> None:
        self.peers.joined(event.peer, event.host, event.member, self._now)
        self._looks.changed = True
        self.founding.joined(event.peer)
        self._elect(PeerConnected(event.peer, event.member))
        self._requests.connected(event.peer)
        if self._reporter.latest is not None:
            self._effects.append(Send(event.peer, self._reporter.latest))
        self._effects += self.acquaintances.tell(event.peer, self.state)

    def _on_peer_left(self, event: PeerLeft) -> None:
        was_connected = self.peers.left(event.peer, self._now)
        self._refusals.lost(event.peer)
        self._looks.changed = True
        self._tell_supervision()
        self._elect(PeerLost(event.peer, event.proved_dead))
        if event.proved_dead and self._reporter.latest is not None:
            # It wakes those whose own proof waits for a CPU that the dying process is using.
            self._effects.append(Send(None, Alive(self._reporter.latest.version)))
        lead = self.oversight.lead
        if lead is not None:
            lead.worker_lost(event.peer)
            if was_connected and not self.leaving:
                how = "is dead" if event.proved_dead else "is disconnected"
                self._note("worker.lost", f"{event.peer} {how}", worker=event.peer)

    def _on_message(self, event: MessageReceived) -> None:
        sender = event.sender
        try:
            message = decode(event.payload)
            self.peers.heard(sender, self._now)
            match message:
                case ElectionMail():
                    self._elect(PayloadReceived(sender, message.payload))
                case Report():
                    if self._take_report(sender, message) is News.REPLICAS:
                        self._tell_supervision()
                case Alive():
                    pass
                case Assignment() | Routes() | LaunchWorker() | KillWorker() | Dismiss():
                    self._on_command(sender, message)
                case Submit():
                    self._requests.submit(sender, message, self.state, self._now)
                case Submitted():
                    self._requests.submitted(message, self._now)
                case Known():
                    self.acquaintances.heard(message, self.state)
                    self.founding.named(self.acquaintances.named(self.state))
                    self._refusals.told(sender, message)
                case Founded():
                    self.founding.heard(sender, message)
                case HandOver():
                    self._elect(StepDown(message.successor))
                case _:
                    assert_never(message)
        except (msgspec.MsgspecError, MalformedPayload) as error:
            self._effects.append(Disconnect(sender, f"not a message: {error}"))

    def _take_report(self, sender: WorkerName, report: Report) -> News:
        news = self.peers.reported(sender, report)
        leads = self.oversight.lead is not None
        self._looks.changed |= news is News.REPLICAS or (leads and news is News.BALANCERS)
        return news

    def _tell_supervision(self) -> None:
        elsewhere = self.peers.replicas_elsewhere()
        self._supervise(supervision_interface.ReportedElsewhere(elsewhere))

    # The election

    def _elect(self, event: ElectionEvent) -> None:
        """Let the election take an event, and what follows from it, to the end."""
        events = self.founding.admit(event) if self.founding.waits else [event]
        for one in events:  # which may become more meanwhile
            for effect in self.election.step(one, self._now):
                match effect:
                    case SendPayload():
                        self._reporter.spoke(effect.to, self._now)
                        self._effects.append(Send(effect.to, ElectionMail(effect.payload)))
                    case Ask():
                        self._effects.append(effect)
                    case Persist():
                        self._election_tokens[self._persist(effect.records)] = effect.token
                    case RaiseEpoch():
                        records = self._gate.raise_to(effect.epoch, self._token + 1)
                        self._election_tokens[self._persist(records)] = effect.token
                    case Committed():
                        change = decode_change(effect.data)
                        apply(self.state, change, effect.index)
                        self._looks.changed |= not change.is_of_contests
                        events += self._retime()
                    case Restored():
                        before, self.state = self.state, decode_state(effect.data)
                        self.acquaintances.restored(before, effect)
                        self._looks.changed = True
                        events += self._retime()
                    case TakeSnapshot():
                        ensure(self.state.index <= effect.index, "a snapshot holds no later change")
                        events.append(SnapshotTaken(effect.index, encode_state(self.state)))
                    case ProposalSettled():
                        self._on_settled(effect)
                    case ChangesLost():
                        self._note("changes.lost", losses(effect, self.state))
                    case ReadConfirmed():
                        self._on_read_confirmed(effect)
                    case LeaderChanged():
                        events += self._on_leader_changed(effect)
                    case _:
                        assert_never(effect)
        if self.obstacles.explained and self.obstacles.have_changed():
            self._reporter.change()

    def _retime(self) -> list[ElectionEvent]:
        """Goes by the times that the state asks for now, if they are others."""
        timing = self.state.spec.timing
        if timing == self._timing:
            return []
        self._timing = timing
        self._pulse = pulse(timing)
        self.oversight.retime(timing)
        if problem := times_problem(self.state.spec):
            self._note("times.refused", f"the election keeps its times: {problem}", worker=self.me)
            return []
        return [TimesChanged(timing)]

    def _persist(self, records: tuple[Record, ...]) -> int:
        self._token += 1
        self._effects.append(Persist(self._token, records))
        return self._token

    def _on_persisted(self, event: Persisted) -> None:
        if self._disk_full:
            self._disk_full = False
            self._reporter.change()
            self._note("disk.freed", f"{self.me} can write again", worker=self.me)
        if done := [token for token in self._election_tokens if token <= event.token]:
            self._elect(Persisted(max(self._election_tokens.pop(token) for token in done)))
        self.founding.stored(event.token)
        for command in self._gate.release(event.token):
            self._obey(command)

    def _on_leader_changed(self, effect: LeaderChanged) -> list[ElectionEvent]:
        self._looks.changed = True
        ended = self.oversight.leader_changed(effect, self.state.spec.timing)
        if ended is not None:
            self._note("leader.ended", f"no longer the leader: {effect.reason}", epoch=ended)
        self._requests.leader_changed()
        if effect.leader != self.me:
            return []
        text = f"{self.me} leads, epoch {effect.epoch}, {self.state.spec.election}: {effect.reason}"
        self._note("leader.elected", text, worker=self.me, epoch=effect.epoch)
        return [*self._requests.entrusted(), self._requests.new_read(None)]

    def _on_read_confirmed(self, effect: ReadConfirmed) -> None:
        mine = self._requests.read_confirmed(effect.read, effect.confirmed, self.state.index)
        acts = self.oversight.lead is not None
        if mine and effect.confirmed and not acts and self.election.leader == self.me:
            self.oversight.begin(self.state)
            self._looks.changed = True

    def _on_settled(self, effect: ProposalSettled) -> None:
        lead = self.oversight.lead
        if lead is not None:
            self._looks.changed |= lead.proposal_settled(effect.change)
        self._requests.settled(effect, self._now)

    def _on_request(self, event: UserRequest) -> None:
        match event:
            case ChangeAsked():
                self._requests.change(event, self.state, self._now)
            case ReadAsked():
                self._elect(self._requests.new_read(event.request))
            case LeaveAsked():
                self._leaving = self._leaving or Leaving(event.request, self._now)
                self._reporter.change()
                self._note("worker.leaving", f"{self.me} stops everything it supervises")
            case _:
                self._requests.for_the_election(event)

    def _on_command(self, sender: WorkerName, command: Command) -> None:
        """The one gate for every command, the leader's own to itself included."""
        if not self._gate.admits(command):
            if refusal := self._gate.refusal(command, sender):
                self._note("command.refused", refusal, worker=sender)
            return
        records = self._gate.take(command, self._token + 1)
        if records:
            self._persist(records)
            self._tell_what_was_obeyed()
        elif not self._gate.must_wait:
            self._obey(command)

    def _tell_what_was_obeyed(self) -> None:
        """The gate and the election must not disagree for good: nobody would be obeyed."""
        if self._gate.highest > self.election.epoch:
            self._elect(EpochObeyed(self._gate.highest))

    def _obey(self, command: Command, confirmed: bool = True) -> None:
        match command:
            case Assignment():
                slots = self._wanted(command)
                self._supervise(supervision_interface.Assigned(command.epoch, slots, confirmed))
                self._reporter.change()
            case Routes():
                self._balancers.command(command.table)
                self._looks.changed = True
            case LaunchWorker():
                if not self.peers.is_connected(command.worker):
                    self._launch(command.worker)
            case KillWorker():
                self._kill(command.worker)
            case Dismiss():
                self._effects.append(Leave("the cluster no longer asks for this worker", True))
            case _:
                assert_never(command)

    def _wanted(self, assignment: Assignment | None) -> tuple[SlotAssignment, ...]:
        slots = () if assignment is None else assignment.slots
        leaving, reports = self._leaving, self.peers.reports(self.host)
        return slots if leaving is None else leaving.slots(slots, reports, self._now)

    def _launch(self, worker: WorkerName) -> None:
        if not self.leaving:
            self._effects.append(StartWorker(worker))

    def _kill(self, worker: WorkerName) -> None:
        view = self.fleet().workers.get(worker)
        patience = seconds(self.state.spec.timing.silent_worker) // 2
        if view is None or not view.connected or self._now - view.heard < patience:
            return
        silent_s = (self._now - view.heard) / 1e9
        self._note("worker.silent", f"{worker} silent for {silent_s:.1f} s: killed", worker=worker)
        self._effects.append(EndWorker(worker))

    def _supervise(self, event: supervision_interface.SupervisionEvent) -> None:
        before = self.supervisor.version
        self._effects += self.supervisor.step(event, self._now)
        if self.supervisor.version != before:
            self._reporter.change()

    def _follow_up(self) -> None:
        if self._leaving is not None:
            self._go_on_leaving(self._leaving)
        if self._now >= self._reporter.ready_at:
            self._speak_up()
        if self._requests.open:
            self._requests.go_on(self.state, self._now)
        if self.state.spec is not self.acquaintances.told:
            self._effects += self.acquaintances.news(self.state)
        if self._looks.is_due(self._now):
            self._look()

    def _speak_up(self) -> None:
        if report := self._reporter.report(self._make_report, self._now):
            self._take_report(self.me, report)
            self._effects.append(Send(None, report))
        for peer in self._reporter.due(self.peers.connected, self._pulse, self._now):
            self._effects.append(Send(peer, self._reporter.alive()))

    def _go_on_leaving(self, leaving: Leaving) -> None:
        assignment = self._gate.assignment
        slots = self._wanted(assignment)
        if assignment is not None:
            self._supervise(supervision_interface.Assigned(assignment.epoch, slots, False))
        if leaving.finished(self.supervisor, self._now):
            self._effects.append(Answer(leaving.request, True, "everything is stopped"))
            self._effects.append(Leave("asked to stop"))

    def _make_report(self, version: int) -> Report:
        return Report(
            host=self.host,
            pid=self.pid,
            version=version,
            replicas=self.supervisor.reports(),
            balancers=self._balancers.reports,
            leaving=self.leaving,
            disk_full=self._disk_full,
            obstacle=self.obstacles.own,
        )

    def _look(self) -> None:
        """Look at the fleet as a whole: routes, silent and dead workers and, leading, the rest."""
        self._looks.begin(self._now)
        own = self.supervisor.reports()
        self._effects += self._balancers.tell(own, self.peers.reports(self.host), self._now)
        self._looks.appoint(self._balancers.wake_at)
        if self.leaving:
            return
        care = self.oversight.look(self.state, self.fleet(), self._now)
        self._looks.appoint_calmly(self.oversight.wake_at, self._now)
        for effect in care:
            match effect:
                case Give():
                    if effect.worker == self.me:
                        self._on_command(self.me, effect.command)
                    else:
                        self._effects.append(Send(effect.worker, effect.command))
                case ProposeChange():
                    self._elect(Propose(effect.change.id, encode_change(effect.change)))
                case GrantVote():
                    change = vote_change(self.election.epoch, effect.worker)
                    self._elect(ReplaceMember(change, effect.worker, effect.member))
                case Heal():
                    self._heal(effect)
                case Disconnect():
                    self._effects.append(effect)
                case _:
                    assert_never(effect)

    def _heal(self, heal: Heal) -> None:
        if heal.remedy is Remedy.KILL:
            self._kill(heal.worker)
        elif not self._refusals.stand(self.state, self._now):
            self._launch(heal.worker)

    def _emit(self, effect: WorkerEffect) -> None:
        self._effects.append(effect)

    def _note(self, kind: str, text: str, worker: WorkerName | None = None, epoch: int = 0) -> None:
        epoch = epoch or self.epoch
        self._effects.append(Note(kind=kind, text=text, worker=worker, host=self.host, epoch=epoch))
