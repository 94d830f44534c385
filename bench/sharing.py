"""What one more election costs a program that takes part in hundreds."""

import subprocess
import sys
from collections.abc import Iterator

from bench.etcd_cluster import EtcdCluster
from bench.figures import Effort, Figure, at_most
from bench.fleet import Fleet
from bench.postgresql_server import PostgresServer
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

async def begin(stack, numbers):
    for number in numbers:
        url = sys.argv[1].replace("NUMBER", str(number))
        election = await stack.enter_async_context(interrex.election(url, identity="a"))
        stack.callback(asyncio.create_task(lead(election)).cancel)
        while election.leadership is None:
            await election.standing.changed()

async def run(count):
    async with AsyncExitStack() as stack:
        await begin(stack, range(20))
        before = resident_kib()
        await begin(stack, range(20, 20 + count))
        print((resident_kib() - before) / count, flush=True)

asyncio.run(run(int(sys.argv[2])))
"""
ELECTIONS = 200
MOST_KIB = 100.0


def memory(effort: Effort) -> Iterator[Figure]:
    """Resident memory per election that a process leads, by each service."""
    with Fleet(bare()) as fleet:
        fleet.wait_ready()
        yield _per_election(effort, "interrex", f"interrex:///bench/m-NUMBER?state={fleet.root}")
    with where_installed(), EtcdCluster() as cluster:
        cluster.wait_agreed()
        places = ",".join(one.removeprefix("http://") for one in cluster.endpoints)
        yield _per_election(effort, "etcd", f"etcd://{places}/m-NUMBER")
    with where_installed(), ZooKeeperEnsemble(tick_ms=2000) as ensemble:
        ensemble.wait_serving()
        yield _per_election(effort, "zookeeper", f"zookeeper://{ensemble.hosts}/m-NUMBER")
    with where_installed(), PostgresServer() as server:
        yield _per_election(effort, "postgresql", f"{server.url}/m-NUMBER")


def _per_election(effort: Effort, scheme: str, url: str) -> Figure:
    count = effort.count(ELECTIONS)
    command = [sys.executable, "-c", MEMORY, url, str(count)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Figure(
        measure=f"one more election by {scheme}:// that leads, in one process",
        value=float(said),
        unit="KiB",
        goal=at_most(MOST_KIB),
        note=f"mean of {count}",
    )
