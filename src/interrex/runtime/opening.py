"""Opening a worker's log: as it was left or, where it was lost, empty under a new identity.

Invariant: an identity's votes are never forgotten. A log that is missing, short or corrupt is put
aside, and the worker comes back as a new member that the others must let in; the old identity
never votes again.

Only a log that was never written is made again under its identity. A ticket beside it says so: it
is made with the log, and used up, durably, before the first write. Who loses the ticket as well
is a new member.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import SystemRandom

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Record, Stored
from interrex.runtime.disk import Store
from interrex.runtime.disk_file import DiskFailed, StoreCorrupt, sync_folder
from interrex.runtime.genesis import Genesis
from interrex.runtime.identity import IDENTITY_NAME, Identity, load_identity, save_identity
from interrex.runtime.layout import Layout, make_private
from interrex.runtime.log_store import LogStore, quarantine


class OpenedLog(msgspec.Struct, frozen=True):
    """A worker's log, ready to be written, and under which identity it votes.

    ``first_members`` is the genesis membership for a worker that began with the cluster, None for
    one that must be let in. ``loss`` says what was lost, empty if nothing was.
    """

    store: Store
    stored: Stored
    member: int
    first_members: Mapping[int, WorkerName] | None
    loss: str


class Unwritten:
    """A log to which nothing was ever written: its first write uses the ticket up.

    Args:
        store: the log.
        ticket: says that nothing was written.
    """

    def __init__(self, store: LogStore, ticket: Path) -> None:
        self._store = store
        self._ticket: Path | None = ticket

    def write(self, records: Sequence[Record]) -> None:
        """Raises what ``LogStore.write`` does."""
        if self._ticket is not None:
            _use_up(self._ticket)
            self._ticket = None
        self._store.write(records)

    def close(self) -> None:
        self._store.close()


def create_log(layout: Layout, genesis: Genesis, worker: WorkerName) -> None:
    """Make the empty log of a worker that begins with its cluster, reserving its space.

    Raises:
        DiskFull, DiskFailed: the space cannot be had.
    """
    member = genesis.member_of(worker)
    assert member is not None
    _create(layout.store(worker), genesis, worker, member)
    layout.unwritten(worker).touch()
    sync_folder(layout.worker(worker))


def open_log(layout: Layout, genesis: Genesis, worker: WorkerName) -> OpenedLog:
    """Open a worker's log; the caller holds the worker's lock.

    Raises:
        DiskFull, DiskFailed: the disk gives no space, or fails.
    """
    folder, ticket = layout.store(worker), layout.unwritten(worker)
    make_private(folder)
    loss = ""
    try:
        identity = load_identity(folder)
        if identity is not None and _is_of(identity, genesis):
            store = LogStore(folder, must_exist=True)
            stored = store.load()
            known = genesis.members if identity.member in genesis.members else None
            watched = _watched(store, stored, ticket)
            return OpenedLog(watched, stored, identity.member, known, store.repaired or "")
    except StoreCorrupt as error:
        loss = str(error)
    aside = quarantine(folder, IDENTITY_NAME)
    if aside:
        loss += f"; put aside as {', '.join(path.name for path in aside)}"
    first = genesis.member_of(worker) if ticket.exists() else None
    member = SystemRandom().getrandbits(62) + (1 << 32) if first is None else first
    _create(folder, genesis, worker, member)
    store = LogStore(folder, must_exist=True)
    stored = store.load()
    if first is None:
        return OpenedLog(store, stored, member, None, loss)
    loss += "; nothing was ever written to it: it is made again" if loss else ""
    return OpenedLog(_watched(store, stored, ticket), stored, member, genesis.members, loss)


def _is_of(identity: Identity, genesis: Genesis) -> bool:
    """False for one that was made before this host learned how the cluster had begun: it is another
    worker's, or another cluster's."""
    owner = genesis.members.get(identity.member, identity.worker)
    strange = genesis.joined is not None and identity.cluster_id != genesis.cluster_id
    return owner == identity.worker and not strange


def _watched(store: LogStore, stored: Stored, ticket: Path) -> Store:
    if not ticket.exists():
        return store
    if stored != Stored():
        _use_up(ticket)
    return Unwritten(store, ticket)


def disown(layout: Layout, worker: WorkerName) -> None:
    """Make sure that a log never votes again under its identity: the next start takes a new one."""
    _use_up(layout.unwritten(worker))
    quarantine(layout.store(worker), IDENTITY_NAME)


def _use_up(ticket: Path) -> None:
    """Raises DiskFailed where that cannot be done."""
    try:
        ticket.unlink(missing_ok=True)
        sync_folder(ticket.parent)
    except OSError as error:
        raise DiskFailed(ticket, "removing it", str(error)) from error


def _create(folder: Path, genesis: Genesis, worker: WorkerName, member: int) -> None:
    """The log first, then the identity: while an identity exists, its log has existed."""
    make_private(folder)
    store = LogStore(folder)
    store.load()
    store.close()
    save_identity(folder, identity_of(genesis, worker, member))


def identity_of(genesis: Genesis, worker: WorkerName, member: int) -> Identity:
    """What a worker's log is to carry."""
    return Identity(
        cluster=genesis.spec.name,
        cluster_id=genesis.cluster_id,
        worker=worker,
        member=member,
    )
