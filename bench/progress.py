"""How far a run is, on the standard error, while a measure goes on for longer than a moment."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

ON_A_TERMINAL_S = 2.0
ELSEWHERE_S = 10.0

Step = TypeVar("Step")

_now = ""
"""What goes on, and how much of it is done. One measure runs at a time."""


def progress(steps: Sequence[Step], what: str = "") -> Iterator[Step]:
    """Each step in turn, counted for whoever waits.

    Args:
        steps: what is done one by one.
        what: in a word or two, where a measure does several things.
    """
    global _now
    for number, step in enumerate(steps, 1):
        _now = f"{what} {number} of {len(steps)}".strip()
        yield step
    _now = ""


def say(what: str) -> None:
    """What goes on, where nothing can be counted."""
    global _now
    _now = what


def wait(seconds: float, what: str = "") -> None:
    """Sleep through something that takes its time, saying how much of it has passed."""
    global _now
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        _now = f"{what} {seconds - left:.0f} of {seconds:.0f} s".strip()
        time.sleep(min(left, ELSEWHERE_S / 4))
    _now = ""


@contextmanager
def shown(topic: str) -> Iterator[None]:
    """Tells every few seconds how far a topic is: on a terminal in one line that goes again."""
    over = threading.Event()
    terminal = sys.stderr.isatty()
    teller = threading.Thread(target=_tell, args=(topic, over, terminal), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def clear() -> None:
    """Before something else is printed: the line goes."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _tell(topic: str, over: threading.Event, terminal: bool) -> None:
    began = time.monotonic()
    while not over.wait(ON_A_TERMINAL_S if terminal else ELSEWHERE_S):
        line = f"  {topic}, {time.monotonic() - began:.0f} s: {_now or 'at work'}"
        if terminal:
            print(f"\r\x1b[K{line[:79]}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)
    if terminal:
        clear()
