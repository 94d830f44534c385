"""What one more election costs a program that takes part in hundreds."""

import subprocess
import sys
from collections.abc import Iterator

from bench.etcd_cluster import EtcdCluster
from bench.figures import Effort, Figure, at_most
from bench.fleet import Fleet
from bench.postgresql_server import PostgresServer
from bench.processes import free_ports, scratch
from bench.specs import bare
from bench.tools import where_installed
from bench.zookeeper_ensemble import ZooKeeperEnsemble

MEMORY = """\
import asyncio, sys, interrex
from contextlib import AsyncExitStack

def resident_kib():
    return int(open("/proc/self/statm").read().split()[1]) * 4

async def lead(election):
    async with election.lead():
        await asyncio.get_running_loop().create_future()

async def begin(stack, urls):
    for url in urls:
        election = await stack.enter_async_context(interrex.election(url, identity="a"))
        stack.callback(asyncio.create_task(lead(election)).cancel)
        while election.leadership is None:
            await election.standing.changed()

async def run(first, others):
    async with AsyncExitStack() as stack:
        await begin(stack, first)
        before = resident_kib()
        await begin(stack, others)
        print((resident_kib() - before) / len(others), flush=True)

at = int(sys.argv[1])
asyncio.run(run(sys.argv[2:][:at], sys.argv[2:][at:]))
"""
BEFORE = 20
"""Elections that a process leads already: what all of them share is there by then."""
ELECTIONS = 200
EMBEDDED = 60
"""Each has a log of its own on disk, of 5 MB."""
MOST_KIB = 100.0


def memory(effort: Effort) -> Iterator[Figure]:
    """Resident memory per election that a process leads, by each backend."""
    count = effort.count(ELECTIONS)
    with Fleet(bare()) as fleet:
        fleet.wait_ready()
        yield _per_election(
            "interrex", _numbered(f"interrex:///bench/m-NUMBER?state={fleet.root}", count)
        )
    for scheme in ("raft", "paxos", "bully"):
        yield _embedded(scheme, effort.count(EMBEDDED))
    with where_installed(), EtcdCluster() as cluster:
        cluster.wait_agreed()
        places = ",".join(one.removeprefix("http://") for one in cluster.endpoints)
        yield _per_election("etcd", _numbered(f"etcd://{places}/m-NUMBER", count))
    with where_installed(), ZooKeeperEnsemble(tick_ms=2000) as ensemble:
        ensemble.wait_serving()
        yield _per_election("zookeeper", _numbered(f"zookeeper://{ensemble.hosts}/m-NUMBER", count))
    with where_installed(), PostgresServer() as server:
        yield _per_election("postgresql", _numbered(f"{server.url}/m-NUMBER", count))


def _embedded(scheme: str, count: int) -> Figure:
    """Each election has one member here, which votes for itself."""
    with scratch() as folder:
        ports = free_ports(BEFORE + count)
        urls = [
            f"{scheme}://127.0.0.1:{port}/m-{number}?self=0&state={folder / str(number)}"
            for number, port in enumerate(ports)
        ]
        return _per_election(scheme, urls)


def _numbered(url: str, count: int) -> list[str]:
    return [url.replace("NUMBER", str(number)) for number in range(BEFORE + count)]


def _per_election(scheme: str, urls: list[str]) -> Figure:
    command = [sys.executable, "-c", MEMORY, str(BEFORE), *urls]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Figure(
        measure=f"one more election by {scheme}:// that leads, in one process",
        value=float(said),
        unit="KiB",
        goal=at_most(MOST_KIB),
        note=f"mean of {len(urls) - BEFORE}",
    )
