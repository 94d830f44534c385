"""What a member keeps: in a directory, or in memory only."""

import asyncio
import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from interrex.core.storage import Record, Stored
from interrex.library.embedded.founding import Genesis
from interrex.library.errors import OtherCluster, StateTaken
from interrex.runtime.disk import Writer, WriterListener
from interrex.runtime.disk_file import StoreCorrupt, sync_folder
from interrex.runtime.layout import make_private
from interrex.runtime.log_store import LogStore, quarantine

log = logging.getLogger(__name__)

MEMBER_NAME = "member"


class Kept(msgspec.Struct, frozen=True):
    """Under which identity a member votes, and how its election began."""

    election: str
    name: str
    member: int
    genesis: Genesis


def new_member() -> int:
    """An identity that no member ever had."""
    return secrets.randbits(62) + 1


class MemoryStore:
    """Keeps nothing: with its process a member's identity ends."""

    def __init__(self) -> None:
        self.member = new_member()
        self.genesis: Genesis | None = None
        self.stored = Stored()

    def keep(self, genesis: Genesis) -> None:
        """How the election began."""
        self.genesis = genesis

    def forget(self) -> None:
        """Vote no more under this identity: take a new one."""
        self.member, self.genesis, self.stored = new_member(), None, Stored()

    def write(
        self, token: int, records: Sequence[Record], persisted: Callable[[int], None]
    ) -> None:
        """Calls ``persisted`` soon."""
        asyncio.get_running_loop().call_soon(persisted, token)

    def close(self) -> None:
        """Nothing is open."""


class FolderStore:
    """Keeps a member's votes, its identity and its genesis in a directory of its own.

    Args:
        folder: made where it is missing, with mode 0700.
        election, name: whose it is.
        listener: told what became of what is written.

    Raises:
        StateTaken: another process has the directory.
        OtherCluster: it belongs to another election.
        InterrexError, OSError: it cannot be made, the disk gives no space, or fails.
    """

    def __init__(self, folder: Path, election: str, name: str, listener: WriterListener) -> None:
        self._folder = folder
        self._whose = (election, name)
        self._listener = listener
        self._writer: Writer | None = None
        make_private(folder)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StateTaken(
                f"another process has the state directory {folder}\n"
                "give each member a directory of its own"
            ) from None
        self.member, self.stored = new_member(), Stored()
        self.genesis: Genesis | None = None
        try:
            self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self) -> None:
        path = self._folder / MEMBER_NAME
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=Kept)
            if (kept.election, kept.name) != self._whose:
                mine, theirs = (f"{one[0]}/{one[1]}" for one in (self._whose, kept_by(kept)))
                raise OtherCluster(mine, theirs, str(self._folder))
            store = LogStore(self._folder, must_exist=True)
            self.stored = store.load()
        except FileNotFoundError:
            quarantine(self._folder)
            return
        except (msgspec.MsgspecError, StoreCorrupt) as error:
            # Its votes are not known any more: its identity never votes again.
            quarantine(self._folder, MEMBER_NAME)
            log.error("this member takes a new identity: %s", error)
            return
        self.member, self.genesis = kept.member, kept.genesis
        self._start(store)

    def keep(self, genesis: Genesis) -> None:
        """How the election began: on disk when this returns, and an empty log before it."""
        store = LogStore(self._folder)
        self.stored = store.load()
        kept = Kept(*self._whose, self.member, genesis)
        path = self._folder / MEMBER_NAME
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
        sync_folder(self._folder)
        self.genesis = genesis
        self._start(store)

    def forget(self) -> None:
        """Vote no more under this identity: take a new one."""
        self._stop()
        quarantine(self._folder, MEMBER_NAME)
        self.member, self.genesis, self.stored = new_member(), None, Stored()

    def write(
        self, token: int, records: Sequence[Record], persisted: Callable[[int], None]
    ) -> None:
        """The listener is told when it is on the disk."""
        assert self._writer is not None
        self._writer.submit(token, records)

    def close(self) -> None:
        """Everything that was written is on disk, and the directory is free."""
        self._stop()
        os.close(self._lock)

    def _start(self, store: LogStore) -> None:
        self._writer = Writer(store, self._listener, asyncio.get_running_loop())

    def _stop(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def kept_by(kept: Kept) -> tuple[str, str]:
    """Whose directory it is."""
    return kept.election, kept.name
