"""Opening a worker's log: as it was left or, where it was lost, empty under a new identity.

Invariant: an identity's votes are never forgotten. A log that is missing, short or corrupt is put
aside, and the worker comes back as a new member that the others must let in; the old identity
never votes again.
"""

from collections.abc import Mapping
from pathlib import Path
from random import SystemRandom

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.runtime.disk_file import StoreCorrupt
from interrex.runtime.genesis import Genesis
from interrex.runtime.identity import IDENTITY_NAME, Identity, load_identity, save_identity
from interrex.runtime.layout import make_private
from interrex.runtime.log_store import LogStore, quarantine


class OpenedLog(msgspec.Struct, frozen=True):
    """A worker's log, ready to be written, and under which identity it votes.

    ``first_members`` is the genesis membership for a worker that began with the cluster, None for
    one that must be let in. ``loss`` says what was lost, empty if nothing was.
    """

    store: LogStore
    stored: Stored
    member: int
    first_members: Mapping[int, WorkerName] | None
    loss: str

    @property
    def empty(self) -> bool:
        """Whether nothing was ever written to it: no vote, no entry."""
        stored = self.stored
        return not stored.facts and not stored.entries and stored.snapshot is None


def create_log(folder: Path, genesis: Genesis, worker: WorkerName) -> None:
    """Make the empty log of a worker that begins with its cluster, reserving its space.

    Raises:
        DiskFull, DiskFailed: the space cannot be had.
    """
    member = genesis.member_of(worker)
    assert member is not None
    _create(folder, genesis, worker, member)


def open_log(folder: Path, genesis: Genesis, worker: WorkerName) -> OpenedLog:
    """Open a worker's log; the caller holds the worker's lock.

    Raises:
        DiskFull, DiskFailed: the disk gives no space, or fails.
    """
    make_private(folder)
    loss = ""
    try:
        identity = load_identity(folder)
        if identity is not None:
            store = LogStore(folder, must_exist=True)
            stored = store.load()
            known = genesis.members if identity.member in genesis.members else None
            return OpenedLog(store, stored, identity.member, known, store.repaired or "")
    except StoreCorrupt as error:
        loss = str(error)
    aside = quarantine(folder, IDENTITY_NAME)
    if aside:
        loss += f"; put aside as {', '.join(path.name for path in aside)}"
    member = SystemRandom().getrandbits(62) + (1 << 32)
    _create(folder, genesis, worker, member)
    store = LogStore(folder, must_exist=True)
    return OpenedLog(store, store.load(), member, None, loss)


def disown(folder: Path) -> None:
    """Make sure that a log never votes again under its identity: the next start takes a new one."""
    quarantine(folder, IDENTITY_NAME)


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
