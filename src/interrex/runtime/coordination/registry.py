"""Which coordination service's client an election needs."""

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.spec import ClusterSpec
from interrex.runtime.coordination.interface import CoordinationClient, Post


def new_client(
    spec: ClusterSpec, cluster_id: str, host: HostName, post: Post
) -> CoordinationClient | None:
    """The client that the cluster's election asks through, None where it asks nobody.

    Args:
        spec: names the election, and says how its coordination service is reached.
        cluster_id: keeps clusters of one name apart.
        host: this machine, whose certificate is used.
        post: takes answers and news.

    Raises:
        InterrexError: the client is not installed, or its files cannot be read.
    """
    if spec.election == "etcd":
        try:
            from interrex.runtime.coordination import etcd
        except ImportError as error:
            raise missing_client("etcd", error) from error
        folder = f"{spec.etcd.prefix}/{spec.name}/{cluster_id}/"
        connection = etcd.EtcdConnection(etcd.access_from(spec.etcd, host))
        return etcd.EtcdClient(connection, folder, post)
    if spec.election == "zookeeper":
        try:
            from interrex.runtime.coordination import (
                zookeeper,
                zookeeper_access,
                zookeeper_session,
            )
        except ImportError as error:
            raise missing_client("zookeeper", error) from error
        folder = f"{spec.zookeeper.root}/{spec.name}/{cluster_id}"
        access = zookeeper_access.access_from(spec.zookeeper, host)
        ensemble = zookeeper_session.ZooKeeperConnection(access)
        return zookeeper.ZooKeeperClient(ensemble, folder, post)
    return None


def missing_client(election: str, error: ImportError) -> InterrexError:
    """What a person is told whose installation lacks a client."""
    return InterrexError(
        f"the election {election} needs {error.name}, which is not installed: "
        f"pip install 'interrex[{election}]'"
    )
