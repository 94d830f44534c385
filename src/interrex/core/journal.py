"""What happened, for people: each worker notes events in its own file, merged on reading."""

import msgspec

from interrex.core.ids import HostName, SlotName, WorkerName


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event, without its time and place, which the runtime adds.

    ``kind`` is a stable dotted name such as ``replica.exited``; ``text`` is a sentence for people;
    ``slot`` or ``worker`` name what it is about.
    """

    kind: str
    text: str
    slot: SlotName | None = None
    worker: WorkerName | None = None
    host: HostName | None = None
    epoch: int | None = None
