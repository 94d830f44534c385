"""Programs that the bench extra installs beside this Python."""

import shutil
import sys
from pathlib import Path


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
