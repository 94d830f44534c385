"""The stamped copy in memory: a whole state, the versions behind it, and who made which.

A copy's stamp is (epoch, identity, version): the epoch of its last version, which names the
identity, and that version's index. Where two copies hold a version of the same epoch at the same
index, they are the same up to there, because an epoch has one coordinator, who makes each version
once, behind the ones that it has. So the stretches of epochs ("runs") tell how far two copies
agree, without comparing a byte.

Invariants:
    versions are contiguous, their epochs never fall;
    ``persisted`` <= ``version``: up to there, what is in memory is also on disk;
    the whole state's index is never below the boundary: nothing is missing between the two.
"""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from interrex.core.errors import InvariantViolation, ensure
from interrex.core.storage import Entry, Snapshot
from interrex.elections.bully.payload import EMPTY, Configuration, configuration_of, whole_parts

Runs = tuple[tuple[int, int], ...]

MAX_RUNS = 512
"""How many stretches are remembered: a copy that agrees only before is sent anew, whole."""


def epoch_in(runs: Runs, version: int, index: int) -> int | None:
    """The epoch of the version at an index; None where these runs do not tell."""
    if not 0 < index <= version:
        return 0 if index == 0 else None
    position = bisect_right(runs, index, key=lambda run: run[1])
    return runs[position - 1][0] if position else None


def agreement(runs: Runs, version: int, others: Runs, other_version: int) -> int:
    """Up to which version two copies are the same; 0 where nothing shows that they are."""
    ends = {epoch: end for epoch, _, end in _stretches(others, other_version)}
    for epoch, _, end in reversed(list(_stretches(runs, version))):
        if epoch in ends:
            return min(end, ends[epoch])
    return 0


def _stretches(runs: Runs, version: int) -> list[tuple[int, int, int]]:
    """(epoch, first version, last version) of each run."""
    ends = [first - 1 for _, first in runs[1:]]
    return [(*run, end) for run, end in zip(runs, [*ends, version], strict=False)]


class StampedCopy:
    """One worker's copy. Index 0 with epoch 0 stands for the empty beginning."""

    def __init__(
        self, snapshot: Snapshot | None, entries: Sequence[Entry], genesis: Configuration
    ) -> None:
        """From what was on disk.

        Raises:
            InvariantViolation: it contradicts itself, or cannot be read.
        """
        self.snapshot = snapshot
        self._entries = list(entries)
        self._base = snapshot.index if snapshot else 0
        self._runs: list[tuple[int, int]] = []
        self._configurations = [(0, genesis)]
        try:
            if snapshot is not None:
                parts = whole_parts(snapshot.data)
                self._runs = list(parts.runs)
                self._configurations = [(snapshot.index, parts.configuration)]
            if self._entries and self._entries[0].index <= self._base:
                self._base = self._entries[0].index - 1
            for position, entry in enumerate(self._entries):
                ensure(entry.index == self._base + 1 + position, "a stored copy has no gaps")
                if entry.index > self.floor:
                    self._note(entry)
        except msgspec.DecodeError as error:
            raise InvariantViolation(f"the stored copy cannot be read: {error}") from error
        ensure(self.version >= self.floor, "stored versions reach the whole state")
        self.persisted = self.version

    def _note(self, entry: Entry) -> None:
        if not self._runs or self._runs[-1][0] < entry.epoch:
            self._runs.append((entry.epoch, entry.index))
        configuration = configuration_of(entry)
        if configuration is not None:
            self._configurations.append((entry.index, configuration))

    @property
    def floor(self) -> int:
        """The index of the whole state; 0 where there is none but the genesis."""
        return self.snapshot.index if self.snapshot else 0

    @property
    def first(self) -> int:
        """The oldest version that can be sent as an increment."""
        return self._base + 1

    @property
    def version(self) -> int:
        return self._base + len(self._entries) if self._entries else max(self._base, self.floor)

    @property
    def epoch(self) -> int:
        """The epoch of the last version."""
        return self._runs[-1][0] if self._runs else 0

    @property
    def stamp(self) -> tuple[int, int]:
        """Orders copies as ``Standing.stamp`` does."""
        return self.epoch, self.version

    @property
    def runs(self) -> Runs:
        return tuple(self._runs[-MAX_RUNS:])

    @property
    def configuration(self) -> Configuration:
        """The latest, acknowledged or not."""
        return self._configurations[-1][1]

    @property
    def configured_at(self) -> int:
        """The version that made the latest configuration."""
        return self._configurations[-1][0]

    def configuration_at(self, index: int) -> Configuration:
        """The configuration in force once this version was made."""
        found = EMPTY
        for start, configuration in self._configurations:
            if start > index:
                break
            found = configuration
        return found

    def epoch_at(self, index: int) -> int | None:
        """The epoch of the version at this index, None where it is not known."""
        return epoch_in(tuple(self._runs), self.version, index)

    def runs_up_to(self, index: int) -> Runs:
        """The history of the versions up to this one."""
        return tuple(run for run in self._runs if run[1] <= index)[-MAX_RUNS:]

    def slice(self, start: int, end: int) -> list[Entry]:
        """The entries from ``start`` up to and including ``end``, as far as they are here."""
        return self._entries[max(0, start - self._base - 1) : max(0, end - self._base)]

    def batch(self, start: int, max_bytes: int) -> tuple[Entry, ...]:
        """Entries from ``start`` on, at least one where there is one."""
        ensure(start >= self.first, "versions that are asked for are here")
        found: list[Entry] = []
        size = 0
        for entry in self._entries[start - self._base - 1 :]:
            size += len(entry.data)
            if found and size > max_bytes:
                break
            found.append(entry)
        return tuple(found)

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds versions right behind the last."""
        for entry in entries:
            in_order = entry.index == self.version + 1 and entry.epoch >= self.epoch
            ensure(in_order, "a copy grows in order")
            self._note(entry)
            self._entries.append(entry)

    def truncate(self, index: int) -> None:
        """Drops the versions from ``index`` on."""
        ensure(index > self.floor, "what a whole state covers is never cut")
        del self._entries[index - self._base - 1 :]
        self._runs = [run for run in self._runs if run[1] < index]
        self._configurations = [item for item in self._configurations if item[0] < index]
        self.persisted = min(self.persisted, index - 1)

    def save(self, snapshot: Snapshot, keep_after: int) -> None:
        """Takes a whole state of this very copy, and drops the versions up to ``keep_after``."""
        ensure(self.snapshot is None or snapshot.index > self.floor, "whole states move on")
        ensure(self.epoch_at(snapshot.index) == snapshot.epoch, "a whole state is of its copy")
        ensure(keep_after <= snapshot.index, "what is dropped is covered")
        kept = [item for item in self._configurations if item[0] > snapshot.index]
        at = self.configuration_at(snapshot.index)
        self._configurations = [(snapshot.index, at), *kept]
        self.snapshot = snapshot
        if keep_after > self._base:
            del self._entries[: keep_after - self._base]
            self._base = keep_after

    def restore(self, snapshot: Snapshot) -> None:
        """Replaces everything by another's whole state.

        Raises:
            msgspec.DecodeError: its bytes are none; nothing has changed.
        """
        parts = whole_parts(snapshot.data)
        self.snapshot = snapshot
        self._entries.clear()
        self._base = snapshot.index
        self._runs = list(parts.runs)
        self._configurations = [(snapshot.index, parts.configuration)]
        self.persisted = min(self.persisted, 0)
