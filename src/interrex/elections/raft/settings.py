"""The numbers of a Raft server, and the relations between them that safety and liveness need."""

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.sizes import MAX_CHANGE_BYTES
from interrex.core.spec import Timing
from interrex.core.time import MS, S, seconds

KIB = 1024
MIB = 1024 * 1024
MAX_VOTERS = 7


class RaftSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in nanoseconds, sizes in bytes, lengths in entries. Checked when constructed.

    ``heartbeat``: how often a leader proves that it is there.
    ``election_timeout``: the floor of the adaptive time-out; silence shorter than this is nothing.
    ``clock_error_per_mille``: how much faster or slower one clock may run than another; a leader's
    lease is shorter than its followers' patience by this much.
    ``reconnect_allowance``: how long a leader's closed connection may take to come back before
    a pre-vote is started, when nothing proves that the leader died.
    ``stagger_floor``: the least distance between two ranks of the succession order.
    ``batch_bytes`` and ``inflight_batches``: the flow to one follower.
    ``snapshot_after`` entries, or ``snapshot_after_bytes``, the state is asked for;
    ``trailing_entries`` are kept behind it for followers that lag a little.
    ``max_uncommitted_bytes``: beyond it a leader refuses proposals instead of growing.
    ``catch_up_timeout``: how long a change of membership may make no progress.
    ``paper_elections``: elect by chance alone, as in the extended paper, 5.2: whoever hears nobody
    for one to two whole, fixed ``election_timeout`` stands, without asking first and whatever its
    rank. It is for comparing with published figures: take-overs are slow, and a server that was
    cut off disturbs the others when it is back.
    """

    heartbeat: int = 50 * MS
    election_timeout: int = 200 * MS
    clock_error_per_mille: int = 100
    reconnect_allowance: int = 10 * MS
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
    paper_elections: bool = False

    def __post_init__(self) -> None:
        _at_least("heartbeat", self.heartbeat, "1 ns", 1)
        beats = 2 if self.paper_elections else 3
        least = beats * self.heartbeat
        _at_least("election_timeout", self.election_timeout, f"{beats} heartbeats", least)
        lease = self.lease_of(self.election_timeout)
        _at_least(
            f"the lease (election_timeout less {self.clock_error_per_mille} per mille of clock"
            " error)",
            lease,
            "2 heartbeats",
            2 * self.heartbeat,
        )
        for name in ("clock_error_per_mille", "reconnect_allowance", "trailing_entries"):
            _at_least(name, getattr(self, name), "0", 0)
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
            _at_least(name, getattr(self, name), "1", 1)
        _at_least(
            "max_uncommitted_bytes",
            self.max_uncommitted_bytes,
            "max_change_bytes",
            self.max_change_bytes,
        )

    def lease_of(self, timeout: int) -> int:
        """How long a leader may count on followers that will wait for ``timeout``."""
        return timeout * (1000 - self.clock_error_per_mille) // 1000

    @property
    def lateness(self) -> int:
        """From when on a late wake-up says that this process itself was not running."""
        return self.heartbeat // 2

    @property
    def longest_timeout(self) -> int:
        """The ceiling of the adaptive time-out."""
        return (1 if self.paper_elections else 10) * self.election_timeout


def settings_from(timing: Timing, compact_after: int | None = None) -> RaftSettings:
    """The settings that a cluster file's times ask for.

    Args:
        timing: the times.
        compact_after: after how many entries the log is compacted, None for the usual number;
            what is then kept, and sent at a time, is more or less in proportion.
    """
    usual = RaftSettings(
        heartbeat=seconds(timing.heartbeat), election_timeout=seconds(timing.election_timeout)
    )
    if compact_after is None:
        return usual
    share = compact_after, usual.snapshot_after
    return msgspec.structs.replace(
        usual,
        snapshot_after=compact_after,
        trailing_entries=_scaled(usual.trailing_entries, share),
        snapshot_chunk_bytes=_scaled(usual.snapshot_chunk_bytes, share),
    )


def retimed(settings: RaftSettings, timing: Timing) -> RaftSettings:
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
            f"raft settings: {name} is {value}, and must be at least {what}: {least}"
        )
