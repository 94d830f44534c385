"""Three etcd nodes on loopback, with the shortest times that etcd's guide allows, as a peer."""

import contextlib
import http.client
import json
import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

from bench.processes import free_ports, running, scratch
from bench.tools import tool

HEARTBEAT_MS, ELECTION_MS = 5, 50
NAME = f"etcd, heartbeat {HEARTBEAT_MS} ms, election {ELECTION_MS} ms"
PATIENCE_S = 30.0


class Ends(NamedTuple):
    """Milliseconds from a leader's end until the last survivor names its successor, and until the
    first write after that is acknowledged."""

    known_ms: float
    written_ms: float


class Etcd:
    """A cluster of three. Use as a context: leaving it leaves nothing behind."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._folder = Path()
        self._ports = free_ports(6)
        self._nodes: dict[int, contextlib.ExitStack] = {}
        self._pids: dict[int, int] = {}
        self._clients: dict[int, http.client.HTTPConnection] = {}

    def __enter__(self) -> Self:
        self._folder = self._stack.enter_context(scratch())
        for node in range(3):
            self._start(node)
        return self

    def __exit__(self, *exc: object) -> None:
        for node in self._nodes.values():
            node.close()
        self._stack.close()

    def _start(self, node: int) -> None:
        url = "http://127.0.0.1:{}".format
        client, peer = url(self._ports[node]), url(self._ports[3 + node])
        command = [tool("etcd"), "--name", f"n{node}", "--data-dir", self._folder / f"n{node}"]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        members = ",".join(f"n{other}={url(self._ports[3 + other])}" for other in range(3))
        command += ["--initial-cluster", members, "--log-level", "fatal"]
        command += ["--heartbeat-interval", str(HEARTBEAT_MS)]
        command += ["--election-timeout", str(ELECTION_MS)]
        stack = self._nodes[node] = contextlib.ExitStack()
        process = stack.enter_context(running([str(word) for word in command]))
        self._pids[node] = process.pid
        self._clients[node] = http.client.HTTPConnection("127.0.0.1", self._ports[node], timeout=9)
        stack.callback(self._clients[node].close)

    def _ask(self, node: int, path: str, body: object) -> dict[str, Any]:
        client = self._clients[node]
        try:
            client.request("POST", path, json.dumps(body))
            found: dict[str, Any] = json.loads(client.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            client.close()
            return {}
        return found

    def _view(self, node: int) -> tuple[str, int, str]:
        """Leader and term as a node sees them ("" for nobody), and its own id."""
        status = self._ask(node, "/v3/maintenance/status", {})
        own = status.get("header", {}).get("member_id", "")
        return status.get("leader", ""), int(status.get("raftTerm", 0)), own

    def wait_agreed(self) -> tuple[int, int]:
        """The node that leads and its term, once all three say so; TimeoutError if never."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            views = {node: self._view(node) for node in self._nodes}
            leaders = {(leader, term) for leader, term, _ in views.values()}
            if len(leaders) == 1:
                ((leader, term),) = leaders
                for node, (_, _, own) in views.items():
                    if leader and own == leader:
                        return node, term
            time.sleep(0.01)
        raise TimeoutError("etcd does not agree on a leader")

    def end_leader(self) -> Ends:
        """Kill the leader; measure; start it again and wait for the three to agree."""
        leader, term = self.wait_agreed()
        time.sleep(0.2)
        survivors = [node for node in self._nodes if node != leader]
        begin = time.perf_counter()
        os.kill(self._pids[leader], signal.SIGKILL)
        for node in survivors:
            while True:
                named, newer, _ = self._view(node)
                if named and newer > term:
                    break
                if time.perf_counter() - begin > PATIENCE_S:
                    raise TimeoutError("etcd elects nobody")
        known = time.perf_counter()
        while "header" not in self._ask(survivors[0], "/v3/kv/put", {"key": "YQ==", "value": ""}):
            if time.perf_counter() - begin > PATIENCE_S:
                raise TimeoutError("etcd takes no write")
        written = time.perf_counter()
        self._nodes.pop(leader).close()
        self._start(leader)
        self.wait_agreed()
        return Ends((known - begin) * 1e3, (written - begin) * 1e3)
