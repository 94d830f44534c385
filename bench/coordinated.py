"""Fleets whose election rests on a coordination service: the leader is killed, until the last
survivor knows the next. The session lasts far longer: nobody waits for one to run out."""

import contextlib
import signal
from collections.abc import Iterator

import msgspec

from bench.etcd_cluster import EtcdCluster
from bench.failover import end_leader
from bench.figures import Effort, Figure, at_most
from bench.fleet import Fleet
from bench.progress import progress
from bench.specs import bare
from bench.statistics import percentile, summary
from bench.tools import MissingTool
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.spec import ClusterSpec, Etcd, ZooKeeper

SESSION_S = 60.0
TAKES_OVER_MS = 60.0


def coordinated(effort: Effort) -> Iterator[Figure]:
    """Leader killed, the election by etcd or ZooKeeper: the last survivor knows the next."""
    with contextlib.suppress(MissingTool), EtcdCluster() as cluster:
        cluster.wait_agreed()
        options = Etcd(endpoints=cluster.endpoints, session=SESSION_S)
        spec = msgspec.structs.replace(bare(), election="etcd", etcd=options)
        yield _killed(spec, effort)
    with contextlib.suppress(MissingTool), ZooKeeperEnsemble() as ensemble:
        ensemble.wait_serving()
        hosts = tuple(ensemble.hosts.split(","))
        lined = ZooKeeper(hosts=hosts, session=SESSION_S)
        yield _killed(
            msgspec.structs.replace(bare(), election="zookeeper", zookeeper=lined), effort
        )


def _killed(spec: ClusterSpec, effort: Effort) -> Figure:
    with Fleet(spec) as fleet:
        kills = progress(range(effort.count(50)), f"{spec.election}, kill")
        took = [end_leader(fleet, signal.SIGKILL) for _ in kills]
    return Figure(
        measure=f"election by {spec.election}, leader killed, last survivor knows the next: p50",
        value=percentile(took, 0.5),
        unit="ms",
        goal=at_most(TAKES_OVER_MS),
        note=f"session of {SESSION_S:.0f} s asked for; {summary(took)}",
    )
