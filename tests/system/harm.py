"""What is done to real workers between them and the kernel, by ``harm.c``: their wall clock is
wrong, syncs of their disks fail or take long, or one is killed right after it has said something.
"""

from collections.abc import Iterable
from pathlib import Path

from bench.servers import build_preload

SOURCE = Path(__file__).with_name("harm.c")


class Harm:
    """Harms whatever is started with its environment, from the next call into libc on.

    Args:
        folder: of its own, and empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disks: dict[Path, tuple[int, float]] = {}
        self.environment = {
            "LD_PRELOAD": str(build_preload(SOURCE)),
            "INTERREX_HARM": str(folder),
        }

    def set_clock(self, wrong_by_s: int) -> None:
        """The wall clock jumps to so many seconds after the true time."""
        self._write("clock", str(wrong_by_s))

    def fail_syncs(self, folder: Path, error: int) -> None:
        """Each sync of a file in this folder fails with this errno."""
        self._set_disk(folder, error, 0.0)

    def slow_syncs(self, folder: Path, takes_s: float) -> None:
        """Each sync of a file in this folder takes so long, and then succeeds."""
        self._set_disk(folder, 0, takes_s)

    def mend(self, folder: Path) -> None:
        """Syncs there succeed again, and are as fast as they are."""
        del self._disks[folder]
        self._write_disks()

    def failed_syncs(self, pid: int) -> int:
        """How many syncs of a process have failed."""
        return self._signatures("failed").count(pid)

    def kill_whoever_says(self, patterns: Iterable[str]) -> None:
        """Kill the first process that has sent one of these, before it does anything else.

        Args:
            patterns: of bytes that are sent at once; see ``pattern_of``.
        """
        self._write("last", "".join(f"{pattern}\n" for pattern in patterns))

    @property
    def died_saying_it(self) -> int | None:
        """The process that was killed by ``kill_whoever_says``, once it was."""
        died = self._signatures("died")
        return died[-1] if died else None

    def _set_disk(self, folder: Path, error: int, takes_s: float) -> None:
        self._disks[folder] = (error, takes_s)
        self._write_disks()

    def _write_disks(self) -> None:
        rows = (f"{f} {error} {round(s * 1000)}\n" for f, (error, s) in self._disks.items())
        self._write("disks", "".join(rows))

    def _write(self, name: str, text: str) -> None:
        """At once: nobody reads a half of it."""
        new = self._folder / f"{name}.new"
        new.write_text(text)
        new.rename(self._folder / name)

    def _signatures(self, name: str) -> list[int]:
        path = self._folder / name
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def pattern_of(one: bytes, other: bytes) -> str:
    """The bytes that two messages have in common, for ``kill_whoever_says``; where they differ,
    any will do."""
    assert len(one) == len(other)
    pairs = zip(one, other, strict=True)
    return "".join(f"{byte:02x}" if byte == as_well else "??" for byte, as_well in pairs)
