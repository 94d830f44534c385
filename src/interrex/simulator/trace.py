"""The trace of a run: one JSON line per step and per occurrence (docs/trace.md)."""

from collections.abc import Callable

import msgspec

from interrex.simulator.observation import Occurrence, Step

_encode = msgspec.json.Encoder(enc_hook=str, order="deterministic").encode


class Trace:
    """Writes lines to ``write``, each ending in a line feed."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def occurred(self, at: int, what: Occurrence) -> None:
        line = {"at": at, "kind": type(what).__name__, "what": what}
        self._write(_encode(line) + b"\n")

    def step(self, step: Step) -> None:
        line = {
            "at": step.at,
            "now": step.now,
            "node": step.worker,
            "life": step.life,
            "event": {"kind": type(step.event).__name__, "fields": step.event},
            "effects": [
                {"kind": type(effect).__name__, "fields": effect} for effect in step.effects
            ],
        }
        self._write(_encode(line) + b"\n")
