"""The numbers that all coordinated elections go by."""

import msgspec

from interrex.core.time import MS, S

KIB = 1024


class CoordinatedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in nanoseconds, sizes in bytes.

    ``stagger``: the distance between two ranks of candidates. ``transfer_patience``: how long the
    others wait for the one who was chosen. ``fence_patience``: how long a worker that says nothing
    is waited for before a leadership begins. ``first_retry`` and ``last_retry``: how long after a
    failure the service is asked again.
    """

    priority: int = 0
    stagger: int = 50 * MS
    transfer_patience: int = S
    fence_patience: int = 2 * S
    first_retry: int = 20 * MS
    last_retry: int = S
    batch_entries: int = 64
    batch_bytes: int = 256 * KIB
    part_bytes: int = 512 * KIB
    snapshot_after: int = 1_000
    snapshot_after_bytes: int = 16 * 1024 * KIB
