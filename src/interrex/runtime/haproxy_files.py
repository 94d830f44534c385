"""A balancer's files: what it starts from, and the newest routes it was ever told to follow."""

import os
import threading
from pathlib import Path

from interrex.balancer.addresses import parse_remembered
from interrex.balancer.configuration import (
    CONFIGURATION_FILE,
    LUA_FILE,
    Configuration,
    parse_header,
)
from interrex.balancer.waiting import WAITING_LUA
from interrex.core.errors import InterrexError

_HEADER_BYTES = 256


class StaleRoutes(InterrexError):  # noqa: N818
    """The table is older than one that this balancer has followed: its sender leads no more."""


class BalancerFiles:
    """The folder of one balancer process.

    Args:
        folder: ``STATE/hosts/HOST/balancer/balancer.N``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writing = threading.Lock()

    @property
    def configuration(self) -> Path:
        return self.folder / CONFIGURATION_FILE

    def followed(self) -> tuple[int, int] | None:
        """(epoch, version) of the table in the file, None where there is none or it is damaged."""
        try:
            with self.configuration.open(encoding="utf-8", errors="replace") as file:
                return parse_header(file.read(_HEADER_BYTES))
        except FileNotFoundError:
            return None

    def remembered(self) -> dict[str, str]:
        """The addresses of host names that the file remembers."""
        try:
            return parse_remembered(
                self.configuration.read_text(encoding="utf-8", errors="replace")
            )
        except FileNotFoundError:
            return {}

    def write(self, wanted: Configuration, epoch: int, version: int) -> None:
        """Replace the file, unless it holds a newer table; may be called from any thread.

        The text is on disk before it replaces the old one, so a machine that loses its power
        keeps the one or the other, whole. The folder is synced when the epoch rises: what may be
        forgotten is a version of the same leader, never that there was a newer leader.

        Raises:
            StaleRoutes: the file holds a newer table.
            OSError: the disk refused.
        """
        with self._writing:
            followed = self.followed() or (-1, -1)
            if (epoch, version) < followed:
                raise StaleRoutes(
                    f"routes {epoch}.{version} are older than {followed[0]}.{followed[1]}, which "
                    f"{self.folder.name} follows\na newer leader exists: nothing needs to be done"
                )
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # First what the configuration refers to.
            self._replace(self.folder / LUA_FILE, WAITING_LUA, remember=False)
            self._replace(self.configuration, wanted.text, remember=epoch > followed[0])

    def _replace(self, path: Path, text: str, *, remember: bool) -> None:
        if path.exists() and path.read_bytes() == text.encode():
            return
        fresh = path.with_name(f"{path.name}.new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        if remember:
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
