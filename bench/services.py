"""Programs that lead by a service outside, beside the service's own recipe for an election: how
soon the next one leads when the leader is killed."""

from collections.abc import Iterator

from bench.etcd_cluster import EtcdCluster
from bench.figures import Beside, Effort, Figure
from bench.leading_programs import CANDIDATE, Contender, killed
from bench.postgresql_server import PostgresServer
from bench.statistics import percentile, summary
from bench.tools import where_installed
from bench.zookeeper_ensemble import ZooKeeperEnsemble

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
SETTLE_S = 0.3


def services(effort: Effort) -> Iterator[Figure]:
    """Leading program killed, by etcd, ZooKeeper and PostgreSQL."""
    with where_installed(), EtcdCluster() as cluster:
        cluster.wait_agreed()
        places = ",".join(one.removeprefix("http://") for one in cluster.endpoints)
        ours = Contender("etcd://, lease of 2 s", CANDIDATE, f"etcd://{places}/x?lease=2")
        theirs = Contender("etcd's campaign, lease of 2 s", CAMPAIGN, cluster.endpoints[0])
        yield from _take_overs(effort, ours, theirs)
    with where_installed(), ZooKeeperEnsemble(tick_ms=2000) as ensemble:
        ensemble.wait_serving()
        hosts = ensemble.hosts
        ours = Contender(
            "zookeeper://, session of 4 s", CANDIDATE, f"zookeeper://{hosts}/x?session=4"
        )
        theirs = Contender("kazoo's Election, session of 4 s", KAZOO, hosts)
        yield from _take_overs(effort, ours, theirs)
    with where_installed(), PostgresServer() as server:
        ours = Contender("postgresql://, lease of 5 s", CANDIDATE, f"{server.url}/x")
        yield from _take_overs(effort, ours)


def _take_overs(
    effort: Effort, ours: Contender, theirs: Contender | None = None
) -> Iterator[Figure]:
    took = list(killed(ours, effort.count(20), SETTLE_S))
    beside: tuple[Beside, ...] = ()
    if theirs is not None:
        beside = (
            Beside(theirs.name, percentile(list(killed(theirs, effort.count(5), SETTLE_S)), 0.5)),
        )
    yield Figure(
        measure=f"leading program killed, the next one leads, {ours.name}: p50",
        value=percentile(took, 0.5),
        unit="ms",
        beside=beside,
        note=summary(took),
    )
