"""Peers and floors that a bench runs beside a fleet: started here, ended here, whatever happens."""

import os
import random
import resource
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bench.run_folder import prefix_beside
from interrex.runtime.procfs import descendants

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_PORTS = range(2_000, 12_000)
_PORT_SHARES = 4


class Place(NamedTuple):
    """Where a server runs: its address, and what its command begins with."""

    address: str
    enter: tuple[str, ...] = ()


LOOPBACK = Place("127.0.0.1")


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own; it and all that it started are killed on leaving.

    Args:
        command: program and arguments.
        stdin: ``subprocess.PIPE`` to write to it.
        stdout: ``subprocess.PIPE`` to read it; else nothing is read or shown.
    """
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    try:
        yield process
    finally:
        _end_tree(process.pid)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _end_tree(pid: int) -> None:
    """Kill a child of ours and its descendants; stopped first, none can start another."""
    family = []
    for member in descendants([pid]):
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGSTOP)
            family.append(member)
    for member in family:
        with suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Processes that use all the CPU time they get."""
    script = "(while :; do :; done) & " * count + "wait"
    with running(["sh", "-c", script]):
        yield


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder on the same disk as the fleets'; a killed run's is swept with it."""
    with tempfile.TemporaryDirectory(prefix=prefix_beside(), dir="/tmp") as folder:
        yield Path(folder)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has just now.

    None of the kernel's own range: whoever connects could be given it before it is listened on.
    Parallel test workers take theirs from different ones.
    """
    part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _PORT_SHARES
    ports: list[int] = []
    with ExitStack() as stack:
        for port in random.sample(_PORTS[part::_PORT_SHARES], len(_PORTS) // _PORT_SHARES):
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError(f"no {count} ports of {_PORTS[0]} to {_PORTS[-1]} are free")


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident and proportional memory: shared pages whole, and divided among who has them."""
    found = {
        line.split(":")[0]: int(line.split()[1]) / 1024
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    }
    return found["Rss"], found["Pss"]


def allow_many_files() -> None:
    """As many descriptors as we may have: some benches open thousands."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
