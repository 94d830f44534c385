"""Making a new cluster's files on this machine: logs and identities first, the genesis last."""

import hashlib
import secrets

from interrex.core.ids import HostName
from interrex.core.spec import ClusterSpec
from interrex.core.state import workers_of
from interrex.runtime.genesis import new_genesis, write_genesis
from interrex.runtime.haproxy_files import BalancerFiles
from interrex.runtime.layout import Layout
from interrex.runtime.opening import create_log


def found_cluster(layout: Layout, spec: ClusterSpec, host: HostName) -> bool:
    """Make this host's part of a new cluster. The caller holds the command lock.

    Interrupted, it is done anew by the next call: a worker starts only when the genesis is there.

    Args:
        layout: where; made if missing.
        spec: the cluster's first file.
        host: this machine's name in it.

    Returns:
        False where the cluster exists already: nothing is touched.

    Raises:
        InterrexError: the folder cannot be used, or the disk gives no space.
    """
    layout.make()
    layout.check_socket_paths(list(workers_of(spec)))
    if layout.genesis.exists():
        return False
    if not spec.hosts:  # with several the cluster may be an old one that this host has forgotten
        _forget_routes(layout, host)
    genesis = new_genesis(spec, new_cluster_id(spec))
    for worker, home in workers_of(spec).items():
        if home == host:
            create_log(layout, genesis, worker)
    write_genesis(layout.genesis, genesis)
    return True


def _forget_routes(layout: Layout, host: HostName) -> None:
    """An earlier cluster of this name counted its epochs for itself: its balancers' files, left
    behind by workers whose folder was removed under them, would refuse the new one's routes."""
    for folder in layout.host(host).glob("balancer/*/"):
        BalancerFiles(folder).configuration.unlink(missing_ok=True)


def new_cluster_id(spec: ClusterSpec) -> str:
    """By chance on one host; with several, each must come to the same one by itself."""
    if not spec.hosts:
        return secrets.token_hex(8)
    hosts = ",".join(f"{host.name}={host.address}*{host.workers}" for host in spec.hosts)
    return hashlib.sha256(f"{spec.name}:{hosts}".encode()).hexdigest()[:16]
