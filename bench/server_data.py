"""What a killed server's disk holds: put aside, as if it were lost, and put back."""

import shutil
from pathlib import Path


def lose(folder: Path) -> None:
    """Put it aside: the server begins with nothing."""
    folder.rename(folder.with_suffix(".kept"))


def put_back(folder: Path) -> None:
    """The disk holds again what was put aside."""
    shutil.rmtree(folder)
    folder.with_suffix(".kept").rename(folder)
