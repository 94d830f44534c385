"""A candidate in a coordination service's own recipe, which benches compare with.

    python -m bench.candidate etcd ENDPOINT SECONDS
    python -m bench.candidate zookeeper HOSTS SECONDS

It says ``leads`` on a line of its own when it does, and leads until it is killed. Of etcd it is the
server's own campaign (v3election), of ZooKeeper kazoo's recipe; the seconds are of the lease or
session that it asks for.
"""

import json
import sys
import threading
import urllib.request
from base64 import b64encode
from typing import Any

from kazoo.client import KazooClient

KEEP_ALIVES = 3
NAME = "interrex-bench"


def etcd(endpoint: str, ttl_s: int) -> None:
    """Campaign under a lease that is kept alive."""

    def ask(path: str, body: dict[str, Any], timeout_s: float | None = None) -> dict[str, Any]:
        request = urllib.request.Request(f"{endpoint}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    granted = ask("/v3/lease/grant", {"TTL": str(ttl_s)})
    lease, pause_s = granted["ID"], int(granted["TTL"]) / KEEP_ALIVES

    def keep() -> None:
        while not threading.Event().wait(pause_s):
            ask("/v3/lease/keepalive", {"ID": lease}, pause_s)

    threading.Thread(target=keep, daemon=True).start()
    name = b64encode(NAME.encode()).decode()
    ask("/v3/election/campaign", {"name": name, "lease": lease, "value": name})
    _lead()


def zookeeper(hosts: str, session_s: int) -> None:
    """Run in kazoo's election."""
    client = KazooClient(hosts, timeout=session_s)
    client.start()
    client.Election(f"/{NAME}").run(_lead)


def _lead() -> None:
    print("leads", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    {"etcd": etcd, "zookeeper": zookeeper}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
