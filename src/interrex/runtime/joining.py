"""Joining a cluster that has begun without this host.

A host that starts for the first time makes its part of a new cluster, as its file says: it cannot
know better. Where the cluster has begun already, whoever it calls answers how (``Began``), and it
begins from that instead, under an identity that never voted and that the others let in as they do
one that has lost its log. All of its state is theirs; only where it listens, by which certificates
and whom it looks for, it takes from its own file until it has heard of a newer one that names it.

Not told: whether this host is wanted. Who is named by no state of theirs is refused, and says so.
"""

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.messages import Known
from interrex.core.spec import ClusterSpec, hosts_of
from interrex.core.storage import Stored
from interrex.runtime.genesis import Genesis, write_genesis
from interrex.runtime.known_workers import keep_known
from interrex.runtime.last_state import state_in
from interrex.runtime.layout import Layout, make_private


def join_cluster(layout: Layout, host: HostName, mine: Genesis, told: bytes) -> None:
    """Let this host begin as the others have; every worker's next start goes by it.

    Args:
        layout, host: whose part it is.
        mine: how this host would have begun.
        told: how the others say that the cluster began.

    Raises:
        InterrexError: that is no beginning of this cluster.
        OSError: it cannot be written; nothing has changed.
    """
    try:
        began = msgspec.json.decode(told, type=Genesis)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InterrexError(f"what they tell is no genesis: {error}") from error
    if began.spec.name != mine.spec.name or not began.spec.hosts:
        raise InterrexError("what they tell is another cluster's genesis")
    file = mine.joined or mine.spec
    changed = msgspec.structs.replace(began, birthmark=mine.birthmark, joined=file)
    write_genesis(layout.genesis, changed)
    make_private(layout.host(host))
    keep_known(layout.known(host), Known(1, file.workers, file.hosts))


def file_of_host(genesis: Genesis, stored: Stored, host: HostName) -> ClusterSpec:
    """The newest file that a worker has heard of and that names its host."""
    if not genesis.spec.hosts:
        return genesis.spec
    state = state_in(genesis.spec, stored)
    known = [None if state is None else state.spec, genesis.joined]
    naming = (one for one in known if one is not None and host in _names(one))
    return next(naming, genesis.spec)


def _names(spec: ClusterSpec) -> set[HostName]:
    return {host.name for host in hosts_of(spec)}
