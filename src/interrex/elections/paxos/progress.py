"""How far one acceptor or learner is, as its leader knows, and what may be sent to it.

Source: PMMC 2.4 (a commander asks all acceptors for one slot; here all slots of a batch at once).

Differs from PMMC: one batch is under way at a time unless a full one is waiting, so that many
small proposals share one message and one answer; a heartbeat's answer says what was received, so
a lost message is found without a time-out.
"""

from collections import deque
from enum import Enum

from interrex.core.storage import Snapshot
from interrex.elections.replicated.roundtrips import RoundTrips


class State(Enum):
    LOST = "lost"  # where it stands is not known: its next answer says it
    REPLICATE = "replicate"  # values are sent ahead of the answers
    SNAPSHOT = "snapshot"  # a snapshot is sent, chunk by chunk


class Progress:
    """One acceptor or learner.

    Invariants: ``match`` < ``next``, and ``match`` never falls within a leadership.
    """

    def __init__(self, member: int) -> None:
        self.member = member
        self.match = 0
        self.next = 1
        self.state = State.LOST
        self.paused = False
        """Snapshot: an answer is waited for."""
        self.inflight: deque[int] = deque()
        """The last slot of every batch under way."""
        self.sent_bytes = 0
        """How much of the slots' ``appended_bytes`` has been sent."""
        self.sent_beat = 0
        """The heartbeat after which something was last sent."""
        self.chosen_sent = 0
        self.round_trips = RoundTrips()
        self.snapshot: Snapshot | None = None
        self.snapshot_offset = 0
        self.goes_back = False
        """Snapshot: whether an earlier chunk may be asked for, as nothing has moved lately."""

    def become_lost(self) -> None:
        """Nothing that was under way arrives any more."""
        self.state = State.LOST
        self._reset()

    def become_replicate(self, received: int) -> None:
        """It holds all up to ``received`` in its memory at least."""
        self.state = State.REPLICATE
        self.next = max(received, self.match) + 1
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
        self.chosen_sent = min(self.chosen_sent, self.match)

    def sent(self, last: int, beat: int) -> None:
        """Values up to this slot are under way."""
        self.sent_beat = beat
        self.next = last + 1
        self.inflight.append(last)

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
        """It holds everything up to here on its disk. Returns whether that was news."""
        while self.inflight and self.inflight[0] <= matched:
            self.inflight.popleft()
        if matched <= self.match:
            return False
        self.match = matched
        self.next = max(self.next, matched + 1)
        return True
