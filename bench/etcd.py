"""Three etcd nodes on loopback, with the shortest times that etcd's guide allows, as a peer."""

import os
import signal
import time
from typing import NamedTuple

from bench.etcd_cluster import PATIENCE_S, EtcdCluster

HEARTBEAT_MS, ELECTION_MS = 5, 50
NAME = f"etcd, heartbeat {HEARTBEAT_MS} ms, election {ELECTION_MS} ms"


class Ends(NamedTuple):
    """Milliseconds from a leader's end until the last survivor names its successor, and until the
    first write after that is acknowledged."""

    known_ms: float
    written_ms: float


class Etcd(EtcdCluster):
    """A cluster of three. Use as a context: leaving it leaves nothing behind."""

    def __init__(self) -> None:
        super().__init__(HEARTBEAT_MS, ELECTION_MS)

    def end_leader(self) -> Ends:
        """Kill the leader; measure; start it again and wait for the three to agree."""
        leader, term = self.wait_agreed()
        time.sleep(0.2)
        survivors = [node for node in self.alive if node != leader]
        begin = time.perf_counter()
        os.kill(self._pids[leader], signal.SIGKILL)
        for node in survivors:
            while True:
                named, newer, _ = self.view(node)
                if named and newer > term:
                    break
                if time.perf_counter() - begin > PATIENCE_S:
                    raise TimeoutError("etcd elects nobody")
        known = time.perf_counter()
        while "header" not in self.ask(survivors[0], "/v3/kv/put", {"key": "YQ==", "value": ""}):
            if time.perf_counter() - begin > PATIENCE_S:
                raise TimeoutError("etcd takes no write")
        written = time.perf_counter()
        self.kill(leader)
        self.start(leader)
        self.wait_agreed()
        return Ends((known - begin) * 1e3, (written - begin) * 1e3)
