"""Where each worker of a cluster is reached: a Unix socket on this host, TCP on the others."""

from collections.abc import Mapping
from types import MappingProxyType

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.core.placeholders import fill
from interrex.core.spec import ClusterSpec, Tls, hosts_of
from interrex.runtime.layout import Layout
from interrex.runtime.peer_socket import Address, TcpAddress, UnixAddress


def address_of(
    layout: Layout, spec: ClusterSpec, worker: WorkerName, host: HostName, seen_from: HostName
) -> Address:
    """One worker's address as seen from a host."""
    if host == seen_from:
        return UnixAddress(layout.peer_socket(worker))
    address, port = listening_place(spec, worker, host)
    return TcpAddress(address, port, host)


def addresses_of(
    layout: Layout,
    spec: ClusterSpec,
    workers: Mapping[WorkerName, HostName],
    seen_from: HostName,
    before: Mapping[WorkerName, Address] = MappingProxyType({}),
) -> dict[WorkerName, Address]:
    """Every worker's address as seen from a host.

    Whose host the file names no more has still to be told that it is not asked for: it keeps the
    address that it had ``before``. Where none is known it is left out, and nobody can dial it.
    """
    named = {declared.name for declared in hosts_of(spec)}
    found = {}
    for worker, host in workers.items():
        if host in named or host == seen_from:
            found[worker] = address_of(layout, spec, worker, host, seen_from)
        elif worker in before:
            found[worker] = before[worker]
    return found


def tls_files(spec: ClusterSpec, host: HostName) -> Tls | None:
    """The certificate files of one host, where the cluster has several."""
    if spec.tls is None:
        return None
    values = {"host": host}
    return Tls(
        ca=fill(spec.tls.ca, values),
        certificate=fill(spec.tls.certificate, values),
        key=fill(spec.tls.key, values),
    )


def listening_place(spec: ClusterSpec, worker: WorkerName, host: HostName) -> tuple[str, int]:
    """The IP address and port on which a worker hears those of other hosts.

    The first worker of a host has the port of the host's ``address``, the next one the next.

    Raises:
        InterrexError: the file gives the host no address.
    """
    for declared in hosts_of(spec):
        if declared.name == host and declared.address:
            address, _, port = declared.address.rpartition(":")
            number = int(worker.rpartition("-")[2])
            return address.strip("[]"), int(port) + number - 1
    raise InterrexError(f"the cluster file gives host {host} no address")
