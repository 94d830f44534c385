"""Programs that lead by a service outside, beside the service's own recipe for an election: how
soon the next one leads when the leader is killed."""

from collections.abc import Iterator

from bench.etcd_cluster import EtcdCluster
from bench.figures import Beside, Effort, Figure
from bench.leading_programs import Contender, killed
from bench.postgresql_server import PostgresServer
from bench.statistics import percentile, summary
from bench.tools import where_installed
from bench.zookeeper_ensemble import ZooKeeperEnsemble

SETTLE_S = 0.3


def services(effort: Effort) -> Iterator[Figure]:
    """Leading program killed, by etcd, ZooKeeper and PostgreSQL."""
    with where_installed(), EtcdCluster() as cluster:
        cluster.wait_agreed()
        places = ",".join(one.removeprefix("http://") for one in cluster.endpoints)
        url = f"etcd://{places}/x?lease=2"
        ours = Contender("etcd://, lease of 2 s", "library", url)
        theirs = Contender("etcd's campaign, lease of 2 s", "etcd", cluster.endpoints[0], "2")
        yield from _take_overs(effort, ours, theirs)
    with where_installed(), ZooKeeperEnsemble(tick_ms=2000) as ensemble:
        ensemble.wait_serving()
        hosts = ensemble.hosts
        url = f"zookeeper://{hosts}/x?session=4"
        ours = Contender("zookeeper://, session of 4 s", "library", url)
        theirs = Contender("kazoo's Election, session of 4 s", "zookeeper", hosts, "4")
        yield from _take_overs(effort, ours, theirs)
    with where_installed(), PostgresServer() as server:
        ours = Contender("postgresql://, lease of 5 s", "library", f"{server.url}/x")
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
