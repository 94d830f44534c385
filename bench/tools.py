"""Programs that the bench extra installs beside this Python; what is left out without them."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_left_out: list[str] = []
"""Why, of this run."""


class MissingTool(Exception):  # noqa: N818
    """A peer is not installed: its comparison is left out."""


def tool(name: str) -> Path:
    """Where a program is.

    Raises:
        MissingTool: it is not installed.
    """
    beside = Path(sys.executable).with_name(name)
    if beside.exists():
        return beside
    found = shutil.which(name)
    if found is None:
        raise MissingTool(f"{name} is not installed")
    return Path(found)


@contextmanager
def where_installed() -> Iterator[None]:
    """Leaves out what is done within from where a program is missing for it."""
    try:
        yield
    except MissingTool as missing:
        leave_out(str(missing))


def leave_out(reason: str) -> None:
    """Say once why something cannot be measured here, and remember it."""
    if reason not in _left_out:
        _left_out.append(reason)
        print(f"  left out: {reason}", flush=True)


def left_out() -> list[str]:
    """Why anything was left out of this run; empty where nothing was."""
    return list(_left_out)
