"""What a run of tests or benches starts can be told from everything else, also once it is dead.

Each run has a folder that it keeps locked for as long as it lives, and a variable in its
environment that names the folder, which all that it starts inherits. Killed, it leaves both
behind: the next run finds the lock free, and ends whatever has the variable.
"""

import atexit
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.ending import end_all
from interrex.runtime.procfs import all_pids

RUN_VARIABLE = "LC_INTERREX_RUN"
"""Replicas inherit little of a worker's environment, but whatever begins like this."""
_PARENT = Path("/tmp")
_PREFIX = "ix-run-"
_BESIDE = "ix-peer-"
"""How the folders begin that a run makes beside its own: those that other users may enter."""

_lock: int | None = None


def run_folder() -> Path:
    """This run's folder, or its parent's where it was started by another run; its path is short."""
    if RUN_VARIABLE not in os.environ:
        os.environ[RUN_VARIABLE] = str(_new_folder())
    return Path(os.environ[RUN_VARIABLE])


def prefix_beside() -> str:
    """How a folder beside this run's own is to begin, so that it goes with it."""
    return f"{_BESIDE}{run_folder().name}-"


def end_run() -> None:
    """End whatever this run has started and left, and forget its folder; nothing if it is not
    its own."""
    global _lock
    if _lock is not None:
        _clean(run_folder())
        os.close(_lock)
        _lock = None
        del os.environ[RUN_VARIABLE]


def sweep() -> list[Path]:
    """End and remove what this user's dead runs have left.

    Returns:
        The folders of these runs.
    """
    swept = []
    for folder in sorted(_PARENT.glob(f"{_PREFIX}*")):
        with contextlib.suppress(FileNotFoundError), _left_alone(folder) as dead:
            if dead:
                _clean(folder)
                swept.append(folder)
    return swept


def _new_folder() -> Path:
    """Locked before it has its name: another run that sweeps must not find it unlocked."""
    global _lock
    unnamed = Path(tempfile.mkdtemp(prefix=".ix-", dir=_PARENT))
    _lock = os.open(unnamed / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(_lock, fcntl.LOCK_EX)
    atexit.register(end_run)
    return unnamed.rename(_PARENT / f"{_PREFIX}{unnamed.name.removeprefix('.ix-')}")


@contextlib.contextmanager
def _left_alone(folder: Path) -> Iterator[bool]:
    """Whether a run's folder is this user's and nobody holds it, which stays so meanwhile."""
    if folder.stat().st_uid != os.geteuid():
        yield False
        return
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _clean(folder: Path) -> None:
    mark = f"{RUN_VARIABLE}={folder}".encode()
    end_all(lambda: [pid for pid in all_pids() if _is_marked(pid, mark)])
    for mount in _mounts_below(folder):
        subprocess.run(["umount", "-l", mount], check=True)
    for namespace in Path("/run/netns").glob(f"{folder.name}-*"):
        subprocess.run(["ip", "netns", "del", namespace.name], check=True)
    for beside in _PARENT.glob(f"{_BESIDE}{folder.name}-*"):
        shutil.rmtree(beside)
    shutil.rmtree(folder)


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # dead since, or somebody else's
        return False


def _mounts_below(folder: Path) -> list[str]:
    rows = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [row[1] for row in rows if row[1].startswith(f"{folder}/")]
