"""What /proc tells of this host's processes.

Every answer is a snapshot: by the time it is read the process may have died and its pid may name
another. Whoever acts on one holds a pidfd first and compares start times afterwards.
"""

import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

INSTANCE_VARIABLE = "INTERREX_INSTANCE"
"""In the environment of a replica and so of everything it starts: which incarnation it is."""

_PATTERN = INSTANCE_VARIABLE.encode() + b"="


class ProcessStat(NamedTuple):
    """The fields of /proc/PID/stat that identify a process and its place."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_time: int
    """Clock ticks after the boot: with the pid, unique for a boot."""

    @property
    def dead(self) -> bool:
        """Zombies are dead: under a pid 1 that does not reap they stay for ever."""
        return self.state in "ZX"


@functools.cache
def boot_id() -> str:
    """The kernel's random name for this boot: pids and start times mean nothing across boots."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@functools.cache
def pid_namespace() -> int:
    """The inode of our own pid namespace: a pid noted in another one names somebody else here."""
    return os.stat("/proc/self/ns/pid").st_ino


def read_stat(pid: int) -> ProcessStat | None:
    """A process's identity and place, None when there is no such process (not even a zombie)."""
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    # The program's name stands in parentheses and may hold any byte, parentheses too.
    fields = text[text.rindex(b")") + 2 :].split(None, 20)
    return ProcessStat(
        pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19])
    )


def pid_start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat in clock ticks after the boot, None when there is no process."""
    stat = read_stat(pid)
    return None if stat is None else stat.start_time


def environ_of(pid: int) -> dict[str, str] | None:
    """The environment that a program was started with, None where it cannot be read.

    It cannot be for the dead, for zombies, for kernel threads and for other users' processes. A
    program that writes its own title may have overwritten it, so an absent variable proves
    nothing.
    """
    text = _read(f"/proc/{pid}/environ")
    if not text:
        return None
    pairs = (line.partition(b"=") for line in text.split(b"\0") if b"=" in line)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def instance_of(pid: int) -> str | None:
    """The instance id in a process's environment, None where there is none or it is hidden."""
    text = _read(f"/proc/{pid}/environ")
    if not text or _PATTERN not in text:
        return None
    for line in text.split(b"\0"):
        if line.startswith(_PATTERN):
            return os.fsdecode(line[len(_PATTERN) :])
    return None


def name_of(pid: int) -> str | None:
    """The name of the program that a process runs, at most 15 characters; None when it is gone."""
    text = _read(f"/proc/{pid}/comm")
    return os.fsdecode(text).rstrip("\n") if text else None


def all_pids() -> list[int]:
    """Every process that we may see: some 7 us each to look at, so not on every restart."""
    return [int(name) for name in os.listdir("/proc") if name[0] in "123456789"]


def find_instances(prefix: str) -> list[int]:
    """The processes whose instance id starts with this, looked for among all of the host's."""
    return [pid for pid, instance in all_instances() if instance.startswith(prefix)]


def all_instances() -> list[tuple[int, str]]:
    """Every process of the host that carries an instance id, and that id."""
    ids = ((pid, instance_of(pid)) for pid in all_pids())
    return [(pid, instance) for pid, instance in ids if instance is not None]


def children_of(pid: int) -> list[int]:
    """A process's children, zombies included (some 60 us for 200 of them).

    The kernel's list is exact only for children that do not exit while it is read: ask again
    before concluding that one is gone.
    """
    found: list[int] = []
    for thread in _names(f"/proc/{pid}/task"):
        text = _read(f"/proc/{pid}/task/{thread}/children")
        found.extend(int(child) for child in (text or b"").split())
    return found


def descendants(pids: Iterable[int]) -> Iterator[int]:
    """These processes and, depth first, all that they and their children started."""
    waiting, seen = list(pids), set[int]()
    while waiting:
        pid = waiting.pop()
        if pid in seen:
            continue
        seen.add(pid)
        yield pid
        waiting.extend(children_of(pid))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    try:
        text = b""
        while block := os.read(descriptor, 65536):
            text += block
        return text
    except (ProcessLookupError, PermissionError):
        return None
    finally:
        os.close(descriptor)
