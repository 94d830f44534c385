"""The numbers of a server that replicates a log, and the relations between them that safety and
liveness need."""

from collections.abc import Callable
from typing import Self

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.sizes import MAX_CHANGE_BYTES
from interrex.core.spec import Timing
from interrex.core.time import MS, S, seconds

KIB = 1024
MIB = 1024 * 1024


class ElectionTimes(msgspec.Struct, frozen=True, kw_only=True):
    """The times of a leader that proves that it is there, in nanoseconds.

    ``heartbeat``: how often it does.
    ``election_timeout``: the floor of the adaptive time-out; silence shorter than this is nothing.
    ``clock_error_per_mille``: how much faster or slower one clock may run than another; a leader's
    lease is shorter than its followers' patience by this much.
    ``reconnect_allowance``: how long a leader's closed connection may take to come back before
    anybody asks to succeed it, when nothing proves that it died.
    """

    heartbeat: int = seconds(Timing().heartbeat)
    election_timeout: int = seconds(Timing().election_timeout)
    clock_error_per_mille: int = 100
    reconnect_allowance: int = 10 * MS

    def lease_of(self, timeout: int) -> int:
        """How long a leader may count on others that will wait for ``timeout``."""
        return timeout * (1000 - self.clock_error_per_mille) // 1000

    @property
    def lateness(self) -> int:
        """From when on a late wake-up says that this process itself was not running."""
        return self.heartbeat // 2

    @property
    def longest_timeout(self) -> int:
        """The ceiling of the adaptive time-out."""
        return 10 * self.election_timeout


class ReplicatedSettings(ElectionTimes, frozen=True, kw_only=True):
    """Durations in nanoseconds, sizes in bytes, lengths in entries. Checked when constructed.

    ``stagger_floor``: the least distance between two ranks of the succession order.
    ``batch_bytes`` and ``inflight_batches``: the flow to one follower.
    ``snapshot_after`` entries, or ``snapshot_after_bytes``, the state is asked for;
    ``trailing_entries`` are kept behind it for followers that lag a little.
    ``max_uncommitted_bytes``: beyond it a leader refuses proposals instead of growing.
    ``catch_up_timeout``: how long a change of membership may make no progress.
    ``stands_at_once``: it asks to be elected as it starts, and waits for no time-out. For one of
    those that begin together: where nobody has led yet, nobody is to be heard.
    """

    stagger_floor: int = 2 * MS
    batch_bytes: int = 256 * KIB
    inflight_batches: int = 8
    snapshot_chunk_bytes: int = 256 * KIB
    snapshot_after: int = 10_000
    snapshot_after_bytes: int = 64 * MIB
    trailing_entries: int = 1_000
    max_change_bytes: int = MAX_CHANGE_BYTES
    max_uncommitted_bytes: int = 64 * MIB
    max_snapshot_bytes: int = 1024 * MIB
    catch_up_timeout: int = 30 * S
    stands_at_once: bool = False

    def __post_init__(self) -> None:
        at_least("heartbeat", self.heartbeat, "1 ns", 1)
        least = self.least_beats * self.heartbeat
        beats = f"{self.least_beats} heartbeats"
        at_least("election_timeout", self.election_timeout, beats, least, in_seconds)
        at_least(
            f"the lease (election_timeout less {self.clock_error_per_mille} per mille of clock"
            " error)",
            self.lease_of(self.election_timeout),
            "2 heartbeats",
            2 * self.heartbeat,
            in_seconds,
        )
        for name in ("clock_error_per_mille", "reconnect_allowance", "trailing_entries"):
            at_least(name, getattr(self, name), "0", 0)
        for name in (
            "stagger_floor",
            "batch_bytes",
            "inflight_batches",
            "snapshot_chunk_bytes",
            "snapshot_after",
            "snapshot_after_bytes",
            "max_change_bytes",
            "catch_up_timeout",
        ):
            at_least(name, getattr(self, name), "1", 1)
        at_least(
            "max_uncommitted_bytes",
            self.max_uncommitted_bytes,
            "max_change_bytes",
            self.max_change_bytes,
        )

    @property
    def least_beats(self) -> int:
        """How many heartbeats the time-out is long at least."""
        return 3

    def retimed(self, timing: Timing) -> Self:
        """The same settings by other times.

        Raises:
            InterrexError: the times contradict each other.
        """
        return msgspec.structs.replace(
            self,
            heartbeat=seconds(timing.heartbeat),
            election_timeout=seconds(timing.election_timeout),
        )

    def compacting_after(self, entries: int) -> Self:
        """The same settings where the log is compacted after so many entries: what is then kept,
        and sent at a time, is more or less in proportion."""
        return msgspec.structs.replace(
            self,
            snapshot_after=entries,
            trailing_entries=scaled(self.trailing_entries, entries, self.snapshot_after),
            snapshot_chunk_bytes=scaled(self.snapshot_chunk_bytes, entries, self.snapshot_after),
        )


def scaled(number: int, numerator: int, denominator: int) -> int:
    """A number in proportion, at least 1."""
    return max(1, number * numerator // denominator)


def in_seconds(duration: int) -> str:
    """A duration (ns) for people."""
    return f"{duration / S:g} s"


def at_least(
    name: str, value: int, what: str, least: int, show: Callable[[int], str] = str
) -> None:
    """Checks one number.

    Args:
        name: what it is called.
        value: what it is.
        what: the least in words.
        least: and as a number.
        show: how both are written.

    Raises:
        InterrexError: it is too small.
    """
    if value < least:
        raise InterrexError(f"{name} is {show(value)}, and must be at least {what}: {show(least)}")
