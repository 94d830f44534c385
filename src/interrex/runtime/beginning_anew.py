"""A cluster that has lost so many logs that nobody can be elected any more: told, and begun anew.

A lost log never votes again, and its worker is let in again by the others. Where the others are
no majority either (always, with one worker), nobody can let anybody in, and only a person may
decide to go on: what the lost logs held is then taken from what is left. What runs is adopted.

Changes go on being counted from the clock (µs since 1970): above all that the lost logs can have
held, as no fleet makes one every microsecond. The epochs of programs' leaderships are such counts.

What is **not** guaranteed: changes that only the lost logs held are forgotten. The workers' epochs
go on well above the highest that anything on this machine tells of, not above all there can have
been; programs' epochs rise only if the clock was not set back since the last new beginning.
"""

import time
from typing import NamedTuple

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, SlotName, WorkerName, service_of
from interrex.core.quorum import majority
from interrex.core.spec import COORDINATED, ClusterSpec
from interrex.core.state import (
    ClusterState,
    Placement,
    Service,
    encode_state,
    workers_of,
)
from interrex.core.state import genesis as genesis_state
from interrex.core.storage import Stored
from interrex.elections.beginning import ELECTIONS, beginning, last_epoch, last_index, voters
from interrex.runtime.disk_file import StoreCorrupt
from interrex.runtime.founding import new_cluster_id
from interrex.runtime.genesis import Genesis, known_genesis, new_genesis, write_genesis
from interrex.runtime.identity import IDENTITY_NAME, load_identity, save_identity
from interrex.runtime.last_state import read_log, state_in
from interrex.runtime.layout import Layout, make_private
from interrex.runtime.log_store import LogStore, quarantine
from interrex.runtime.opening import identity_of
from interrex.runtime.unsupervised import Found, highest_epoch, recorded_replicas

EPOCHS_LEFT_OUT = 1000
"""How far the first epoch lies above the highest that is known: the latest may be lost."""


class Adopted(NamedTuple):
    """What a new beginning found: replicas that it keeps, and some that no service is known of."""

    kept: list[SlotName]
    strangers: list[SlotName]


def objection(spec: ClusterSpec) -> str:
    """Why such a cluster cannot be begun anew, and what can be done; empty where it can."""
    if spec.election in COORDINATED:
        return (
            f"{spec.name} cannot be begun anew from its files: what is asked for stands in "
            f'{spec.election}\nwhere that has lost it see docs/{spec.election}.md, "has lost data"'
        )
    if spec.hosts or spec.election not in ELECTIONS:
        return (
            f"{spec.name} cannot be begun anew: only a cluster of one host and the election "
            f"{' or '.join(ELECTIONS)} can\ntake it down on every host with --purge, and start it"
        )
    return ""


def lost_logs(layout: Layout, genesis: Genesis) -> list[WorkerName]:
    """Whose logs are lost, where so many are that nobody can be elected; else empty.

    Only for a cluster of one host: the others' logs lie elsewhere.
    """
    if objection(genesis.spec):
        return []
    logs = {worker: read_log(layout.store(worker)) for worker in layout.worker_names()}
    members = {_member(layout, worker) for worker, log in logs.items() if log is not None}
    known = [found for log in logs.values() if log is not None and (found := voters(log))]
    _, voting = max(known, key=lambda found: found[0], default=(0, genesis.members))
    lost = sorted(worker for member, worker in voting.items() if member not in members)
    return lost if len(voting) - len(lost) < majority(len(voting)) else []


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
    reason = objection(spec)
    if reason:
        raise InterrexError(reason)
    stores = {worker: read_log(layout.store(worker)) for worker in layout.worker_names()}
    logs = [log for log in stores.values() if log is not None]
    began = known_genesis(layout)
    state = _last_known(spec if began is None else began.spec, logs) or genesis_state(spec)
    replicas = [found for found in recorded_replicas(layout) if found.alive]
    adopted = _place(state, replicas, host)
    genesis = new_genesis(state.spec, new_cluster_id(state.spec))
    epoch = max(highest_epoch(layout), *map(last_epoch, logs), 0) + EPOCHS_LEFT_OUT
    state.index = max([time.time_ns() // 1000, *map(last_index, logs)]) + 1
    # Those that have lost their logs first: until all is done, what is known is on some disk.
    for worker in sorted(workers_of(state.spec), key=lambda name: stores.get(name) is not None):
        _replace_log(layout, genesis, worker, state, epoch)
    write_genesis(layout.genesis, genesis)
    return adopted


def _member(layout: Layout, worker: WorkerName) -> int | None:
    try:
        identity = load_identity(layout.store(worker))
    except StoreCorrupt:
        return None
    return None if identity is None else identity.member


def _last_known(began: ClusterSpec, logs: list[Stored]) -> ClusterState | None:
    """The newest state that a log holds, of a cluster that began with this."""
    for log in sorted(logs, key=last_index, reverse=True):
        state = state_in(began, log) if last_index(log) else None
        if state is not None:
            return state
    return None


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


def _replace_log(
    layout: Layout, genesis: Genesis, worker: WorkerName, state: ClusterState, epoch: int
) -> None:
    """The log that was is put aside; the new one begins with the state."""
    member = genesis.member_of(worker)
    assert member is not None
    folder = layout.store(worker)
    make_private(folder)
    quarantine(folder, IDENTITY_NAME)
    layout.genesis_copy(worker).unlink(missing_ok=True)
    layout.unwritten(worker).unlink(missing_ok=True)
    store = LogStore(folder)
    try:
        store.load()
        data = encode_state(state)
        election = genesis.spec.election
        store.write(beginning(election, member, genesis.members, data, state.index, epoch))
    finally:
        store.close()
    save_identity(folder, identity_of(genesis, worker, member))
