"""A real etcd cluster of three on loopback: started, killed, stopped, continued, started again."""

import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from bench import server_data
from bench.processes import LOOPBACK, Place, free_ports, running, scratch
from bench.tools import tool

MEMBERS = 3
PATIENCE_S = 60.0


class EtcdCluster:
    """Three members. Use as a context: leaving it leaves nothing behind.

    Args:
        heartbeat_ms: the time between two of its leader's heartbeats.
        election_ms: etcd's election time-out; no lease is shorter than one and a half of them.
        places: where each member runs.
    """

    def __init__(
        self,
        heartbeat_ms: int = 100,
        election_ms: int = 1000,
        places: Sequence[Place] = (LOOPBACK,) * MEMBERS,
    ) -> None:
        self._places = places
        self._times = (heartbeat_ms, election_ms)
        self._stack = contextlib.ExitStack()
        self._folder = Path()
        self._ports = free_ports(2 * MEMBERS)
        self._nodes: dict[int, contextlib.ExitStack] = {}
        self._pids: dict[int, int] = {}
        self._clients: dict[int, http.client.HTTPConnection] = {}

    def __enter__(self) -> Self:
        self._folder = self._stack.enter_context(scratch())
        for node in range(MEMBERS):
            self.start(node)
        return self

    def __exit__(self, *exc: object) -> None:
        for node in self._nodes.values():
            node.close()
        self._stack.close()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where the members answer their clients."""
        return tuple(self._url(node, self._ports[node]) for node in range(MEMBERS))

    def _url(self, node: int, port: int) -> str:
        return f"http://{self._places[node].address}:{port}"

    @property
    def alive(self) -> list[int]:
        """The members that were started and not killed."""
        return list(self._nodes)

    def start(self, node: int) -> None:
        """Start a member, with what its disk holds."""
        client = self._url(node, self._ports[node])
        urls = [self._url(one, self._ports[MEMBERS + one]) for one in range(MEMBERS)]
        peer = urls[node]
        command = [tool("etcd"), "--name", f"n{node}", "--data-dir", self._folder / f"n{node}"]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        peers = (f"n{other}={url}" for other, url in enumerate(urls))
        command += ["--initial-cluster", ",".join(peers), "--log-level", "fatal"]
        heartbeat_ms, election_ms = self._times
        command += ["--heartbeat-interval", str(heartbeat_ms)]
        command += ["--election-timeout", str(election_ms)]
        stack = self._nodes[node] = contextlib.ExitStack()
        process = stack.enter_context(running([*self._places[node].enter, *map(str, command)]))
        self._pids[node] = process.pid
        self._clients[node] = http.client.HTTPConnection("127.0.0.1", self._ports[node], timeout=9)
        stack.callback(self._clients[node].close)

    def kill(self, node: int) -> None:
        """End a member at once; ``start`` begins it again."""
        self._nodes.pop(node).close()

    def lose_data(self, node: int) -> None:
        """Put aside what a killed member's disk holds: it begins with nothing."""
        server_data.lose(self._folder / f"n{node}")

    def put_data_back(self, node: int) -> None:
        """A killed member has again what its disk held."""
        server_data.put_back(self._folder / f"n{node}")

    def stop(self, node: int) -> None:
        """Let a member stand still: it says nothing, and its connections stay."""
        os.kill(self._pids[node], signal.SIGSTOP)

    def go_on(self, node: int) -> None:
        """Let a stopped member run again."""
        os.kill(self._pids[node], signal.SIGCONT)

    def ask(self, node: int, path: str, body: object, token: str = "") -> dict[str, Any]:
        """What a member answers, empty where it does not; ``token`` shows who asks."""
        client = self._clients[node]
        try:
            headers = {"Authorization": token} if token else {}
            client.request("POST", path, json.dumps(body), headers)
            found: dict[str, Any] = json.loads(client.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            client.close()
            return {}
        return found

    def view(self, node: int) -> tuple[str, int, str]:
        """Leader and term as a member sees them ("" for nobody), and its own id."""
        status = self.ask(node, "/v3/maintenance/status", {})
        own = status.get("header", {}).get("member_id", "")
        return status.get("leader", ""), int(status.get("raftTerm", 0)), own

    def wait_agreed(self) -> tuple[int, int]:
        """The member that leads and its term, once all say so; TimeoutError if never."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            views = {node: self.view(node) for node in self._nodes}
            leaders = {(leader, term) for leader, term, _ in views.values()}
            if len(leaders) == 1:
                ((leader, term),) = leaders
                for node, (_, _, own) in views.items():
                    if leader and own == leader:
                        return node, term
            time.sleep(0.01)
        raise TimeoutError("etcd does not agree on a leader")
