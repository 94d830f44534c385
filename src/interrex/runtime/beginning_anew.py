"""A cluster that has lost so many logs that nobody can be elected any more: told, and begun anew.

A lost log never votes again, and its worker is let in again by the others. Where the others are
no majority either (always, with one worker), nobody can let anybody in, and only a person may
decide to go on: what the lost logs held is then taken from what is left. What runs is adopted.

What is **not** guaranteed: changes that only the lost logs held are forgotten. The epochs go on
well above the highest that anything on this machine tells of, not above all there can have been.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import BALANCER, HostName, SlotName, WorkerName, service_of
from interrex.core.quorum import majority
from interrex.core.spec import ClusterSpec
from interrex.core.state import (
    ClusterState,
    Placement,
    Service,
    encode_state,
    workers_of,
)
from interrex.core.state import genesis as genesis_state
from interrex.core.storage import SaveSnapshot, SetFact, Snapshot, Stored
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.elections.raft.payload import (
    Configuration,
    configuration_of,
    snapshot_data,
    snapshot_parts,
)
from interrex.runtime.disk_file import StoreCorrupt
from interrex.runtime.founding import new_cluster_id
from interrex.runtime.genesis import Genesis, new_genesis, write_genesis
from interrex.runtime.haproxy_files import BalancerFiles
from interrex.runtime.identity import IDENTITY_NAME, load_identity, save_identity
from interrex.runtime.journal import read_events
from interrex.runtime.last_state import read_log, state_in
from interrex.runtime.layout import Layout, make_private
from interrex.runtime.log_store import LogStore, quarantine
from interrex.runtime.opening import identity_of
from interrex.runtime.unsupervised import Found, recorded_replicas

EPOCHS_LEFT_OUT = 1000
"""How far the first epoch lies above the highest that is known: the latest may be lost."""
ELECTIONS = ("raft",)
"""Those whose clusters can be begun anew."""


class Adopted(NamedTuple):
    """What a new beginning found: replicas that it keeps, and some that no service is known of."""

    kept: list[SlotName]
    strangers: list[SlotName]


def lost_logs(layout: Layout, genesis: Genesis) -> list[WorkerName]:
    """Whose logs are lost, where so many are that nobody can be elected; else empty.

    Only for a cluster of one host: the others' logs lie elsewhere.
    """
    if genesis.spec.hosts or genesis.spec.election not in ELECTIONS:
        return []
    logs = {worker: read_log(layout.store(worker)) for worker in layout.worker_names()}
    members = {_member(layout, worker) for worker, log in logs.items() if log is not None}
    voters = _voters(genesis, [log for log in logs.values() if log is not None])
    lost = sorted(worker for member, worker in voters.items() if member not in members)
    return lost if len(voters) - len(lost) < majority(len(voters)) else []


def begin_anew(layout: Layout, spec: ClusterSpec, host: HostName) -> Adopted:
    """Found the cluster again, from what is left of it, and with what runs.

    The caller holds the command lock, and no worker lives. Interrupted, it can be called again.

    Args:
        layout: of the cluster.
        spec: what is asked for where no log tells.
        host: the only one.

    Raises:
        InterrexError: the cluster cannot be begun anew; nothing was changed.
        DiskFull, DiskFailed: the disk gives no space, or fails.
    """
    if spec.hosts or spec.election not in ELECTIONS:
        raise InterrexError(
            f"{spec.name} cannot be begun anew: only a cluster of one host and the election "
            f"{', '.join(ELECTIONS)} can\ntake it down on every host with --purge, and start it"
        )
    stores = {worker: read_log(layout.store(worker)) for worker in layout.worker_names()}
    state, index, term = _last_known(spec, [log for log in stores.values() if log is not None])
    replicas = [found for found in recorded_replicas(layout) if found.alive]
    adopted = _place(state, replicas, host)
    genesis = new_genesis(state.spec, new_cluster_id(state.spec))
    epoch = max(term, _highest_epoch(layout, host)) + EPOCHS_LEFT_OUT
    state.index = index + 1
    data = snapshot_data(Configuration(dict(genesis.members)), encode_state(state))
    snapshot = Snapshot(state.index, epoch, data)
    # Those that have lost their logs first: until all is done, what is known is on some disk.
    for worker in sorted(workers_of(state.spec), key=lambda name: stores.get(name) is not None):
        _replace_log(layout, genesis, worker, snapshot)
    write_genesis(layout.genesis, genesis)
    return adopted


def _member(layout: Layout, worker: WorkerName) -> int | None:
    try:
        identity = load_identity(layout.store(worker))
    except StoreCorrupt:
        return None
    return None if identity is None else identity.member


def _voters(genesis: Genesis, logs: list[Stored]) -> Mapping[int, WorkerName]:
    """As the log says that reaches furthest."""
    newest, voters = 0, genesis.members
    for log in logs:
        for index, configuration in _configurations(log):
            if index > newest:
                newest, voters = index, configuration.voters
    return voters


def _configurations(log: Stored) -> list[tuple[int, Configuration]]:
    found = []
    if log.snapshot is not None:
        found.append((log.snapshot.index, snapshot_parts(log.snapshot.data).configuration))
    for entry in log.entries:
        configuration = configuration_of(entry)
        if configuration is not None:
            found.append((entry.index, configuration))
    return found


def _last_known(spec: ClusterSpec, logs: list[Stored]) -> tuple[ClusterState, int, int]:
    """The newest state that a log holds (else that of a new cluster), its index, and its term."""
    best = (genesis_state(spec), 0, 0)
    for log in logs:
        vote = log.facts.get(VOTE)
        term = 0 if vote is None else msgspec.msgpack.decode(vote, type=StoredVote).term
        best = (best[0], best[1], max(best[2], term))
        ends = [entry.index for entry in log.entries]
        last = max(ends, default=0 if log.snapshot is None else log.snapshot.index)
        state = state_in(spec, log) if last > best[1] else None
        if state is not None:
            best = (state, last, best[2])
    return best


def _place(state: ClusterState, replicas: list[Found], host: HostName) -> Adopted:
    """Give what runs the place that it has: its port and its generation."""
    workers = sorted(workers_of(state.spec))
    kept, strangers = [], []
    for number, found in enumerate(replicas):
        slot, record = SlotName(found.record.slot), found.record
        service = state.services.get(service_of(slot))
        if service is None:
            strangers.append(slot)
            continue
        generation = max(service.generation, record.generation)
        state.services[service_of(slot)] = Service(service.spec, generation)
        before = state.placements.get(slot)
        worker = before.worker if before is not None else workers[number % len(workers)]
        state.placements[slot] = Placement(
            slot, worker, host, record.port, record.generation, record.generation
        )
        kept.append(slot)
    for slot, placement in state.placements.items():
        if slot in kept:  # one that was just being replaced goes on being so
            newest = state.services[service_of(slot)].generation
            state.placements[slot] = msgspec.structs.replace(placement, target=newest)
    return Adopted(kept, strangers)


def _highest_epoch(layout: Layout, host: HostName) -> int:
    """The highest that replicas, balancers' files or events tell of."""
    found = [one.record.epoch for one in recorded_replicas(layout)]
    for path in layout.balancer(host, SlotName(f"{BALANCER}.0")).parent.glob(f"{BALANCER}.*"):
        followed = BalancerFiles(path).followed()
        found.append(0 if followed is None else followed[0])
    events = read_events([layout.events(worker) for worker in layout.worker_names()])
    found += [event.epoch or 0 for event in events]
    return max(found, default=0)


def _replace_log(layout: Layout, genesis: Genesis, worker: WorkerName, snapshot: Snapshot) -> None:
    """The log that was is put aside; the new one begins with the snapshot."""
    member = genesis.member_of(worker)
    assert member is not None
    folder = layout.store(worker)
    make_private(folder)
    quarantine(folder, IDENTITY_NAME)
    layout.genesis_copy(worker).unlink(missing_ok=True)
    store = LogStore(folder)
    try:
        store.load()
        vote = msgspec.msgpack.encode(StoredVote(member, snapshot.epoch, 0))
        store.write((SetFact(VOTE, vote), SaveSnapshot(snapshot, keep_after=snapshot.index)))
    finally:
        store.close()
    save_identity(folder, identity_of(genesis, worker, member))
