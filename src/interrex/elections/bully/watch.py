"""What a worker believes of its coordinator and its peers: who is up, above it, lost or gone.

Three things end the belief in a coordinator: proof that its process died (or that it handed
over), its connection closed, or silence for the adaptive time-out. Only proof is acted on at once.

Not guaranteed: that a lost coordinator is dead. Without a quorum a wrong belief may make a second
one, until the two meet.

Source: paper, sections III (a node that does not answer in T has failed) and IV.
Differs from the paper: T is measured; proof of death replaces it where there is one.
"""

from enum import Enum

from interrex.core.ids import WorkerName
from interrex.elections.bully.node import Node

PATIENCE_OF_HALTED = 3
"""For so many time-outs who is halted obeys nobody but the one that halted it."""


class Loss(Enum):
    """How this worker came to lose its coordinator."""

    NONE = "not lost"
    SILENT = "silent"
    DISCONNECTED = "connection closed"
    ENDED = "proved dead, or handed over"


class Watch:
    """The peers and the coordinator as one worker sees them; outlives its changes of role.

    Invariant: ``ended`` only rises: an epoch that is over for good never begins again.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.connected: dict[WorkerName, int] = {}
        """The member ids of the peers that can be reached."""
        self._dead: dict[WorkerName, int] = {}
        self._lost_at: dict[WorkerName, int] = {}
        """When a connection was closed without proof that its other end had died."""
        self.leader: WorkerName | None = None
        self.leader_epoch = 0
        self.appointed = False
        self.loss = Loss.NONE
        self.ended = 0
        self._ended_at = 0
        self.silent_at = 0
        self.timeout = node.settings.election_timeout
        self.round_trip = 0
        self.hold_off = node.settings.election_timeout
        """How long a higher worker hears a lower coordinator before it takes over."""
        self._graced = False
        self._modest_until = 0

    # Peers

    def heard_from(self, peer: WorkerName, member: int) -> bool:
        """A message came. Returns False for one that a dead process left behind in its socket.

        After a whole time-out it cannot be: whoever said that the process had died was wrong.
        """
        died_at = self._dead.get(peer)
        if died_at is not None and self._node.now - died_at < self.timeout:
            return False
        self._dead.pop(peer, None)
        self.connected[peer] = member
        return True

    def came(self, peer: WorkerName, member: int) -> None:
        self._dead.pop(peer, None)
        self.connected[peer] = member

    def went(self, peer: WorkerName, *, proved_dead: bool) -> None:
        self.connected.pop(peer, None)
        if proved_dead:
            self._dead[peer] = self._node.now
        else:
            self._lost_at[peer] = self._node.now

    def is_dead(self, peer: WorkerName) -> bool:
        return peer in self._dead

    @property
    def reachable_members(self) -> list[WorkerName]:
        """The members that can be reached, this worker not counted, by name."""
        members = self._node.members.members
        return sorted(worker for worker, one in self.connected.items() if one in members)

    @property
    def missed_until(self) -> int:
        """Until when a member whose connection was closed may be expected back."""
        away = self._node.members.workers - self.connected.keys() - self._dead.keys()
        times = [self._lost_at[one] + self.timeout for one in away if one in self._lost_at]
        return max(times, default=0)

    @property
    def above(self) -> int:
        """How many members that can be reached are above this worker."""
        node = self._node
        return sum(not node.is_above(worker) for worker in self.reachable_members)

    @property
    def all_reachable(self) -> bool:
        """Whether every other member can be reached."""
        others = self._node.members.members.keys() - {self._node.member}
        return others <= set(self.connected.values())

    @property
    def has_majority(self) -> bool:
        """Whether a majority of the members, this one counted, can be reached."""
        members = self._node.members.members
        mine = self._node.member in members
        return 2 * (len(self.reachable_members) + mine) > len(members)

    # The coordinator

    def heard(self, leader: WorkerName, epoch: int, *, appointed: bool) -> bool:
        """The coordinator gave a sign of life. Returns whether it is another than before.

        It counts on the patience that each of its beats was answered with: a later one, by which
        the time-out is shorter, takes nothing of that back.
        """
        news = (self.leader, self.leader_epoch, self.loss) != (leader, epoch, Loss.NONE)
        silent_at = self._node.now + self.timeout
        self.silent_at = silent_at if news else max(self.silent_at, silent_at)
        self._graced = False
        self.leader, self.leader_epoch, self.appointed = leader, epoch, appointed
        self.loss = Loss.NONE
        return news

    def beat(self, timeout: int, round_trip: int) -> None:
        """What the coordinator measured. The floor is this worker's own setting."""
        settings = self._node.settings
        self.timeout = min(max(timeout, settings.election_timeout), settings.longest_timeout)
        self.round_trip = min(round_trip, settings.longest_timeout)

    def forget_leader(self) -> None:
        self.leader = None
        self.loss = Loss.NONE

    def give_up(self) -> None:
        """The closed connection did not come back in time."""
        if self.loss is Loss.DISCONNECTED:
            self.loss = Loss.SILENT

    def end(self, epoch: int) -> bool:
        """This epoch is over for good. Returns whether the coordinator was lost by that."""
        if epoch > self.ended:
            self.ended, self._ended_at = epoch, self._node.now
        if self.leader is None or self.leader_epoch != epoch or self.loss is Loss.ENDED:
            return False
        self.loss = Loss.ENDED
        return True

    def is_over(self, epoch: int) -> bool:
        """Whether mail of this epoch's coordinator was sent before its end.

        After a whole time-out it cannot be: whoever said that it had died was wrong.
        """
        return epoch == self.ended and self._node.now - self._ended_at < self.timeout

    @property
    def hears(self) -> WorkerName | None:
        """The coordinator that is heard, None where there is none."""
        return self.leader if self.loss is Loss.NONE else None

    @property
    def known(self) -> WorkerName | None:
        """Who leads as far as this worker knows: a closed connection alone may come back."""
        return self.leader if self.loss in (Loss.NONE, Loss.DISCONNECTED) else None

    def notice_silence(self, *, late: bool) -> bool:
        """Loses a coordinator that was silent for too long. Returns whether that happened now.

        ``late``: this very worker was stopped or starved; then the silence may be its own, and
        the coordinator gets a grace, once, in which to be heard.
        """
        node = self._node
        if self.hears is None or node.now < self.silent_at:
            return False
        if late and not self._graced:
            self._graced = True
            self.silent_at = node.now + 2 * node.settings.heartbeat
            return False
        self.loss = Loss.SILENT
        return True

    @property
    def stagger(self) -> int:
        """The distance between two ranks."""
        return max(4 * self.round_trip, self._node.settings.stagger_floor)

    # Taking the lead back

    def be_modest(self) -> None:
        """A majority did not answer, or its own disk: for a while this worker keeps nobody below it
        from leading."""
        self._modest_until = self._node.now + 8 * self.timeout

    @property
    def is_modest(self) -> bool:
        return self._node.now < self._modest_until

    def was_bullied(self) -> None:
        """Lost the lead to somebody while alive: takes it back ever more rarely."""
        self.hold_off = min(2 * self.hold_off, self._node.settings.longest_hold_off)

    def led_long(self) -> None:
        self.hold_off = self._node.settings.election_timeout
