"""What a program and its host's worker say to each other about a named leadership.

Frames of msgpack on the worker's ``lead.sock``; times are ns on CLOCK_BOOTTIME, which both read.
The program says ``Follow`` first.
"""

import msgspec

VERSION = 1
MAX_WORD = 16 * 1024
MAX_NAME = 200
MAX_REPLY = 1024 * 1024
"""A reply names all who wait: as many as a worker has callers, of names as long as they may be."""


class Follow(msgspec.Struct, frozen=True, tag="follow"):
    """Who speaks, and which contest it is about. ``lifeline``: see ``runtime.lifeline``."""

    version: int
    contest: str
    identity: str
    priority: int
    lifeline: int


class StandFor(msgspec.Struct, frozen=True, tag="stand"):
    """It wants to lead; the same ticket again, on a new connection: it still does."""

    ticket: str
    sent_at: int


class StillHere(msgspec.Struct, frozen=True, tag="here"):
    """It lives and its loop turns."""

    ticket: str
    sent_at: int


class StandDown(msgspec.Struct, frozen=True, tag="down"):
    """It does not want to lead any more, and its body has ended."""

    ticket: str
    successor: str = ""


Word = Follow | StandFor | StillHere | StandDown


class Now(msgspec.Struct, frozen=True, tag="now"):
    """Who leads, and who waits.

    ``nearest``: the worker of this host, if any, that leads the cluster: what it is asked takes two
    messages less. Told once, in answer to ``Follow``.
    """

    leader: str | None
    epoch: int
    waiting: tuple[str, ...]
    nearest: str = ""


class Leads(msgspec.Struct, frozen=True, tag="leads"):
    """The program leads until ``deadline``; said again with a later one."""

    ticket: str
    epoch: int
    deadline: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The ticket is void. ``taken_by``: who has the same identity."""

    ticket: str
    reason: str
    taken_by: str = ""


class NotHere(msgspec.Struct, frozen=True, tag="not-here"):
    """The worker gives no leaderships to this program, and never will.

    ``version``: the one it speaks, where that is why; else 0.
    """

    reason: str
    version: int = 0


Reply = Now | Leads | Ended | NotHere

encode_word = msgspec.msgpack.Encoder().encode
decode_word = msgspec.msgpack.Decoder(Word).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
