"""The trace of a run: one JSON line per step and per occurrence (docs/trace.md).

The same run writes the same bytes, whatever the version of Python and the seed of its hashes.
"""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b

import msgspec

from interrex.core.messages import ElectionMail, decode
from interrex.core.spec import ClusterSpec
from interrex.core.storage import AppendEntries, Entry, Record, SaveSnapshot
from interrex.elections.inside import Inside
from interrex.elections.interface import Ask, MalformedPayload, Noticed, Persist, Told
from interrex.elections.registry import inside_of
from interrex.simulator.observation import DiskWritten, Occurrence, Step, WorkerBegan
from interrex.worker.interface import MessageReceived, Send, WorkerEffect, WorkerEvent

_encode = msgspec.json.Encoder(enc_hook=repr, order="deterministic").encode

Fields = dict[str, object]


class Trace:
    """Writes lines to ``write``, each ending in a line feed."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._inside: Inside | None = None

    def begin(self, spec: ClusterSpec) -> None:
        """A run of such a cluster begins: its election is looked into."""
        self._inside = inside_of(spec)

    def occurred(self, at: int, what: Occurrence) -> None:
        """Something befell the world."""
        self._write(_encode({"at": at, "world": _occurrence(what)}) + b"\n")

    def step(self, step: Step) -> None:
        """A worker took an event."""
        inside = self._inside
        assert inside is not None
        line = {
            "at": step.at,
            "now": step.now,
            "node": step.worker,
            "life": step.life,
            "event": _event(step.event, inside),
            "effects": [_effect(effect, inside) for effect in step.effects],
            "election": inside.state(step.core.election),
        }
        self._write(_encode(line) + b"\n")


class Digest:
    """A trace that keeps only what tells two runs apart."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self.trace = Trace(self._hash.update)

    @property
    def hex(self) -> str:
        """Of all lines so far."""
        return self._hash.hexdigest()


def _named(what: object) -> Fields:
    fields: Fields = msgspec.structs.asdict(what)  # type: ignore[arg-type]
    if "kind" in fields:
        fields["its_kind"] = fields["kind"]
    fields["kind"] = type(what).__name__
    return fields


def _event(event: WorkerEvent, inside: Inside) -> Fields:
    match event:
        case MessageReceived(sender, payload):
            fields: Fields = {"kind": "MessageReceived", "sender": sender}
            try:
                message = decode(payload)
            except msgspec.MsgspecError as error:
                return fields | {"malformed": str(error)}
            return fields | {"message": _message(message, inside)}
        case Told(request, answer):
            return {"kind": "Told", "request": request, "answer": _said(answer)}
        case Noticed(news):
            return {"kind": "Noticed", "news": _said(news)}
        case _:
            return _named(event)


def _effect(effect: WorkerEffect, inside: Inside) -> Fields:
    match effect:
        case Send(to, message):
            return {"kind": "Send", "to": to, "message": _message(message, inside)}
        case Persist(token, records):
            shown = [_record(record) for record in records]
            return {"kind": "Persist", "token": token, "records": shown}
        case Ask(request, question):
            return {"kind": "Ask", "request": request, "question": _said(question)}
        case _:
            return _named(effect)


def _message(message: object, inside: Inside) -> Fields:
    if isinstance(message, ElectionMail):
        return {"kind": "ElectionMail", "mail": _mail(message.payload, inside)}
    return _named(message)


def _mail(payload: bytes, inside: Inside) -> Fields:
    try:
        return _said(inside.decode(payload))
    except (MalformedPayload, msgspec.MsgspecError) as error:
        return {"kind": "malformed", "why": str(error)}


def _said(what: msgspec.Struct) -> Fields:
    """What an election says: its kind, and all fields but the bytes of entries and of states."""
    fields: Fields = {"kind": type(what).__name__}
    for name, key in _keys_of(type(what)):
        fields[key] = _value(getattr(what, name))
    return fields


@cache
def _keys_of(kind: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """Each field of a message, and what it is called in a trace: of bytes only how many."""
    return tuple(
        (field.name, f"{field.name}_bytes" if field.type in _OF_BYTES else field.name)
        for field in msgspec.structs.fields(kind)
    )


_OF_BYTES = (bytes, bytes | None, tuple[bytes, ...])


def _value(value: object) -> object:
    match value:
        case Entry(index, epoch):
            return [index, epoch]
        case msgspec.Struct():
            return _said(value)
        case tuple():
            return [_value(each) for each in value]
        case bytes():
            return len(value)
        case _:
            return value


def _record(record: Record) -> Fields:
    """Without the bytes of entries and snapshots."""
    kind = type(record).__name__
    if isinstance(record, AppendEntries):
        return {"kind": kind, "entries": [[entry.index, entry.epoch] for entry in record.entries]}
    if isinstance(record, SaveSnapshot):
        snapshot = record.snapshot
        at = [snapshot.index, snapshot.epoch]
        keep = {"keep_after": record.keep_after, "discard_log": record.discard_log}
        return {"kind": kind, "snapshot": at, "bytes": len(snapshot.data), **keep}
    return _named(record)


def _occurrence(what: Occurrence) -> Fields:
    if isinstance(what, DiskWritten):
        return {
            "kind": "DiskWritten",
            "worker": what.worker,
            "life": what.life,
            "token": what.token,
            "records": [_record(record) for record in what.records],
        }
    if isinstance(what, WorkerBegan):
        entries = what.stored.entries
        return {
            "kind": "WorkerBegan",
            "worker": what.worker,
            "life": what.life,
            "host": what.host,
            "member": what.member,
            "facts": what.stored.facts,
            "snapshot": what.stored.snapshot.index if what.stored.snapshot else 0,
            "last_index": entries[-1].index if entries else 0,
        }
    return _named(what)
