"""Events as lines for people."""

import time

from interrex.cli.report import painted
from interrex.runtime.journal import Event

_BAD = ("lost", "silent", "exited", "failed", "refused", "full", "not_started", "crash", "held")


def event_line(event: Event, colours: bool = False) -> str:
    """``14:03:22.117  worker-2  leader.elected  worker-2 leads: ...``, in local time."""
    moment = time.strftime("%H:%M:%S", time.localtime(event.time))
    moment += f".{int(event.time % 1 * 1000):03d}"
    subject = event.slot or event.worker or ""
    text = event.text if not subject or subject in event.text else f"{subject}: {event.text}"
    bad = any(word in event.kind for word in _BAD)
    kind = painted(f"{event.kind:<20}", "bad" if bad else "strong", colours)
    return f"{painted(moment, 'faint', colours)}  {event.by:<10}  {kind}  {text}"
