"""One server and its role: the only place where roles change.

Invariants: a leader becomes nothing but a follower; only a candidate becomes leader; an epoch has
one leader.
"""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.spec import Timing
from interrex.elections.replicated.candidate import CandidateRole
from interrex.elections.replicated.detection import AnyQuestion, Detection
from interrex.elections.replicated.follower import FollowerRole
from interrex.elections.replicated.leader import LeaderRole
from interrex.elections.replicated.node import DurableNode
from interrex.elections.replicated.questions import Questions

# Roles are no ABCs: to ask whether an object is one costs some ten calls, several times a step.
AnyFollower = TypeVar("AnyFollower", bound=FollowerRole)
AnyCandidate = TypeVar("AnyCandidate", bound=CandidateRole)
AnyLeader = TypeVar("AnyLeader", bound=LeaderRole)


class ReplicatedServer(ABC, Generic[AnyQuestion, AnyFollower, AnyCandidate, AnyLeader]):
    """The durable node, what is believed of the leader, and the role. Implements Transitions, but
    for how a candidate becomes leader."""

    def __init__(self, node: DurableNode[Any], detection: Detection[AnyQuestion]) -> None:
        self.node = node
        self.detection = detection
        self.reason = ""
        """Why leader or epoch changed last, for people."""
        self.role: AnyFollower | AnyCandidate | AnyLeader = self._follower()
        self._leader_of_epoch = (0, 0)

    # What an election's own server says

    @property
    @abstractmethod
    def questions(self) -> Questions[AnyQuestion]:
        """Who answers those that ask before they stand."""

    @abstractmethod
    def _new_follower(self, draw: int) -> AnyFollower: ...

    @abstractmethod
    def _new_candidate(self, *, asking: bool, timeout: int) -> AnyCandidate: ...

    @abstractmethod
    def _back_off(self) -> int:
        """How long to wait after a lost election before a fast retry."""

    # Time

    @property
    def leading(self) -> bool:
        """Whether this server leads, and its deadline had not passed at the last step."""
        role = self.role
        return isinstance(role, LeaderRole) and role.leading

    def start(self) -> None:
        """The first step: hands out the state from the disk, and begins to wait."""
        self.node.restored()
        self.role = self._follower()
        self.role.rest()
        if self._is_alone:
            self.become_candidate("it is the only voter")
        elif self.node.settings.stands_at_once:
            self.role.hurry(0)

    @property
    def _is_alone(self) -> bool:
        return self.node.membership.is_alone(self.node.member)

    def on_time(self, *, late: bool) -> None:
        """A wake-up is due; ``late`` when it comes so late that this process was not running."""
        node, detection = self.node, self.detection
        grace = 2 * node.settings.heartbeat
        if detection.notice_silence(node.now, late=late, grace=grace):
            self.reason = f"{detection.leader_worker} was silent"
            if isinstance(self.role, FollowerRole):
                self.role.hurry(0)
        self.role.on_time(late=late)
        self.weigh_again()

    def retime(self, timing: Timing) -> None:
        """Goes by other times. A leader tells the others at once, before its old heartbeat is due:
        a follower that knows them already must not wait for the next one in vain."""
        self.node.settings = self.node.settings.retimed(timing)
        self.detection.retime(self.node.settings)
        if isinstance(self.role, LeaderRole):
            self.role.on_retimed()

    def weigh_again(self) -> None:
        """Answers the questions that came while a leader was heard, if none is any more."""
        if self.detection.remembered and not self.questions.hears_a_leader():
            self.questions.weigh_again()

    # Losing the leader

    def lose_leader(self, delay: int) -> None:
        """The leader was lost before the time-out: campaigns after a delay, in order of rank."""
        self.weigh_again()
        self._hurry(delay)

    def hurry_if_next(self) -> None:
        """Somebody before this server is dead or was refused: it may be next now.

        Not while it has given this epoch to somebody who may still win with it.
        """
        detection, node = self.detection, self.node
        if not detection.has_lost or not detection.is_known_lost:
            return
        given_to = node.given_to
        holder = node.worker_of(given_to) if given_to not in (0, node.member) else None
        if holder is None or holder in detection.dead:
            self._hurry(0)

    def _hurry(self, delay: int) -> None:
        if isinstance(self.role, FollowerRole):
            self.role.hurry(delay)
            self.role.on_time(late=False)

    # Transitions

    def _draw(self) -> int:
        return self.node.random.getrandbits(32)

    def _follower(self) -> AnyFollower:
        return self._new_follower(self._draw())

    def become_follower(self, epoch: int, reason: str) -> None:
        """Without a known leader, in this epoch or a newer one."""
        node, detection, before = self.node, self.detection, self.role
        if isinstance(before, LeaderRole):
            before.end(reason)
        elif isinstance(before, CandidateRole):
            before.withdraw()
        if epoch > node.epoch:
            node.begin_epoch(epoch)
        detection.forget_leader()
        self.reason = reason
        follower = self.role = self._follower()
        follower.rest()
        if isinstance(before, CandidateRole) and detection.ended and detection.fast_retries:
            follower.hurry(self._back_off())
        self.weigh_again()

    def follow(self, leader: int, worker: WorkerName) -> AnyFollower:
        """As a follower of this epoch's leader, which was just heard."""
        before = self.role
        if isinstance(before, FollowerRole) and self.detection.leader == leader:
            return before
        ensure(not isinstance(before, LeaderRole), "an epoch has one leader")
        self.note_leader(leader)
        if isinstance(before, CandidateRole):
            before.withdraw()
        self.detection.heard(leader, worker, self.node.now, self.node.epoch)
        self.reason = f"{worker} leads {self.node.epoch_word} {self.node.epoch}"
        follower = self.role = self._follower()
        follower.rest()
        return follower

    @property
    def _asks_first(self) -> bool:
        return not self._is_alone

    def become_pre_candidate(self, reason: str) -> None:
        """Asks who would elect this server. Changes nothing that is on disk."""
        ensure(not isinstance(self.role, LeaderRole), "a leader does not campaign")
        if self._asks_first:
            self._campaign(reason, asking=True)
        else:
            self.become_candidate(reason)

    def become_candidate(self, reason: str) -> None:
        """Stands for election in the next epoch."""
        ensure(not isinstance(self.role, LeaderRole), "a leader does not campaign")
        self.detection.tried = True
        self.node.begin_epoch(self.node.epoch + 1, self.node.member)
        self._campaign(reason, asking=False)

    def begin_anew(self, reason: str) -> None:
        """A leader that cannot go on in its epoch stands for the next one at once."""
        ensure(isinstance(self.role, LeaderRole), "only a leader begins anew")
        self.become_follower(self.node.epoch, reason)
        self.detection.end(self.node.epoch, self.node.now)
        if self.node.may_campaign:
            self.become_candidate(reason)

    def _campaign(self, reason: str, *, asking: bool) -> None:
        node, detection = self.node, self.detection
        ensure(node.may_campaign, "only a voter campaigns")
        detection.forget_leader()
        node.campaigns += 1
        self.reason = reason
        timeout = detection.timeout + (detection.timeout * self._draw() >> 32)
        candidate = self.role = self._new_candidate(asking=asking, timeout=timeout)
        self.weigh_again()
        candidate.ask()

    def _lead(self, leader: AnyLeader, reason: str) -> None:
        """Has won, by the election's own rules."""
        ensure(isinstance(self.role, CandidateRole), "only a candidate wins")
        self.note_leader(self.node.member)
        self.detection.won()
        self.reason = reason
        self.role = leader
        leader.begin()

    def may_lead(self, member: int) -> bool:
        """Whether nobody else was heard to lead this epoch."""
        epoch, leader = self._leader_of_epoch
        return epoch < self.node.epoch or leader == member

    @property
    def heir(self) -> WorkerName | None:
        """Who may win this epoch by this server's word, while nobody is known to lead it."""
        role, node = self.role, self.node
        if isinstance(role, CandidateRole):
            return None if role.asking else node.worker
        is_open = self._leader_of_epoch[0] < node.epoch and node.given_to not in (0, node.member)
        return node.worker_of(node.given_to) if is_open else None

    def note_leader(self, member: int) -> None:
        """Notes who leads this epoch; a second one is a broken promise."""
        ensure(self.may_lead(member), "an epoch has one leader")
        self._leader_of_epoch = (self.node.epoch, member)
