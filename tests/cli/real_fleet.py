"""A fleet as a user has it: a file, a state folder, and ``interrex`` as a program of its own."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from bench.ending import end_all
from bench.processes import free_ports
from bench.run_folder import run_folder
from bench.servers import build
from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.runtime.layout import Layout
from interrex.runtime.pidfd import open_pidfd, send_signal
from interrex.runtime.procfs import all_pids, instance_of
from interrex.runtime.records import Instances
from interrex.runtime.worker_processes import worker_processes

LIMIT_S = 60.0
PORTS_EACH = 40
NAMES = tuple(WorkerName(f"worker-{number}") for number in (1, 2, 3))


class Program:
    """A command that goes on; its output and errors are one stream of lines."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._unread = b""
        self.lines: list[str] = []

    def until(self, words: str) -> str:
        """Read up to a line with these words.

        Raises:
            AssertionError: it did not come in time, or never will.
        """
        deadline = time.monotonic() + LIMIT_S
        while True:
            while b"\n" not in self._unread:
                patience = max(0.0, deadline - time.monotonic())
                arrived = select.select([self._output], [], [], patience)[0]
                data = os.read(self._output.fileno(), 65536) if arrived else b""
                assert data, f"{words!r} did not come: {self.lines}"
                self._unread += data
            line, _, self._unread = self._unread.partition(b"\n")
            self.lines.append(line.decode())
            if words in self.lines[-1]:
                return self.lines[-1]

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Its exit code, once it has ended by itself; whatever it still says is dropped."""
        self._process.communicate(timeout=LIMIT_S)
        return self._process.returncode

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        self._process.kill()
        self._process.wait(LIMIT_S)
        self._output.close()


class RealFleet:
    """Use as a context: whatever it started ends with it.

    Args:
        number: of the test process, which gets a range of replica ports of its own.
    """

    def __init__(self, number: int) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ixf-", dir=run_folder()))
        self.layout = Layout(self.root / "s", "shop")
        self.file = self.root / "shop.toml"
        (self.port,) = free_ports(1)
        self._first = 31000 + PORTS_EACH * number
        self._programs: list[Program] = []
        self.write()

    def write(
        self,
        replicas: int = 2,
        command: str | None = None,
        service: str = 'health.http = "/healthz"\nhealth.interval = "500ms"',
        cluster: str = "",
        silent_worker_s: float = 40.0,
    ) -> None:
        """Write the cluster file; ``service`` and ``cluster`` are further lines of these tables.
        As long as it says no worker is killed for being slow."""
        self.file.write_text(f"""\
[cluster]
name = "shop"
ports = [{self._first}, {self._first + PORTS_EACH - 1}]
timing.silent_worker = {silent_worker_s}
timing.lost_host = 80
{cluster}

[service.web]
command = {json.dumps(command or f"{build()} --port {{port}}")}
replicas = {replicas}
expose = {self.port}
stop_timeout = "2s"
{service}
""")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for program in self._programs:
            program.kill()
        self.layout.home.mkdir(parents=True, exist_ok=True)
        self.layout.stopping.touch()
        end_all(self.processes)
        shutil.rmtree(self.root)

    def run(
        self, *words: str | Path, open_files: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command, to its end; it may have so many descriptors, or as many as this process."""
        limited = [] if open_files is None else ["prlimit", f"--nofile={open_files}"]
        command = [*limited, *self._command(words)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, cwd=self.root
        )

    def start(self, *words: str | Path) -> Program:
        """A command that goes on."""
        program = Program(self._command(words), self.root)
        self._programs.append(program)
        return program

    def up(self) -> None:
        """Bring it up, ready."""
        done = self.run("up", self.file, "--detach", "--timeout", "45s")
        assert done.returncode == 0, "\n".join([done.stdout, done.stderr, self.story()])

    def story(self) -> str:
        """What is to be known when something failed."""
        parts = [self.run("status").stdout, self.run("events").stdout]
        parts += [path.read_text() for path in self.layout.home.glob("workers/*/worker.log")]
        return "\n".join(parts)

    def status(self) -> dict[str, Any]:
        """The status document."""
        done = self.run("status", "--json")
        assert done.returncode == 0, done
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def replicas(self) -> dict[str, int | None]:
        """The pid of each replica of ``web``."""
        return {one["name"]: one["pid"] for one in self.status()["services"]["web"]["replicas"]}

    def replica_pids(self) -> list[int]:
        """The main processes of all replicas and balancers."""
        status = self.status()
        parts = [part for one in status["services"].values() for part in one["replicas"]]
        return sorted(part["pid"] for part in [*parts, *status["balancer"]] if part["pid"])

    def worker_pids(self) -> list[int]:
        found = worker_processes(self.layout.root, "shop")
        return sorted(process.identity.pid for process in found)

    def members(self) -> tuple[list[int], list[int]]:
        """The workers' and the replicas' main processes: a balancer's own children may change."""
        return self.worker_pids(), self.replica_pids()

    def signal_workers(self, number: int) -> None:
        """Signal every worker, proved to be one."""
        for process in worker_processes(self.layout.root, "shop"):
            pidfd = open_pidfd(process.identity)
            if pidfd is not None:
                send_signal(pidfd, number)
                os.close(pidfd)

    def kill_workers(self) -> None:
        """Kill all of them at once, so that none replaces another, and see them dead."""

        def none_left() -> bool:
            self.signal_workers(signal.SIGSTOP)
            self.signal_workers(signal.SIGKILL)
            return not self.worker_pids()

        self.wait_until(none_left)  # one may have been on its way to its start

    def processes(self) -> list[int]:
        """Everything of this fleet that lives."""
        mark = Instances(self.layout.host(HostName("local"))).prefix(SlotName(""))
        replicas = [pid for pid in all_pids() if mark in (instance_of(pid) or "")]
        return sorted([*self.worker_pids(), *replicas])

    def ask(self) -> int:
        """One request through the balancer; its status."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=LIMIT_S) as answer:
            return int(answer.status)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Raises TimeoutError when it does not come true."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(self.story())
            time.sleep(0.01)

    def _command(self, words: tuple[str | Path, ...]) -> list[str]:
        program = [sys.executable, "-P", "-m", "interrex"]
        return [*program, *map(str, words), "--state", str(self.layout.root)]


@contextlib.contextmanager
def a_fleet(worker_id: str) -> Iterator[RealFleet]:
    """For a test process of pytest-xdist, or the only one."""
    with RealFleet(int(worker_id.removeprefix("gw")) if worker_id != "master" else 19) as fleet:
        yield fleet
