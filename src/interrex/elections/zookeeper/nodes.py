"""Which nodes the election keeps in ZooKeeper, and what stands in them.

=======================  =========================================================================
``line/...``             who would lead: ephemeral and sequential, the priority and a GUID in its
                         name
``active``               the breadcrumb: who leads, or led last. It stays when they die. The zxid
                         of the transaction that wrote it is the epoch
``fenced``               up to which epoch whoever led before was fenced
``log/INDEX``            one change
``tip``                  up to which index there are changes
``snapshot``             up to which index the state is in parts, and which these are
``part/ID-NUMBER``       a piece of that state
=======================  =========================================================================
"""

import msgspec

from interrex.core.ids import WorkerName

LINE, ACTIVE, FENCED = "line", "active", "fenced"
LOG, TIP, SNAPSHOT, PARTS = "log", "tip", "snapshot", "part"

FOLDERS = (LINE, ACTIVE, FENCED, LOG, TIP, SNAPSHOT, PARTS)
"""The nodes that are always there."""

_ABOVE = 5000
"""Priorities are written so that the highest sorts first."""


class Crumb(msgspec.Struct, frozen=True, kw_only=True):
    """Who leads: worker, its node in the line, its session. ``released``: it gave up, in favour of
    ``heir`` (None: of whoever is next). ``fenced``: whoever led before was fenced by then; what is
    not so yet the node of that name says when it is."""

    worker: WorkerName
    node: str
    session: int
    fenced: bool = False
    released: bool = False
    heir: WorkerName | None = None


NOBODY = Crumb(worker=WorkerName("(nobody)"), node="", session=0, released=True)
"""What stands in a breadcrumb that somebody deleted: whoever led before is still to be fenced."""


class Tip(msgspec.Struct, frozen=True):
    """The index of the last change."""

    index: int = 0


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in the line, as its node's name tells; the least goes first."""

    precedence: int
    number: int
    worker: WorkerName
    guid: str
    node: str


def place_prefix(worker: WorkerName, priority: int, guid: str) -> str:
    """What ZooKeeper puts a number behind."""
    return f"{LINE}/{_ABOVE - priority:05d}~{guid}~{worker}~"


def place_of(name: str) -> Place | None:
    """A child of the line; None for one that no worker made."""
    parts = name.split("~")
    if len(parts) != 4 or not parts[0].isdecimal() or not parts[3].isdecimal():
        return None
    precedence, guid, worker, number = parts
    return Place(int(precedence), int(number), WorkerName(worker), guid, f"{LINE}/{name}")


def log_path(index: int) -> str:
    return f"{LOG}/{index:020d}"


def part_path(snapshot: str, number: int) -> str:
    return f"{PARTS}/{snapshot}-{number:06d}"
