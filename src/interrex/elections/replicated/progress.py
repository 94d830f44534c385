"""How far one follower is, as its leader knows, and what may be sent to it.

One batch is under way at a time unless a full one is waiting, so that many small proposals share
one message and one answer; the answer to a heartbeat says what was received, so a lost message is
found without a time-out.
"""

from collections import deque

from interrex.core.storage import Snapshot
from interrex.elections.replicated.roundtrips import RoundTrips


class FollowerProgress:
    """One follower or learner; an election's own says in which states it is sent what.

    Invariant: ``match`` < ``next``.
    """

    def __init__(self, member: int, next_index: int) -> None:
        self.member = member
        self.match = 0
        self.next = next_index
        self.paused = False
        """Whether an answer is waited for before anything more is sent."""
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

    def _reset(self) -> None:
        self.paused = False
        self.inflight.clear()
        self.snapshot = None
        self.snapshot_offset = 0
        self.goes_back = False
        self.commit_sent = min(self.commit_sent, self.match)

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
