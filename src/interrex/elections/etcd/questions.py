"""What the election asks of etcd, what it may be told, and what etcd's client says by itself.

Keys are relative to the cluster's own prefix, which only the adapter knows. Revisions are those of
the whole etcd store. One question is one attempt: it is answered once, and asking again is the
election's business.

Source: etcd's API reference, version 3 (KV, Lease, Watch).
"""

from enum import StrEnum

import msgspec


class KeyValue(msgspec.Struct, frozen=True):
    """One key as it was read: when it was made, when it was last written, which lease it is on."""

    key: str
    value: bytes
    created: int
    modified: int
    lease: int = 0


# What transactions are made of


class Compare(msgspec.Struct, frozen=True):
    """A key was made, or last written, at this revision; 0: there is none of this name."""

    key: str
    created: int | None = None
    modified: int | None = None


class Put(msgspec.Struct, frozen=True):
    """Write a key, under a lease where one is named."""

    key: str
    value: bytes
    lease: int = 0


class Delete(msgspec.Struct, frozen=True):
    """Delete a key, or all keys from ``key`` up to (not including) ``end``."""

    key: str
    end: str = ""


class Get(msgspec.Struct, frozen=True):
    """Read a key, or those from ``key`` up to ``end``; only what was written after a revision."""

    key: str
    end: str = ""
    after: int = 0
    limit: int = 0
    keys_only: bool = False


Operation = Put | Delete | Get


# Questions


class Grant(msgspec.Struct, frozen=True):
    """A new lease of this id, for so many seconds."""

    lease: int
    ttl_s: int


class KeepAlive(msgspec.Struct, frozen=True):
    """Let a lease run its whole time from now on."""

    lease: int


class Revoke(msgspec.Struct, frozen=True):
    """End a lease at once, and with it the keys under it."""

    lease: int


class Transact(msgspec.Struct, frozen=True):
    """If all comparisons hold do the first operations, else the others, all at one revision."""

    compares: tuple[Compare, ...]
    success: tuple[Operation, ...] = ()
    failure: tuple[Operation, ...] = ()


class Watch(msgspec.Struct, frozen=True):
    """Tell of every change from this revision on. Ends the watch that was asked for before."""

    revision: int


Question = Grant | KeepAlive | Revoke | Transact | Watch


# Answers


class Granted(msgspec.Struct, frozen=True):
    """``ttl_s`` is what etcd gives, which may be more than what was asked for.

    ``asked``: when (ns) etcd was asked, where that was earlier than this question: a lease that
    several elections share is asked for once.
    """

    lease: int
    ttl_s: int
    asked: int | None = None


class Kept(msgspec.Struct, frozen=True):
    """As ``Granted``."""

    ttl_s: int
    asked: int | None = None


class Revoked(msgspec.Struct, frozen=True):
    """The lease is no more; perhaps it had ended before."""


class LeaseGone(msgspec.Struct, frozen=True):
    """The lease that was named does not exist (any more): nothing was done."""


class Transacted(msgspec.Struct, frozen=True):
    """``got`` has what each ``Get`` found, in their order; ``revision`` is the store's then."""

    succeeded: bool
    revision: int
    got: tuple[tuple[KeyValue, ...], ...] = ()


class Watching(msgspec.Struct, frozen=True):
    """The watch is up; its changes are news."""


class Certainty(StrEnum):
    """What is known of a question that was not answered."""

    NOT_DONE = "not done"
    REFUSED = "refused by etcd, and not done"
    UNKNOWN = "unknown whether done"


class Failed(msgspec.Struct, frozen=True):
    """No answer: why, in words, and whether it may have been done all the same."""

    certainty: Certainty
    text: str


Answer = Granted | Kept | Revoked | LeaseGone | Transacted | Watching | Failed


# News


class Event(msgspec.Struct, frozen=True):
    """A key was written, or (``value`` None) deleted, at the revision ``modified``."""

    key: str
    value: bytes | None
    created: int
    modified: int
    lease: int = 0


class Changed(msgspec.Struct, frozen=True):
    """Changes that a watch tells of, in the order of their revisions.

    ``watch`` is the number of the ``Ask`` that began it. All changes of one revision come
    together.
    """

    watch: int
    events: tuple[Event, ...]


class WatchLost(msgspec.Struct, frozen=True):
    """A watch has ended. ``compacted``: what it was to begin with is not kept any more."""

    watch: int
    text: str
    compacted: bool = False


class LeaseEnded(msgspec.Struct, frozen=True):
    """A lease that others share is given up, before etcd hears of it."""

    lease: int


WatchNews = Changed | WatchLost
News = WatchNews | LeaseEnded
