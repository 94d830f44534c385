"""The numbers of a Paxos server."""

from typing import Self

import msgspec

from interrex.core.spec import Timing
from interrex.elections.replicated.settings import ReplicatedSettings, at_least, scaled


class PaxosSettings(ReplicatedSettings, frozen=True, kw_only=True):
    """What every election that replicates a log is set to, and one number of Paxos' own.

    What is counted in entries elsewhere is counted in slots here. ``stagger_floor`` is also what a
    proposer that lost a duel backs off by at first.

    ``window``: how many slots behind the last learned one may be proposed in; a configuration
    that is agreed on takes effect so many slots later. The same on every member, for ever.
    """

    window: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("window", self.window, "1", 1)

    def compacting_after(self, entries: int) -> Self:
        """As everywhere; the window too is larger or smaller in proportion."""
        window = scaled(self.window, entries, self.snapshot_after)
        return msgspec.structs.replace(super().compacting_after(entries), window=window)


def settings_from(timing: Timing, compact_after: int | None = None) -> PaxosSettings:
    """The settings that a cluster file's times ask for.

    Args:
        timing: the times.
        compact_after: after how many slots the log is compacted, None for the usual number.
    """
    usual = PaxosSettings().retimed(timing)
    return usual if compact_after is None else usual.compacting_after(compact_after)
