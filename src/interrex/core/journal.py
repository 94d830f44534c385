"""What happened, for people: each worker notes events in its own file, merged on reading."""

import msgspec

from interrex.core.ids import HostName, SlotName, WorkerName


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event, without its time and place, which the runtime adds.

    ``kind`` is a stable dotted name such as ``replica.exited``; ``text`` is a sentence for people;
    ``slot`` or ``worker`` name what it is about. ``epoch`` is the newest that was known where it
    happened; of who leads now, or leads no longer, it is that leadership's.
    """

    kind: str
    text: str
    slot: SlotName | None = None
    worker: WorkerName | None = None
    host: HostName | None = None
    epoch: int | None = None
