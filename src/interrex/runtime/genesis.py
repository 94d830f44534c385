"""How a cluster begins: the file that every worker of a machine starts from, and its copies.

Each worker keeps a copy in its own folder. They are made by workers, which start only once there
is a genesis: so a copy proves that the cluster was founded, and was not merely being founded. All
are checksummed: a flipped bit may leave a file that can be read.
"""

import logging
import os
import zlib
from pathlib import Path
from random import SystemRandom

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.state import workers_of
from interrex.runtime.layout import Layout

_log = logging.getLogger(__name__)


class Genesis(msgspec.Struct, frozen=True):
    """The cluster's first file and its first voters (member identity -> worker).

    ``cluster_id`` tells two clusters of the same name apart; ``birthmark``, drawn when this
    machine's part was made, tells it from a part that was made before and lost. ``joined``: the
    file of a host that the cluster has begun without.
    """

    cluster_id: str
    spec: ClusterSpec
    members: dict[int, WorkerName]
    birthmark: int = 0
    joined: ClusterSpec | None = None

    @property
    def beginning(self) -> bytes:
        """What is the same on every host whose file means the same, in whichever order."""
        members = {str(member): worker for member, worker in self.members.items()}
        shared = {"cluster_id": self.cluster_id, "spec": self.spec, "members": members}
        return msgspec.json.encode(shared, order="deterministic")

    def member_of(self, worker: WorkerName) -> int | None:
        """A worker's first identity, None if it was added later."""
        return next((member for member, name in self.members.items() if name == worker), None)

    def host_of(self, worker: WorkerName) -> HostName | None:
        return workers_of(self.spec).get(worker)


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: the checksum is of the bytes that stand there."""

    crc32: int
    genesis: msgspec.Raw


def new_genesis(spec: ClusterSpec, cluster_id: str) -> Genesis:
    """The same on every host that starts from the same file with the same id, but its birthmark."""
    members = dict(enumerate(workers_of(spec), start=1))
    return Genesis(cluster_id, spec, members, SystemRandom().getrandbits(62))


def write_genesis(path: Path, genesis: Genesis) -> None:
    """Write it whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(genesis), indent=1)
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(_Sealed(zlib.crc32(text), msgspec.Raw(text))))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_genesis(path: Path) -> Genesis:
    """Raises InterrexError where the file is missing, or is not what was written."""
    try:
        return _decode(path.read_bytes())
    except FileNotFoundError as error:
        raise InterrexError(f"there is no cluster in {path.parent}: start one with up") from error
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InterrexError(
            f"{path} cannot be read: {error}\nit is written once, by up: restore it, or move "
            "the folder away and start anew"
        ) from error


def is_damaged(path: Path) -> bool:
    """Whether the file can be read and is not what was written."""
    try:
        _decode(path.read_bytes())
    except OSError:
        return False
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return True
    return False


def _decode(data: bytes) -> Genesis:
    """Files without a checksum are read too: those that an earlier version wrote."""
    try:
        sealed = msgspec.json.decode(data, type=_Sealed)
    except msgspec.ValidationError:
        return msgspec.json.decode(data, type=Genesis)
    if zlib.crc32(sealed.genesis) != sealed.crc32:
        raise msgspec.ValidationError("its checksum does not fit")
    return msgspec.json.decode(sealed.genesis, type=Genesis)


def find_genesis(layout: Layout) -> Genesis:
    """The cluster's genesis or, where it is lost, the newest copy of it.

    Raises:
        InterrexError: there is none and no copy, or what there is cannot be read.
    """
    try:
        return read_genesis(layout.genesis)
    except InterrexError:
        copy = newest_copy(layout)
        if copy is None:
            raise
        return copy


def known_genesis(layout: Layout) -> Genesis | None:
    """The same, None where there is none and no copy.

    Raises:
        InterrexError: it cannot be read, and there is no copy.
    """
    if not layout.genesis.exists() and newest_copy(layout) is None:
        return None
    return find_genesis(layout)


def newest_copy(layout: Layout) -> Genesis | None:
    """The copy that a worker wrote last, None where there is none."""
    copies = []
    for worker in layout.worker_names():
        path = layout.genesis_copy(worker)
        try:
            copies.append((path.stat().st_mtime_ns, read_genesis(path)))
        except (OSError, InterrexError):
            continue
    return max(copies, key=lambda copy: copy[0])[1] if copies else None


def genesis_of_worker(layout: Layout, worker: WorkerName) -> Genesis:
    """What a worker starts from; its own copy is kept current, and made again where it is damaged.
    The caller holds its lock.

    Raises:
        InterrexError: there is none and no copy, or what there is cannot be read.
    """
    genesis = find_genesis(layout)
    path = layout.genesis_copy(worker)
    try:
        if _read_or_none(path) != genesis:
            write_genesis(path, genesis)
    except OSError as error:  # a full disk is no reason not to run
        _log.warning("no copy of %s is kept: %s", layout.genesis, error)
    return genesis


def _read_or_none(path: Path) -> Genesis | None:
    try:
        return read_genesis(path)
    except InterrexError:
        return None
