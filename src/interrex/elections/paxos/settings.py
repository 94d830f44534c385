"""The numbers of a Paxos server, and the relations between them that safety and liveness need."""

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.sizes import MAX_CHANGE_BYTES
from interrex.core.spec import Timing
from interrex.core.time import MS, S, seconds

KIB = 1024
MIB = 1024 * 1024
MAX_VOTERS = 7


class PaxosSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in nanoseconds, sizes in bytes, lengths in slots. Checked when constructed.

    ``heartbeat``: how often a leader proves that it is there.
    ``election_timeout``: the floor of the adaptive time-out; silence shorter than this is nothing.
    ``clock_error_per_mille``: how much faster or slower one clock may run than another; a leader's
    lease is shorter than its followers' patience by this much.
    ``reconnect_allowance``: how long a leader's closed connection may take to come back before
    anybody asks to succeed it, when nothing proves that it died.
    ``stagger_floor``: the least distance between two ranks of the succession order, and what a
    proposer that lost a duel backs off by at first.
    ``window``: how many slots behind the last learned one may be proposed in; a configuration
    that is agreed on takes effect so many slots later. The same on every member, for ever.
    ``batch_bytes`` and ``inflight_batches``: the flow to one acceptor.
    ``snapshot_after`` slots, or ``snapshot_after_bytes``, the state is asked for;
    ``trailing_entries`` are kept behind it for learners that lag a little.
    ``max_uncommitted_bytes``: beyond it a leader refuses proposals instead of growing.
    ``catch_up_timeout``: how long a change of membership may make no progress.
    """

    heartbeat: int = 50 * MS
    election_timeout: int = 200 * MS
    clock_error_per_mille: int = 100
    reconnect_allowance: int = 10 * MS
    stagger_floor: int = 2 * MS
    window: int = 256
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

    def __post_init__(self) -> None:
        _at_least("heartbeat", self.heartbeat, "1 ns", 1)
        least = 3 * self.heartbeat
        _at_least("election_timeout", self.election_timeout, "3 heartbeats", least)
        _at_least(
            f"the lease (election_timeout less {self.clock_error_per_mille} per mille of clock"
            " error)",
            self.lease_of(self.election_timeout),
            "2 heartbeats",
            2 * self.heartbeat,
        )
        for name in ("clock_error_per_mille", "reconnect_allowance", "trailing_entries"):
            _at_least(name, getattr(self, name), "0", 0)
        for name in (
            "stagger_floor",
            "window",
            "batch_bytes",
            "inflight_batches",
            "snapshot_chunk_bytes",
            "snapshot_after",
            "snapshot_after_bytes",
            "max_change_bytes",
            "catch_up_timeout",
        ):
            _at_least(name, getattr(self, name), "1", 1)
        _at_least(
            "max_uncommitted_bytes",
            self.max_uncommitted_bytes,
            "max_change_bytes",
            self.max_change_bytes,
        )

    def lease_of(self, timeout: int) -> int:
        """How long a leader may count on acceptors that will wait for ``timeout``."""
        return timeout * (1000 - self.clock_error_per_mille) // 1000

    @property
    def lateness(self) -> int:
        """From when on a late wake-up says that this process itself was not running."""
        return self.heartbeat // 2

    @property
    def longest_timeout(self) -> int:
        """The ceiling of the adaptive time-out."""
        return 10 * self.election_timeout


def settings_from(timing: Timing, compact_after: int | None = None) -> PaxosSettings:
    """The settings that a cluster file's times ask for.

    Args:
        timing: the times.
        compact_after: after how many slots the log is compacted, None for the usual number; what
            is then kept, sent at a time, and the window, are more or less in proportion.
    """
    usual = PaxosSettings(
        heartbeat=seconds(timing.heartbeat), election_timeout=seconds(timing.election_timeout)
    )
    if compact_after is None:
        return usual
    share = compact_after, usual.snapshot_after
    return msgspec.structs.replace(
        usual,
        window=_scaled(usual.window, share),
        snapshot_after=compact_after,
        trailing_entries=_scaled(usual.trailing_entries, share),
        snapshot_chunk_bytes=_scaled(usual.snapshot_chunk_bytes, share),
    )


def retimed(settings: PaxosSettings, timing: Timing) -> PaxosSettings:
    """The same settings by other times.

    Raises:
        InterrexError: the times contradict each other.
    """
    return msgspec.structs.replace(
        settings,
        heartbeat=seconds(timing.heartbeat),
        election_timeout=seconds(timing.election_timeout),
    )


def _scaled(number: int, share: tuple[int, int]) -> int:
    return max(1, number * share[0] // share[1])


def _at_least(name: str, value: int, what: str, least: int) -> None:
    if value < least:
        raise InterrexError(
            f"paxos settings: {name} is {value}, and must be at least {what}: {least}"
        )
