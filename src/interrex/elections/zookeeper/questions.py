"""What the election asks of ZooKeeper, what it may be told, and what its client says by itself.

Paths are relative to the cluster's own node. One question is one attempt: it is answered once.

Source: ZooKeeper Programmer's Guide.
"""

from enum import StrEnum

import msgspec

ANY = -1
"""Of versions: whichever it is."""

# What transactions are made of


class Check(msgspec.Struct, frozen=True):
    """A node is there, and has this version."""

    path: str
    version: int


class Create(msgspec.Struct, frozen=True):
    """Make a node; ``ephemeral``: it ends with this session; ``sequential``: its name gets a
    number that only rises."""

    path: str
    data: bytes
    ephemeral: bool = False
    sequential: bool = False


class Write(msgspec.Struct, frozen=True):
    """Replace a node's data, if it has this version, or whichever it has."""

    path: str
    data: bytes
    version: int


class Remove(msgspec.Struct, frozen=True):
    """Delete a node, if it has this version."""

    path: str
    version: int = ANY


Operation = Check | Create | Write | Remove


# Questions


class Transact(msgspec.Struct, frozen=True):
    """Do all of it or nothing, as one transaction."""

    operations: tuple[Operation, ...]


class Read(msgspec.Struct, frozen=True):
    """A node's data; with ``watch``, its next change is news."""

    path: str
    watch: bool = False


class List(msgspec.Struct, frozen=True):
    """The names of a node's children; with ``watch``, that one comes or goes is news."""

    path: str
    watch: bool = False


class Sync(msgspec.Struct, frozen=True):
    """Let what is read from now on be no older than now."""


class Reset(msgspec.Struct, frozen=True):
    """End the session, with all its ephemeral nodes, and begin another."""


Question = Transact | Read | List | Sync | Reset


# Answers


class Stat(msgspec.Struct, frozen=True):
    """A node's version, and the zxid of the transaction that wrote it."""

    version: int
    modified: int


class Transacted(msgspec.Struct, frozen=True):
    """It is done. ``created`` has the paths of what was made, ``written`` what ``Write`` left, each
    in their order."""

    created: tuple[str, ...] = ()
    written: tuple[Stat, ...] = ()


class Objection(StrEnum):
    """Why a transaction did nothing."""

    VERSION = "another version"
    MISSING = "no such node"
    EXISTS = "the node exists"


class NotHeld(msgspec.Struct, frozen=True):
    """Nothing was done: operation number ``at`` could not be."""

    at: int
    objection: Objection


class Found(msgspec.Struct, frozen=True):
    data: bytes
    stat: Stat


class Missing(msgspec.Struct, frozen=True):
    """There is no such node."""


class Names(msgspec.Struct, frozen=True):
    names: tuple[str, ...]


class Done(msgspec.Struct, frozen=True):
    pass


class Failed(msgspec.Struct, frozen=True):
    """No answer: why, and whether it may have been done all the same, or was refused."""

    may_be_done: bool
    text: str
    refused: bool = False
    """ZooKeeper itself says so: it does not pass by itself."""


Answer = Transacted | NotHeld | Found | Missing | Names | Done | Failed


# News


class Connected(msgspec.Struct, frozen=True):
    """A session is served: its id, and the time-out that was granted (ms)."""

    session: int
    granted_ms: int


class Suspended(msgspec.Struct, frozen=True):
    """The connection is lost; the session may live on."""


class Unserved(msgspec.Struct, frozen=True):
    """There will be no session before somebody acts: why, and what to do, in words."""

    text: str
    advice: str = ""


class Lost(msgspec.Struct, frozen=True):
    """The session has ended; another one begins by itself."""


class Fired(msgspec.Struct, frozen=True):
    """A node that is watched was changed, made or deleted."""

    path: str


News = Connected | Suspended | Unserved | Lost | Fired
