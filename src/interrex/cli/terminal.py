"""What the output can show."""

import os
import sys
from typing import TextIO


def has_colours(stream: TextIO) -> bool:
    """Whether to print colours: on a terminal, unless the user wants none (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """Print to standard error, every line of it marked as this program's: what is said beside a
    result, errors and notes, may be mixed with other programs' lines in a log."""
    for line in text.strip().splitlines():
        print(f"interrex: {line}", file=sys.stderr)
    sys.stderr.flush()
