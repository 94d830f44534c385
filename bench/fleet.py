"""A real fleet for benches and tests: in a temporary folder, ended with everything it started."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from bench.ending import end_all
from bench.run_folder import run_folder
from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.spec import LOCAL_HOST, ClusterSpec
from interrex.core.state import workers_of
from interrex.runtime.founding import found_cluster
from interrex.runtime.launching import launch_worker, worker_is_alive
from interrex.runtime.layout import Layout
from interrex.runtime.procfs import all_pids, instance_of
from interrex.runtime.records import Instances
from interrex.worker.status import Status, missing_parts

PATIENCE_S = 60.0
POLL_S = 0.02
"""Each look asks every worker: more often, the looking is most of what a waiting fleet does."""


class Fleet:
    """One cluster on this machine. Use as a context: leaving it leaves nothing behind.

    Args:
        spec: what to run.
        host: which of its hosts this machine plays.
        root: where its temporary folder is made.
    """

    def __init__(
        self, spec: ClusterSpec, host: HostName = LOCAL_HOST, root: Path | None = None
    ) -> None:
        self.spec = spec
        self.host = host
        self.root = Path(tempfile.mkdtemp(prefix="ix-", dir=root or run_folder()))
        self.layout = Layout(self.root, spec.name)
        self._mark = Instances(self.layout.host(host)).prefix(SlotName(""))
        found_cluster(self.layout, spec, host)

    def __enter__(self) -> Self:
        self.launch()
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()

    @property
    def workers(self) -> list[WorkerName]:
        return [name for name, home in workers_of(self.spec).items() if home == self.host]

    def launch(self) -> None:
        for worker in self.workers:
            self.launch_one(worker)

    def launch_one(self, worker: WorkerName) -> bool:
        """Returns False where its last process still holds the lock."""
        return launch_worker(self.layout, worker, self.host) is not None

    def end(self) -> None:
        """Kill what is left of this fleet until nothing is."""
        end_together([self])
        shutil.rmtree(self.root)

    def owns(self, instance: str) -> bool:
        """Whether an instance id is of one of this fleet's replicas."""
        return self._mark in instance

    def pids(self) -> Iterator[int]:
        """All of its processes that live."""
        for pid in all_pids():
            if self.owns(instance_of(pid) or "") or self._is_worker(pid):
                yield pid

    def _is_worker(self, pid: int) -> bool:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            dead = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return False
        return os.fsencode(self.root) in command and not dead

    # Asking

    def ask(self, worker: WorkerName, method: str, path: str, body: Any = None) -> Any:
        """One request to a worker's socket; raises OSError where it does not answer."""
        connection = self.connect(worker, PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(method, path, msgspec.json.encode(body) if body else None)
            return json.loads(connection.getresponse().read())

    def connect(self, worker: WorkerName, timeout_s: float = 5.0) -> http.client.HTTPConnection:
        """A connection that stays open for several requests."""
        raw = socket.socket(socket.AF_UNIX)
        raw.settimeout(timeout_s)
        try:
            raw.connect(str(self.layout.api_socket(worker)))
        except OSError:
            raw.close()
            raise
        connection = http.client.HTTPConnection("interrex")
        connection.sock = raw
        return connection

    def status(self, worker: WorkerName | None = None) -> Status | None:
        """What a worker (or the first that answers) says; None where none does."""
        for name in [worker] if worker else self.workers:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = self.connect(name)
                with contextlib.closing(connection):
                    connection.request("GET", "/v1/status")
                    return msgspec.json.decode(connection.getresponse().read(), type=Status)
        return None

    def statuses(self) -> list[Status]:
        """What every worker says; those that do not answer are left out."""
        found = (self.status(worker) for worker in self.workers)
        return [status for status in found if status is not None]

    def is_ready(self) -> bool:
        """Whether every worker answers, and says that everything is as asked for."""
        statuses = self.statuses()
        return len(statuses) == len(self.workers) and not any(map(missing_parts, statuses))

    def wait_ready(self, within_s: float = PATIENCE_S) -> None:
        """Raises TimeoutError, with what is missing, if it takes longer."""
        self.wait_until(self.is_ready, within_s)

    def wait_until(self, condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Raises TimeoutError, with what is missing, if it takes longer."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                missing = [missing_parts(status) for status in self.statuses()]
                raise TimeoutError(f"the fleet is not ready: {missing}\n{self.logs()}")
            time.sleep(POLL_S)

    def logs(self) -> str:
        """The ends of the workers' own logs and events, for a failure's message."""
        paths = sorted(self.root.glob("*/workers/*/worker.log"))
        paths += sorted(self.root.glob("*/workers/*/events.jsonl"))
        return "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in paths)

    def leader(self) -> WorkerName:
        """Who leads, as soon as all that answer agree on one."""
        leaders: set[WorkerName | None] = set()

        def agreed() -> bool:
            leaders.clear()
            leaders.update(status.leader for status in self.statuses())
            return len(leaders) == 1 and None not in leaders

        self.wait_until(agreed)
        (leader,) = leaders
        assert leader is not None
        return leader

    def lock_is_held(self, worker: WorkerName) -> bool:
        """Whether a process is this worker."""
        return worker_is_alive(self.layout, worker)

    def pid_of(self, worker: WorkerName) -> int:
        return int(self.layout.worker_lock(worker).read_text())

    def replica_pids(self) -> dict[str, int | None]:
        status = self.status()
        assert status is not None
        return {
            replica.name: replica.pid
            for service in status.services.values()
            for replica in service.replicas
        }


def end_together(fleets: Sequence[Fleet]) -> None:
    """Kill all that is left of them at once: none starts anything in the place of another."""
    for fleet in fleets:
        fleet.layout.stopping.touch()
    end_all(lambda: [pid for fleet in fleets for pid in fleet.pids()])
