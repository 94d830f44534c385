"""How far one acceptor or learner is, as its leader knows, and what may be sent to it.

Source: PMMC 2.4 (a commander asks all acceptors for one slot; here all slots of a batch at once).
"""

from enum import Enum

from interrex.core.storage import Snapshot
from interrex.elections.replicated.progress import FollowerProgress


class State(Enum):
    LOST = "lost"  # where it stands is not known: its next answer says it
    REPLICATE = "replicate"  # values are sent ahead of the answers
    SNAPSHOT = "snapshot"  # a snapshot is sent, chunk by chunk


class Progress(FollowerProgress):
    """One acceptor or learner, and in which state it is sent what."""

    def __init__(self, member: int) -> None:
        super().__init__(member, next_index=1)
        self.state = State.LOST

    def become_lost(self) -> None:
        """Nothing that was under way arrives any more."""
        self.state = State.LOST
        self._reset()

    def become_replicate(self, received: int, matched: int) -> None:
        """It says that it holds all up to ``received``, up to ``matched`` on its disk.

        That may be less than before its restart: what it had learned to be chosen it may not know
        to be any more. The values it still has, so what was counted was right.
        """
        self.state = State.REPLICATE
        self.match = min(self.match, matched)
        self.next = received + 1
        self._reset()

    def become_snapshot(self, snapshot: Snapshot) -> None:
        self.state = State.SNAPSHOT
        self._reset()
        self.snapshot = snapshot

    def sent(self, last: int, beat: int) -> None:
        """Values up to this slot are under way."""
        self.sent_round = beat
        self.next = last + 1
        self.inflight.append(last)
