"""The trace of a run: one JSON line per step and per occurrence (docs/trace.md).

The same run writes the same bytes, whatever the version of Python and the seed of its hashes.
"""

from collections.abc import Callable
from hashlib import blake2b

import msgspec

from interrex.core.messages import ElectionMail, decode
from interrex.core.storage import AppendEntries, Record, SaveSnapshot
from interrex.elections.interface import Persist
from interrex.simulator.observation import DiskWritten, Occurrence, Step, WorkerBegan
from interrex.simulator.raft_view import mail_fields, state_of
from interrex.worker.interface import MessageReceived, Send, WorkerEffect, WorkerEvent

_encode = msgspec.json.Encoder(enc_hook=repr, order="deterministic").encode

Fields = dict[str, object]


class Trace:
    """Writes lines to ``write``, each ending in a line feed."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def occurred(self, at: int, what: Occurrence) -> None:
        """Something befell the world."""
        self._write(_encode({"at": at, "world": _occurrence(what)}) + b"\n")

    def step(self, step: Step) -> None:
        """A worker took an event."""
        line = {
            "at": step.at,
            "now": step.now,
            "node": step.worker,
            "life": step.life,
            "event": _event(step.event),
            "effects": [_effect(effect) for effect in step.effects],
            "election": state_of(step.core.election),
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
    fields: Fields = {"kind": type(what).__name__}
    fields |= msgspec.structs.asdict(what)  # type: ignore[arg-type]
    return fields


def _event(event: WorkerEvent) -> Fields:
    if isinstance(event, MessageReceived):
        fields: Fields = {"kind": "MessageReceived", "sender": event.sender}
        try:
            message = decode(event.payload)
        except msgspec.MsgspecError as error:
            return fields | {"malformed": str(error)}
        return fields | {"message": _message(message)}
    return _named(event)


def _effect(effect: WorkerEffect) -> Fields:
    if isinstance(effect, Send):
        return {"kind": "Send", "to": effect.to, "message": _message(effect.message)}
    if isinstance(effect, Persist):
        records = [_record(record) for record in effect.records]
        return {"kind": "Persist", "token": effect.token, "records": records}
    return _named(effect)


def _message(message: object) -> Fields:
    if isinstance(message, ElectionMail):
        return {"kind": "ElectionMail", "mail": mail_fields(message.payload)}
    return _named(message)


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
