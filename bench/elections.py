"""One measure over all elections of a fleet: its leader is killed, until the last survivor knows
the next. The sessions last far longer: nobody waits for one to run out.

All take turns, as far as their servers allow; beside those that rest on a coordination service
stands its own recipe, which does wait for a session, the shortest that it has."""

import signal
from collections.abc import Iterator

import msgspec

from bench.etcd_cluster import EtcdCluster
from bench.failover import end_leader
from bench.figures import Beside, Effort, Figure, Goal, at_most
from bench.fleet import Fleet
from bench.leading_programs import Contender, killed
from bench.specs import bare
from bench.statistics import percentile, summary
from bench.tools import where_installed
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.spec import Bully, ClusterSpec, Etcd, ZooKeeper

SESSION_S = 60.0
TURNS = 4
EMBEDDED_MS = 5.0
COORDINATED_MS = 60.0
ETCD_TTL_S = 1
KAZOO_SESSIONS_S = (4, 10)
SETTLE_S = 0.5


def elections(effort: Effort) -> Iterator[Figure]:
    """Leader killed, by raft, paxos, bully, etcd, zookeeper: the last survivor knows the next."""
    specs = {name: msgspec.structs.replace(bare(), election=name) for name in ("raft", "paxos")}
    # It does not take the lead back: that would be a second take-over within the first.
    bully = Bully(preempt=False)
    specs["bully"] = msgspec.structs.replace(bare(), election="bully", bully=bully)
    took: dict[str, list[float]] = {name: [] for name in specs}
    for _ in range(TURNS):
        for name, spec in specs.items():
            took[name] += _killed(spec, effort.count(100, TURNS) // TURNS)
    for name, times in took.items():
        yield _figure(name, times, at_most(EMBEDDED_MS))
    with where_installed():
        yield _etcd(effort)
    with where_installed():
        yield _zookeeper(effort)


def _etcd(effort: Effort) -> Figure:
    with EtcdCluster() as cluster:
        cluster.wait_agreed()
        options = Etcd(endpoints=cluster.endpoints, session=SESSION_S)
        spec = msgspec.structs.replace(bare(), election="etcd", etcd=options)
        took = _killed(spec, effort.count(50))
        name = f"etcd's campaign, TTL {ETCD_TTL_S} s asked for"
        campaign = _recipe(name, "etcd", cluster.endpoints[0], ETCD_TTL_S, effort.count(10))
    return _figure("etcd", took, at_most(COORDINATED_MS), campaign)


def _zookeeper(effort: Effort) -> Figure:
    with ZooKeeperEnsemble() as ensemble:
        ensemble.wait_serving()
        options = ZooKeeper(hosts=tuple(ensemble.hosts.split(",")), session=SESSION_S)
        spec = msgspec.structs.replace(bare(), election="zookeeper", zookeeper=options)
        took = _killed(spec, effort.count(50))
        peers = []
        for session_s in KAZOO_SESSIONS_S:
            name, count = f"kazoo's Election, session {session_s} s", effort.count(5)
            peers.append(_recipe(name, "zookeeper", ensemble.hosts, session_s, count))
    return _figure("zookeeper", took, at_most(COORDINATED_MS), *peers)


def _recipe(name: str, recipe: str, servers: str, session_s: int, count: int) -> Beside:
    """The service's own; the next one waits until the first has renewed its session."""
    contender = Contender(name, recipe, servers, str(session_s))
    settle_s = SETTLE_S + session_s / 2
    return Beside(name, percentile(list(killed(contender, count, settle_s)), 0.5))


def _killed(spec: ClusterSpec, count: int) -> list[float]:
    with Fleet(spec) as fleet:
        return [end_leader(fleet, signal.SIGKILL) for _ in range(count)]


def _figure(election: str, took: list[float], goal: Goal, *beside: Beside) -> Figure:
    return Figure(
        measure=f"{election}: leader killed, last survivor knows the next: p50",
        value=percentile(took, 0.5),
        unit="ms",
        goal=goal,
        beside=beside,
        note=summary(took),
    )
