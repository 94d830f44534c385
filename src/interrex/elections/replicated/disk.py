"""What is on its way to the disk, and what must wait for it.

Records are gathered while a ``Persist`` is under way and leave together in the next one: the
group commit. A vote, a promise or a new epoch does not wait for that answer, because an election
does.

Invariant: a message that promises something is put here, behind the records that it promises,
and is let go when they are on disk. As records are written in order, a vote that has left proves
that the log it was decided on is on disk too.
"""

from collections import deque
from collections.abc import Iterable

from interrex.core.storage import AppendEntries, Entry, Record, SetFact
from interrex.elections.interface import Persist, SendPayload


class Batch:
    """One ``Persist`` under way; ``reaches`` is the log index that is on disk after it."""

    __slots__ = ("reaches", "since", "token")

    def __init__(self, token: int, reaches: int, since: int) -> None:
        self.token = token
        self.reaches = reaches
        self.since = since


class Disk:
    """The order of records and promises of one server."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._entries: list[Entry] = []
        self._reaches = 0
        self._urgent = False
        self._next_token = 1
        self._batches: deque[Batch] = deque()
        self._held: deque[tuple[int, SendPayload]] = deque()
        self.waiting_since: int | None = None
        """Since when the oldest ``Persist`` has had no answer."""

    @property
    def token(self) -> int:
        """The token with which everything recorded so far will be on disk."""
        return self._next_token if self._records or self._entries else self._next_token - 1

    @property
    def is_clean(self) -> bool:
        """Whether everything recorded so far is on disk."""
        return not (self._records or self._entries or self._batches)

    @property
    def will_write(self) -> bool:
        """Whether the next ``flush`` hands something out: no reason to gather more first."""
        return bool(self._records or self._entries) and (not self._batches or self._urgent)

    def append(self, entries: Iterable[Entry]) -> None:
        self._entries.extend(entries)
        if self._entries:
            self._reaches = self._entries[-1].index

    def record(self, record: Record, *, urgent: bool = False) -> None:
        if self._entries:
            self._records.append(AppendEntries(tuple(self._entries)))
            self._entries.clear()
        last = self._records[-1] if self._records else None
        if isinstance(record, SetFact) and isinstance(last, SetFact) and last.key == record.key:
            self._records.pop()
        self._records.append(record)
        self._urgent = self._urgent or urgent

    def truncated(self, index: int) -> None:
        """From now on, no batch proves anything at or behind this index.

        An older batch's answer must not be taken for that of other entries at the same indices.
        """
        self._reaches = min(self._reaches, index - 1)
        for batch in self._batches:
            batch.reaches = min(batch.reaches, index - 1)

    def reaches(self, index: int) -> None:
        """What is recorded now brings the log on disk up to this index (a snapshot)."""
        self._reaches = index

    def hold(self, message: SendPayload) -> SendPayload | None:
        """Keeps a promise back until it is true; hands it out where it already is."""
        if self.is_clean:
            return message
        self._held.append((self.token, message))
        return None

    def flush(self, now: int) -> Persist | None:
        """The next ``Persist``, where there is one now."""
        if not (self._records or self._entries) or not self.will_write:
            return None
        if self._entries:
            self._records.append(AppendEntries(tuple(self._entries)))
            self._entries.clear()
        persist = Persist(self._next_token, tuple(self._records))
        self._batches.append(Batch(self._next_token, self._reaches, now))
        self.waiting_since = self._batches[0].since
        self._records.clear()
        self._urgent = False
        self._reaches = 0
        self._next_token += 1
        return persist

    def persisted(self, token: int) -> tuple[int, list[SendPayload]]:
        """The log index that is on disk now (0: no news of it), and the promises set free."""
        reaches = 0
        while self._batches and self._batches[0].token <= token:
            reaches = max(reaches, self._batches.popleft().reaches)
        self.waiting_since = self._batches[0].since if self._batches else None
        released = []
        while self._held and self._held[0][0] <= token:
            released.append(self._held.popleft()[1])
        return reaches, released
