"""What the output can show."""

import os
from typing import TextIO


def has_colours(stream: TextIO) -> bool:
    """Whether to print colours: on a terminal, unless the user wants none (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
