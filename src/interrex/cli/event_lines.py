"""Events as lines for people, and the new ones as they come."""

import time
from collections.abc import Iterable

from interrex.cli.report import painted
from interrex.core.ids import WorkerName
from interrex.runtime.journal import Event, EventTail, read_events
from interrex.runtime.layout import Layout

_BAD = ("lost", "silent", "exited", "failed", "refused", "full", "not_started", "crash", "held")


def event_line(event: Event, colours: bool = False) -> str:
    """``14:03:22.117  worker-2  leader.elected  worker-2 leads, epoch 7, ...``, local time."""
    moment = time.strftime("%H:%M:%S", time.localtime(event.time))
    moment += f".{int(event.time % 1 * 1000):03d}"
    subject = event.slot or event.worker or ""
    text = event.text if not subject or subject in event.text else f"{subject}: {event.text}"
    bad = any(word in event.kind for word in _BAD)
    kind = painted(f"{event.kind:<20}", "bad" if bad else "strong", colours)
    return f"{painted(moment, 'faint', colours)}  {event.by:<10}  {kind}  {text}"


class Tails:
    """New events of all workers, also of those that come later."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._tails = {name: self._tail(name) for name in layout.worker_names()}

    def read(self, known: Iterable[Event] = ()) -> list[Event]:
        """What was added since the last call, by time, but for what is known."""
        found = [event for tail in self._tails.values() for event in tail.read()]
        for name in self._layout.worker_names():
            if name not in self._tails:
                self._tails[name] = self._tail(name)
                found += read_events([self._layout.events(name)])
        seen = set(known)
        return sorted((event for event in found if event not in seen), key=lambda one: one.time)

    def _tail(self, name: WorkerName) -> EventTail:
        return EventTail([self._layout.events(name)])
