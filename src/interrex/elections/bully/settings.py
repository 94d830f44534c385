"""The numbers and the options of a Bully worker."""

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.sizes import MAX_CHANGE_BYTES
from interrex.core.spec import Bully, Timing
from interrex.core.time import MS, S, seconds
from interrex.elections.replicated.settings import KIB, MIB, ElectionTimes, at_least, in_seconds


class BullySettings(ElectionTimes, frozen=True, kw_only=True):
    """Durations in nanoseconds, sizes in bytes. Checked when constructed.

    ``quorum``: lead only with a majority of the members. ``preempt``: a higher worker that comes
    back takes over from a lower coordinator. ``priority`` maps workers to theirs; 0 for others.
    ``boot_patience``: how long a worker that has just started waits for all the others before it
    goes without some. ``stagger_floor``: the least distance between two ranks.
    ``answer_allowance``: how long, once there is a majority, the copies of the others are waited
    for. ``longest_hold_off``: how rarely a worker that keeps losing the lead takes it back.
    """

    quorum: bool = False
    preempt: bool = True
    priority: dict[WorkerName, int] = msgspec.field(default_factory=dict)
    boot_patience: int = S
    stagger_floor: int = 20 * MS
    answer_allowance: int = 20 * MS
    longest_hold_off: int = 15 * S
    batch_bytes: int = 256 * KIB
    snapshot_chunk_bytes: int = 256 * KIB
    snapshot_after: int = 10_000
    snapshot_after_bytes: int = 64 * MIB
    trailing_entries: int = 1_000
    max_change_bytes: int = MAX_CHANGE_BYTES
    max_uncommitted_bytes: int = 64 * MIB
    max_copy_bytes: int = 1024 * MIB
    catch_up_timeout: int = 30 * S

    def __post_init__(self) -> None:
        at_least("heartbeat", self.heartbeat, "1 ns", 1)
        least = 3 * self.heartbeat
        at_least("election_timeout", self.election_timeout, "3 heartbeats", least, in_seconds)


def settings_from(
    timing: Timing, options: Bully, compact_after: int | None = None
) -> BullySettings:
    """The settings that a cluster file asks for; ``compact_after`` as for ``new_election``.

    Raises:
        InterrexError: the times contradict each other.
    """
    usual = BullySettings(
        quorum=options.quorum, preempt=options.preempt, priority=dict(options.priority)
    )
    if compact_after is not None:
        usual = msgspec.structs.replace(
            usual,
            snapshot_after=compact_after,
            trailing_entries=min(compact_after // 2, usual.trailing_entries),
        )
    return retimed(usual, timing)


def retimed(settings: BullySettings, timing: Timing) -> BullySettings:
    """The same settings by other times.

    Raises:
        InterrexError: the times contradict each other.
    """
    timeout = seconds(timing.election_timeout)
    return msgspec.structs.replace(
        settings,
        heartbeat=seconds(timing.heartbeat),
        election_timeout=timeout,
        boot_patience=5 * timeout,
    )
