"""One server and its role: the only place where state changes.

Invariants: a leader becomes nothing but a follower; only a candidate becomes leader; a term has
one leader.
"""

from collections.abc import Mapping
from random import Random

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.spec import Timing
from interrex.core.storage import Stored
from interrex.elections.raft.candidate import FAST_RETRIES, Candidate
from interrex.elections.raft.follower import Follower
from interrex.elections.raft.leader import Leader
from interrex.elections.raft.messages import PreVote
from interrex.elections.raft.node import Node
from interrex.elections.raft.settings import RaftSettings
from interrex.elections.raft.voting import Voting
from interrex.elections.replicated.detection import Detection


class Server:
    """The durable node, what is believed of the leader, and the role. Implements Transitions."""

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: RaftSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        self.node = Node(worker, member, stored, settings, genesis, random)
        self.detection: Detection[PreVote] = Detection(member, settings, FAST_RETRIES)
        self.voting = Voting(self.node, self.detection, lambda: self.leading)
        self.reason = ""
        """Why leader or term changed last, for people."""
        self.role: Follower | Candidate | Leader = self._follower()
        self._leader_of_term = (0, 0)

    @property
    def leading(self) -> bool:
        """Whether this server leads, and its deadline had not passed at the last step."""
        return isinstance(self.role, Leader) and self.node.now < self.role.deadline

    def start(self) -> None:
        """The first step: hands out the state from the disk, and begins to wait."""
        self.node.restored()
        self.role = self._follower()
        self.role.rest()
        if self.node.membership.majority == 1 and self.node.is_voter:
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
        """Answers the pre-votes that came while a leader was heard, if none is any more."""
        if self.detection.remembered and not self.voting.hears_a_leader():
            self.voting.weigh_again()

    # Losing the leader

    def lose_leader(self, delay: int) -> None:
        """The leader was lost before the time-out: campaigns after a delay, in order of rank."""
        self.weigh_again()
        self._hurry(delay)

    def hurry_if_next(self) -> None:
        """Somebody before this server is dead or was refused: it may be next now.

        Not while it has given its vote to somebody who may still win with it.
        """
        detection, node = self.detection, self.node
        if not detection.has_lost or not detection.is_known_lost:
            return
        voted_for = node.worker_of(node.vote) if node.vote not in (0, node.member) else None
        if voted_for is None or voted_for in detection.dead:
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

    def become_follower(self, term: int, reason: str) -> None:
        """Without a known leader, in this term or a newer one."""
        node, detection, before = self.node, self.detection, self.role
        if isinstance(before, Leader):
            before.end(reason)
        elif isinstance(before, Candidate):
            before.withdraw()
        if term > node.term:
            node.set_term(term)
        detection.forget_leader()
        self.reason = reason
        follower = self.role = self._follower()
        follower.rest()
        if isinstance(before, Candidate) and detection.ended and detection.fast_retries:
            detection.fast_retries -= 1
            follower.hurry(detection.stagger)
        self.weigh_again()

    def follow(self, leader: int, worker: WorkerName) -> Follower:
        """As a follower of this term's leader, which was just heard."""
        before = self.role
        ensure(not isinstance(before, Leader), "a term has one leader")
        self.ensure_one_leader(leader)
        if isinstance(before, Follower) and self.detection.leader == leader:
            return before
        if isinstance(before, Candidate):
            before.withdraw()
        self.detection.heard(leader, worker, self.node.now, self.node.term)
        self.reason = f"{worker} leads term {self.node.term}"
        follower = self.role = self._follower()
        follower.rest()
        return follower

    def become_pre_candidate(self, reason: str) -> None:
        """Asks who would vote for this server. Changes neither term nor vote."""
        ensure(not isinstance(self.role, Leader), "a leader does not campaign")
        is_alone = self.node.membership.majority == 1 and self.node.is_voter
        if is_alone or self.node.settings.paper_elections:
            self.become_candidate(reason)
        else:
            self._campaign(reason, asking=True)

    def become_candidate(self, reason: str) -> None:
        """Stands for election in the next term."""
        ensure(not isinstance(self.role, Leader), "a leader does not campaign")
        self.detection.tried = True
        self.node.set_term(self.node.term + 1, self.node.member)
        self._campaign(reason, asking=False)

    def _campaign(self, reason: str, *, asking: bool) -> None:
        node, detection = self.node, self.detection
        ensure(node.may_campaign, "only a voter campaigns")
        detection.forget_leader()
        node.campaigns += 1
        self.reason = reason
        timeout = detection.timeout + (detection.timeout * self._draw() >> 32)
        candidate = Candidate(node, detection, self, asking=asking, timeout=timeout)
        self.role = candidate
        self.weigh_again()
        candidate.ask()

    def become_leader(self, asked_at: int, reason: str) -> None:
        """Won: a majority's votes are in, this server's own is on disk."""
        ensure(isinstance(self.role, Candidate), "only a candidate wins")
        self.ensure_one_leader(self.node.member)
        self.detection.won()
        self.reason = reason
        leader = self.role = Leader(self.node, self, asked_at)
        leader.begin()

    def ensure_one_leader(self, member: int) -> None:
        """Notes who leads this term; a second one is a broken promise."""
        term, leader = self._leader_of_term
        ensure(term < self.node.term or leader == member, "a term has one leader")
        self._leader_of_term = (self.node.term, member)
