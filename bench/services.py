"""Programs that lead by a service outside, beside the service's own recipe for an election: how
soon the next one leads when the leader is killed, and what one more election costs a process."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from bench.etcd_cluster import EtcdCluster
from bench.figures import Beside, Effort, Figure, at_most
from bench.fleet import Fleet
from bench.library import CANDIDATE, end, hear
from bench.postgresql_server import PostgresServer
from bench.specs import bare
from bench.statistics import percentile, summary
from bench.tools import MissingTool
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.runtime.clock import now_ns

KAZOO = """\
import sys, time
from kazoo.client import KazooClient
from kazoo.recipe.election import Election
from interrex.runtime.clock import now_ns

client = KazooClient(hosts=sys.argv[1], timeout=4.0)
client.start()

def lead():
    print("leads", now_ns(), flush=True)
    time.sleep(3600)

print("waiting", flush=True)
Election(client, "/kazoo", sys.argv[2]).run(lead)
"""
CAMPAIGN = """\
import base64, json, sys, threading, time, urllib.request
from interrex.runtime.clock import now_ns

def ask(path, body):
    request = urllib.request.Request(sys.argv[1] + path, json.dumps(body).encode())
    return json.loads(urllib.request.urlopen(request).read())

lease = ask("/v3/lease/grant", {"TTL": 2})["ID"]

def keep():
    while True:
        time.sleep(0.5)
        ask("/v3/lease/keepalive", {"ID": lease})

threading.Thread(target=keep, daemon=True).start()
print("waiting", flush=True)
name = base64.b64encode(b"campaign").decode()
ask("/v3/election/campaign", {"name": name, "lease": lease, "value": name})
print("leads", now_ns(), flush=True)
time.sleep(3600)
"""
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
LEAST_KIB = 100.0
SETTLE_S = 0.3


class Contender(NamedTuple):
    """A program that leads, its first argument, and what it is called."""

    name: str
    script: str
    where: str


def services(effort: Effort) -> Iterator[Figure]:
    """Leading program killed, by etcd, ZooKeeper and PostgreSQL, and memory per election."""
    with Fleet(bare()) as fleet:
        fleet.wait_ready()
        yield _memory(effort, "interrex", f"interrex:///bench/m-NUMBER?state={fleet.root}")
    with contextlib.suppress(MissingTool), EtcdCluster() as cluster:
        cluster.wait_agreed()
        places = ",".join(one.removeprefix("http://") for one in cluster.endpoints)
        ours = Contender("etcd://, lease of 2 s", CANDIDATE, f"etcd://{places}/x?lease=2")
        theirs = Contender("etcd's campaign, lease of 2 s", CAMPAIGN, cluster.endpoints[0])
        yield from _take_overs(effort, ours, theirs)
        yield _memory(effort, "etcd", f"etcd://{places}/m-NUMBER")
    with contextlib.suppress(MissingTool), ZooKeeperEnsemble(tick_ms=2000) as ensemble:
        ensemble.wait_serving()
        hosts = ensemble.hosts
        ours = Contender(
            "zookeeper://, session of 4 s", CANDIDATE, f"zookeeper://{hosts}/x?session=4"
        )
        theirs = Contender("kazoo's Election, session of 4 s", KAZOO, hosts)
        yield from _take_overs(effort, ours, theirs)
        yield _memory(effort, "zookeeper", f"zookeeper://{hosts}/m-NUMBER")
    with contextlib.suppress(MissingTool), PostgresServer() as server:
        ours = Contender("postgresql://, lease of 5 s", CANDIDATE, f"{server.url}/x")
        yield from _take_overs(effort, ours)
        yield _memory(effort, "postgresql", f"{server.url}/m-NUMBER")


def _memory(effort: Effort, scheme: str, url: str) -> Figure:
    count = effort.count(ELECTIONS)
    command = [sys.executable, "-c", MEMORY, url, str(count)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Figure(
        measure=f"one more election by {scheme}:// that leads, in one process",
        value=float(said),
        unit="KiB",
        goal=at_most(LEAST_KIB),
        note=f"mean of {count}",
    )


def _take_overs(
    effort: Effort, ours: Contender, theirs: Contender | None = None
) -> Iterator[Figure]:
    took = list(_killed(ours, effort.count(20)))
    beside: tuple[Beside, ...] = ()
    if theirs is not None:
        beside = (Beside(theirs.name, percentile(list(_killed(theirs, effort.count(5))), 0.5)),)
    yield Figure(
        measure=f"leading program killed, the next one leads, {ours.name}: p50",
        value=percentile(took, 0.5),
        unit="ms",
        beside=beside,
        note=summary(took),
    )


def _killed(contender: Contender, count: int) -> Iterator[float]:
    """From the signal until the next program's body runs (ms)."""
    programs = [_start(contender, 0)]
    try:
        hear(programs[0], "leads")
        for number in range(1, count + 1):
            programs.append(_start(contender, number))
            hear(programs[1], "waiting")
            time.sleep(SETTLE_S)
            dead = programs.pop(0)
            killed = now_ns()
            dead.send_signal(signal.SIGKILL)
            yield (int(hear(programs[0], "leads")) - killed) / 1e6
            end(dead)
    finally:
        for program in programs:
            end(program)


def _start(contender: Contender, number: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", contender.script, contender.where, f"candidate-{number}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
