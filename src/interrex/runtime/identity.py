"""Who a worker is: the member id under which its log votes, in a checksummed file of its own."""

import os
import zlib
from pathlib import Path

import msgspec

from interrex.core.ids import WorkerName
from interrex.runtime.disk_file import StoreCorrupt, sync_folder

IDENTITY_NAME = "identity.json"


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker's identity. While it exists, its log must exist too.

    ``cluster_id`` is drawn when a cluster is first started; ``member`` is never used twice.
    """

    cluster: str
    cluster_id: str
    worker: WorkerName
    member: int


class _Sealed(msgspec.Struct, forbid_unknown_fields=True):
    identity: Identity
    crc32: int


def _crc(identity: Identity) -> int:
    return zlib.crc32(msgspec.json.encode(identity))


def load_identity(folder: Path) -> Identity | None:
    """The identity kept in a worker's folder, None when it never had one.

    Raises:
        StoreCorrupt: the file is there but not what was written.
    """
    path = folder / IDENTITY_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise StoreCorrupt(path, "whole file", "a folder stands in its place") from error
    try:
        sealed = msgspec.json.decode(data, type=_Sealed)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreCorrupt(path, "whole file", f"is no identity: {error}") from error
    if sealed.crc32 != _crc(sealed.identity):
        raise StoreCorrupt(path, "whole file", "its checksum does not fit")
    return sealed.identity


def save_identity(folder: Path, identity: Identity) -> None:
    """Replaces the identity durably and at once. Raises OSError, with the old one kept."""
    path = folder / IDENTITY_NAME
    new = folder / f"{IDENTITY_NAME}.new"
    data = msgspec.json.format(msgspec.json.encode(_Sealed(identity, _crc(identity))))
    with new.open("wb") as file:
        new.chmod(0o600)
        file.write(data + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_folder(folder)
