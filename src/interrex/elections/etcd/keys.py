"""Which keys the election keeps in etcd, and what stands in them.

=====================  ===========================================================================
``leader``             the holder; under its lease. Its creation revision is the epoch.
``candidate/WORKER``   who would lead; under that worker's lease
``successor``          written by a leader that gave up: after which epoch, and in whose favour
``log/INDEX``          one change, made once
``snapshot``           up to which index the state is in parts, and which these are
``part/ID/NUMBER``     a piece of that state
=====================  ===========================================================================
"""

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.candidacy import Who

LEADER = "leader"
SUCCESSOR = "successor"
SNAPSHOT = "snapshot"
CANDIDATES = "candidate/"
LOG = "log/"
PARTS = "part/"

EVERYTHING = ("", "\x7f")
"""All of the cluster's keys, first and (beyond the) last: they are plain ASCII."""


class Holder(msgspec.Struct, frozen=True):
    """Who leads."""

    worker: WorkerName


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who would lead. Of two, the one of the higher priority, then the one who came first."""

    worker: WorkerName
    priority: int
    who: Who | None = None


class Successor(msgspec.Struct, frozen=True):
    """Who gave up leading, in which epoch, and in whose favour; None: of whoever is next."""

    epoch: int
    left: WorkerName
    chosen: WorkerName | None


def log_key(index: int) -> str:
    """Where the change of an index stands; keys sort as indices do."""
    return f"{LOG}{index:020d}"


def log_index(key: str) -> int:
    """Raises ValueError where the key is none of the log's."""
    return int(key.removeprefix(LOG))


def candidate_key(worker: WorkerName) -> str:
    return f"{CANDIDATES}{worker}"


def part_key(snapshot: str, number: int) -> str:
    return f"{PARTS}{snapshot}/{number:06d}"


def after(prefix: str) -> str:
    """The end of the range of all keys that begin with this."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
