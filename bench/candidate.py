"""A program that wants to lead: by this library, or by a coordination service's own recipe, which
benches compare with.

    python -m bench.candidate library URL NAME
    python -m bench.candidate etcd ENDPOINT SECONDS NAME
    python -m bench.candidate zookeeper HOSTS SECONDS NAME

It says ``waiting`` when it stands, ``leads NS`` when it does (ns of its clock), and leads until it
is killed. Of etcd it is the server's own campaign (v3election), of ZooKeeper kazoo's recipe; the
seconds are of the lease or session that it asks for.
"""

import asyncio
import json
import sys
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from kazoo.client import KazooClient

import interrex
from interrex.library import Election
from interrex.runtime.clock import now_ns

KEEP_ALIVES = 3
NAME = "interrex-bench"


def library(url: str, identity: str) -> None:
    """Lead by one of this library's URLs."""
    asyncio.run(_lead_by(url, identity))


async def _lead_by(url: str, identity: str) -> None:
    async with interrex.election(url, identity=identity) as election:
        telling = asyncio.create_task(_tell_waiting(election))
        async with election.lead():
            _say_leading()
            await telling
            await asyncio.get_running_loop().create_future()


async def _tell_waiting(election: Election) -> None:
    while election.identity not in election.waiting():
        await election.standing.changed()
    print("waiting", flush=True)


def etcd(endpoint: str, ttl_s: str, identity: str) -> None:
    """Campaign under a lease that is kept alive."""

    def ask(path: str, body: dict[str, Any], timeout_s: float | None = None) -> dict[str, Any]:
        request = urllib.request.Request(f"{endpoint}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    granted = ask("/v3/lease/grant", {"TTL": ttl_s})
    lease, pause_s = granted["ID"], int(granted["TTL"]) / KEEP_ALIVES

    def keep() -> None:
        while not threading.Event().wait(pause_s):
            ask("/v3/lease/keepalive", {"ID": lease}, pause_s)

    threading.Thread(target=keep, daemon=True).start()
    print("waiting", flush=True)
    name, value = (b64encode(word.encode()).decode() for word in (NAME, identity))
    ask("/v3/election/campaign", {"name": name, "lease": lease, "value": value})
    _lead()


def zookeeper(hosts: str, session_s: str, identity: str) -> None:
    """Run in kazoo's election."""
    client = KazooClient(hosts, timeout=float(session_s))
    client.start()
    print("waiting", flush=True)
    client.Election(f"/{NAME}", identity).run(_lead)


def _lead() -> None:
    _say_leading()
    threading.Event().wait()


def _say_leading() -> None:
    print("leads", now_ns(), flush=True)


_RUN: dict[str, Callable[..., None]] = {"library": library, "etcd": etcd, "zookeeper": zookeeper}


if __name__ == "__main__":
    _RUN[sys.argv[1]](*sys.argv[2:])
