"""One server and its role: the only place where roles change.

Invariants: a leader becomes nothing but a follower; only a candidate becomes leader; a round has
one leader.
"""

from collections.abc import Mapping
from random import Random

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.spec import Timing
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


class Server:
    """The durable node, what is believed of the leader, and the role. Implements Transitions."""

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: PaxosSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        self.node = Node(worker, member, stored, settings, genesis, random)
        self.detection: Detection[Ask] = Detection(member, settings, FAST_RETRIES)
        self.promising = Promising(self.node, self.detection, lambda: self.leading)
        self.reason = ""
        """Why leader or round changed last, for people."""
        self.role: Follower | Candidate | Leader = self._follower()
        self._leader_of_round = (0, 0)

    @property
    def leading(self) -> bool:
        """Whether this server leads, and its deadline had not passed at the last step."""
        role = self.role
        return isinstance(role, Leader) and role.established and self.node.now < role.deadline

    def start(self) -> None:
        """The first step: hands out the state from the disk, and begins to wait."""
        self.node.restored()
        self.role = self._follower()
        self.role.rest()
        if self.node.membership.is_alone(self.node.member):
            self.become_candidate("it is the only voter")

    def on_time(self, *, late: bool) -> None:
        """A wake-up is due; ``late`` when it comes so late that this process was not running."""
        node, detection = self.node, self.detection
        grace = 2 * node.settings.heartbeat
        if detection.notice_silence(node.now, late=late, grace=grace):
            self.reason = f"{detection.leader_worker} was silent"
            if isinstance(self.role, Follower):
                self.role.hurry(0)
        self.role.on_time(late=late)
        self.weigh_again()

    def retime(self, timing: Timing) -> None:
        """Goes by other times. A leader tells the others at once, before its old heartbeat is due:
        a follower that knows them already must not wait for the next one in vain."""
        self.node.settings = self.node.settings.retimed(timing)
        self.detection.retime(self.node.settings)
        if isinstance(self.role, Leader):
            self.role.on_retimed()

    def weigh_again(self) -> None:
        """Answers the questions that came while a leader was heard, if none is any more."""
        if self.detection.remembered and not self.promising.hears_a_leader():
            self.promising.weigh_again()

    # Losing the leader

    def lose_leader(self, delay: int) -> None:
        """The leader was lost before the time-out: campaigns after a delay, in order of rank."""
        self.weigh_again()
        self._hurry(delay)

    def hurry_if_next(self) -> None:
        """Somebody before this server is dead or was refused: it may be next now.

        Not while it has promised this round to somebody who may still win with it.
        """
        detection, node = self.detection, self.node
        if not detection.has_lost or not detection.is_known_lost:
            return
        proposer = (
            node.worker_of(node.promised_to) if node.promised_to not in (0, node.member) else None
        )
        if proposer is None or proposer in detection.dead:
            self._hurry(0)

    def _hurry(self, delay: int) -> None:
        if isinstance(self.role, Follower):
            self.role.hurry(delay)
            self.role.on_time(late=False)

    # Transitions

    def _draw(self) -> int:
        return self.node.random.getrandbits(32)

    def _follower(self) -> Follower:
        return Follower(self.node, self.detection, self, draw=self._draw())

    def become_follower(self, number: int, reason: str) -> None:
        """Without a known leader, in this round or a later one."""
        node, detection, before = self.node, self.detection, self.role
        if isinstance(before, Leader):
            before.end(reason)
        elif isinstance(before, Candidate):
            before.withdraw()
        if number > node.round:
            node.set_round(number)
        detection.forget_leader()
        self.reason = reason
        follower = self.role = self._follower()
        follower.rest()
        if isinstance(before, Candidate) and detection.ended and detection.fast_retries:
            follower.hurry(self._back_off())
        self.weigh_again()

    def _back_off(self) -> int:
        """How long to wait after a lost duel: one to two distances, doubled each time."""
        detection = self.detection
        wait = detection.stagger << (FAST_RETRIES - detection.fast_retries)
        detection.fast_retries -= 1
        return wait + (wait * self._draw() >> 32)

    def follow(self, leader: int, worker: WorkerName) -> Follower:
        """As a follower of this round's leader, which was just heard."""
        before = self.role
        ensure(not isinstance(before, Leader), "a round has one leader")
        self.note_leader(leader)
        if isinstance(before, Follower) and self.detection.leader == leader:
            return before
        if isinstance(before, Candidate):
            before.withdraw()
        self.detection.heard(leader, worker, self.node.now, self.node.round)
        self.reason = f"{worker} leads round {self.node.round}"
        follower = self.role = self._follower()
        follower.rest()
        return follower

    def become_pre_candidate(self, reason: str) -> None:
        """Asks who would promise a round to this server. Changes no promise."""
        ensure(not isinstance(self.role, Leader), "a leader does not campaign")
        is_alone = self.node.membership.is_alone(self.node.member)
        if is_alone:
            self.become_candidate(reason)
        else:
            self._campaign(reason, asking=True)

    def become_candidate(self, reason: str) -> None:
        """Prepares the next round."""
        ensure(not isinstance(self.role, Leader), "a leader does not campaign")
        self.detection.tried = True
        self.node.set_round(self.node.round + 1, self.node.member)
        self._campaign(reason, asking=False)

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

    def begin_anew(self, reason: str) -> None:
        """A leader that cannot go on in its round prepares the next one at once."""
        ensure(isinstance(self.role, Leader), "only a leader begins anew")
        self.become_follower(self.node.round, reason)
        self.detection.end(self.node.round, self.node.now)
        if self.node.may_campaign:
            self.become_candidate(reason)

    def _campaign(self, reason: str, *, asking: bool) -> None:
        node, detection = self.node, self.detection
        ensure(node.may_campaign, "only an acceptor campaigns")
        detection.forget_leader()
        node.campaigns += 1
        self.reason = reason
        timeout = detection.timeout + (detection.timeout * self._draw() >> 32)
        candidate = Candidate(node, detection, self, asking=asking, timeout=timeout)
        self.role = candidate
        self.weigh_again()
        candidate.ask()

    def become_leader(self, asked_at: int, findings: Findings, campaign: int, reason: str) -> None:
        """Won: a majority's promises are in, this server's own is on disk.

        One that learns by them that it was removed leaves the round to itself.
        """
        ensure(isinstance(self.role, Candidate), "only a candidate wins")
        findings.learn()
        if not self.node.may_campaign:
            self.become_follower(self.node.round, "it was removed from the cluster")
            return
        self.note_leader(self.node.member)
        self.detection.won()
        self.reason = reason
        leader = self.role = Leader(self.node, self, findings, campaign, asked_at)
        leader.begin()

    def may_lead(self, member: int) -> bool:
        """Whether nobody else was heard to lead this round.

        Two may be in one round while the configurations that they know share no majority; only
        one of them calls itself leader, and the other one learns of it by a later round.
        """
        number, leader = self._leader_of_round
        return number < self.node.round or leader == member

    def note_leader(self, member: int) -> None:
        """Notes who leads this round."""
        ensure(self.may_lead(member), "a server follows one leader in a round")
        self._leader_of_round = (self.node.round, member)
