"""Beginning anew in a service that has lost what it acknowledged, because a person says so.

One worker that knows all of it puts a snapshot there, and everybody goes on from that. Its index
lies above all that were given, so that nobody has handed out more, and it says by how much the
service's own numbers are raised from then on: epochs go on above all that there were, however low
the service counts again.

Not guaranteed: that what only workers knew which cannot be heard is among it; that is forgotten. An
epoch or an index comes twice only if more than a thousand are known to nobody who can be heard.
"""

from interrex.elections.coordinated.log import SnapshotHead, pieces, snapshot_id
from interrex.elections.interface import SnapshotTaken

CHANGES_LEFT_OUT = 1000
EPOCHS_LEFT_OUT = 1000


def new_beginning(
    taken: SnapshotTaken, epoch: int, part_bytes: int, drawn: int
) -> tuple[SnapshotHead, list[bytes]]:
    """The snapshot that a log is begun anew with, and its parts.

    Args:
        taken: all that was acknowledged, as far as is known.
        epoch: the newest that is known.
        part_bytes: how much the service takes at once.
        drawn: by chance, below 2^32: two that begin anew at once never write the same parts.
    """
    index, above = taken.index + CHANGES_LEFT_OUT, epoch + EPOCHS_LEFT_OUT
    parts = pieces(taken.data, part_bytes)
    name = f"{snapshot_id(index, above)}-{drawn:08x}"
    return SnapshotHead(index, name, len(parts), above), parts
