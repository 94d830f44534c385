"""What the output can show, and how it is left."""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TextIO

ENDINGS = (signal.SIGTERM, signal.SIGHUP)
"""These ask a process to end, as Ctrl-C does."""


def has_colours(stream: TextIO) -> bool:
    """Whether to print colours: on a terminal, unless the user wants none (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def pause(seconds: float) -> None:
    """Sleep before more is looked for that may be printed.

    Raises:
        BrokenPipeError: nobody reads any more what this prints.
    """
    poll = select.poll()
    poll.register(sys.stdout, 0)
    begin = time.monotonic()
    for _, event in poll.poll(seconds * 1000):
        if event & select.POLLERR:
            raise BrokenPipeError
    time.sleep(max(0.0, begin + seconds - time.monotonic()))


class _Ended(BaseException):
    """A signal asks this process to end."""


@contextlib.contextmanager
def left_in_order() -> Iterator[None]:
    """What changes a terminal, a hidden cursor say, is put right before a signal ends this process.

    It is still the signal that ends it; a second one does so at once. An ignored signal, as of
    nohup's, stays ignored. To be entered first, and by the main thread.
    """
    caught: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        _no_longer(end)
        caught.append(number)
        raise _Ended

    try:
        with _at_every_ending(end):
            yield
    finally:
        if caught:
            signal.raise_signal(caught[0])


@contextlib.contextmanager
def interrupted_by_every_ending() -> Iterator[None]:
    """Whatever asks this process to end is as Ctrl-C: ``timeout`` too is told what was done so far.

    An ignored signal, as of nohup's, stays ignored. To be entered by the main thread.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _at_every_ending(end):
        yield


@contextlib.contextmanager
def _at_every_ending(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    for number in ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handler)
    try:
        yield
    finally:
        _no_longer(handler)


def _no_longer(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in ENDINGS:
        if signal.getsignal(number) is handler:
            signal.signal(number, signal.SIG_DFL)


def say(text: str) -> None:
    """Print to standard error, every line of it marked as this program's: what is said beside a
    result, errors and notes, may be mixed with other programs' lines in a log."""
    for line in text.strip().splitlines():
        print(f"interrex: {line}", file=sys.stderr)
    sys.stderr.flush()
