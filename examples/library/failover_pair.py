"""Two servers, one of which is active; without asyncio in what they do.

    python failover_pair.py URL NAME PRIORITY state.txt

Both wait for their turn; the one with the higher priority goes first when both wait. The active one
counts in a file that only the newest leadership can write.
"""

import sys
import time
from pathlib import Path

from interrex.library import blocking
from interrex.library.errors import StaleEpoch
from interrex.library.guards.files import GuardedFile
from interrex.library.leadership import Leadership

STEP_S = 0.05


def be_active(path: Path, name: str, leadership: Leadership) -> None:
    """Count up while the leadership lasts."""
    file = GuardedFile(path)
    while not leadership.ended:
        before = path.read_text().split() if path.exists() else ["0"]
        count = int(before[0]) + 1
        try:
            file.write(f"{count} by {name} in {leadership.epoch}\n".encode(), leadership.epoch)
        except StaleEpoch:
            return
        time.sleep(STEP_S)


def main(url: str, name: str, priority: str, path: str) -> None:
    with blocking.election(url, identity=name, priority=int(priority)) as election:
        while True:
            with election.lead() as leadership:
                be_active(Path(path), name, leadership)


if __name__ == "__main__":
    main(*sys.argv[1:5])
