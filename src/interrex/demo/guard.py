"""``python -m interrex.demo.guard FOLDER``: takes the demo's fleet down if the demo cannot.

Workers outlive whoever started them, on purpose; the demo's must not outlive the demo, even if it
is killed. This process waits at the other end of a pipe: when the pipe closes without the word
``done``, it brings the fleet down itself.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from interrex.demo.fleet import Fleet

DONE = b"done"


class Guard:
    """The demo's end of the pipe. The guard has a session of its own: Ctrl-C does not reach it."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "interrex.demo.guard", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Everything is down: nothing is left to guard."""
        self._process.communicate(DONE)


async def _bring_down(fleet: Fleet) -> None:
    await fleet.take_down(lambda line: None)
    await fleet.end()


def main(arguments: list[str]) -> None:
    """Wait for the pipe's end."""
    if sys.stdin.buffer.read() != DONE:
        asyncio.run(_bring_down(Fleet(Path(arguments[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])
