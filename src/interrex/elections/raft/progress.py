"""How far one follower's log is, as its leader knows, and what may be sent to it.

Source: paper 5.3; thesis 10.2.1 (pipelining); the three states are etcd's.
"""

from enum import Enum

from interrex.core.errors import ensure
from interrex.core.storage import Snapshot
from interrex.elections.replicated.progress import FollowerProgress

MOST_BEHIND = 3
"""So many messages may follow the first of a leadership before it is answered."""


class State(Enum):
    PROBE = "probe"  # a message, and few behind it, until it is known where the logs agree
    REPLICATE = "replicate"  # entries are sent ahead of the answers
    SNAPSHOT = "snapshot"  # a snapshot is sent, chunk by chunk


class Progress(FollowerProgress):
    """One follower or learner, and in which state it is sent what."""

    def __init__(self, member: int, next_index: int) -> None:
        super().__init__(member, next_index)
        self.state = State.PROBE

    def become_probe(self, next_index: int) -> None:
        self.state = State.PROBE
        self.next = max(next_index, self.match + 1)
        self._reset()

    def become_replicate(self) -> None:
        under_way = [last for last in self.inflight if last > self.match]
        self.state = State.REPLICATE
        self._reset()
        self.inflight.extend(under_way)
        self.next = (under_way[-1] if under_way else self.match) + 1

    def become_snapshot(self, snapshot: Snapshot) -> None:
        self.state = State.SNAPSHOT
        self._reset()
        self.snapshot = snapshot

    def sent(self, last_index: int, heartbeat_round: int) -> None:
        """Entries up to this index are under way."""
        self.sent_round = heartbeat_round
        self.inflight.append(last_index)
        if self.state is State.REPLICATE:
            self.next = last_index + 1
        else:
            self.paused = True

    @property
    def last_probe(self) -> int | None:
        """Up to where what was sent goes while the first message of this leadership is not
        answered, and another may follow."""
        is_first = self.state is State.PROBE and self.paused and self.match == 0
        return self.inflight[-1] if is_first and 0 < len(self.inflight) <= MOST_BEHIND else None

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
