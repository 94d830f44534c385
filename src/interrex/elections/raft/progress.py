"""How far one follower's log is, as its leader knows, and what may be sent to it.

Source: paper 5.3; thesis 10.2.1 (pipelining); the three states are etcd's.

Differs from etcd: one batch is under way at a time unless a full one is waiting, so that many
small proposals share one message and one answer; a follower's heartbeat answer says what it has
received, so a lost message is found without a time-out.
"""

from collections import deque
from enum import Enum

from interrex.core.errors import ensure
from interrex.core.storage import Snapshot
from interrex.elections.replicated.roundtrips import RoundTrips


class State(Enum):
    PROBE = "probe"  # one message at a time until it is known where the logs agree
    REPLICATE = "replicate"  # entries are sent ahead of the answers
    SNAPSHOT = "snapshot"  # a snapshot is sent, chunk by chunk


class Progress:
    """One follower or learner.

    Invariants: ``match`` < ``next``, and ``match`` never falls within a leadership.
    """

    def __init__(self, member: int, next_index: int) -> None:
        self.member = member
        self.match = 0
        self.next = next_index
        self.state = State.PROBE
        self.paused = False
        """Probe or snapshot: an answer is waited for."""
        self.inflight: deque[int] = deque()
        """The last index of every batch under way."""
        self.sent_bytes = 0
        """How much of the log's ``appended_bytes`` has been sent."""
        self.sent_round = 0
        """The heartbeat round after which something was last sent."""
        self.commit_sent = 0
        self.round_trips = RoundTrips()
        self.snapshot: Snapshot | None = None
        self.snapshot_offset = 0
        self.goes_back = False
        """Snapshot: whether an earlier chunk may be asked for, as nothing has moved lately."""

    def become_probe(self, next_index: int) -> None:
        self.state = State.PROBE
        self.next = max(next_index, self.match + 1)
        self._reset()

    def become_replicate(self) -> None:
        self.state = State.REPLICATE
        self.next = self.match + 1
        self._reset()

    def become_snapshot(self, snapshot: Snapshot) -> None:
        self.state = State.SNAPSHOT
        self._reset()
        self.snapshot = snapshot

    def _reset(self) -> None:
        self.paused = False
        self.inflight.clear()
        self.snapshot = None
        self.snapshot_offset = 0
        self.goes_back = False
        self.commit_sent = min(self.commit_sent, self.match)

    def sent(self, last_index: int, heartbeat_round: int) -> None:
        """Entries up to this index are under way."""
        self.sent_round = heartbeat_round
        if self.state is State.REPLICATE:
            self.next = last_index + 1
            self.inflight.append(last_index)
        else:
            self.paused = True

    def wants(self, offset: int) -> bool:
        """Whether to send the chunk that is asked for.

        A repeated question is not answered, and an older one only after a stall: otherwise every
        message that the network doubles would double the traffic for good.
        """
        if offset == self.snapshot_offset or (offset < self.snapshot_offset and not self.goes_back):
            return False
        self.goes_back = False
        return True

    def accepted(self, matched: int) -> bool:
        """The follower holds everything up to here. Returns whether that was news."""
        while self.inflight and self.inflight[0] <= matched:
            self.inflight.popleft()
        if matched <= self.match:
            return False
        self.match = matched
        self.next = max(self.next, matched + 1)
        return True

    def refused(self, prev_index: int, next_index: int) -> bool:
        """Nothing fitted behind ``prev_index``. Returns whether to go back to ``next_index``."""
        if prev_index <= self.match:
            return False  # an answer overtaken by a later one
        if self.state is State.PROBE and prev_index != self.next - 1:
            return False
        ensure(self.state is not State.SNAPSHOT or self.snapshot is not None, "a snapshot is sent")
        if self.state is State.SNAPSHOT:
            return False
        self.become_probe(min(next_index, prev_index))
        return True
