"""Where a cluster's files lie on a machine.

STATE/                        one folder a cluster, 0700
  genesis.json                how the cluster began: every worker starts from it
  stopping                    a `down` is under way: nobody starts anything
  stopped                     the last `down` came to its end
  command.lock                held by the one command that starts or stops workers
  workers/NAME/               one folder a worker: locked by its one process
    lock  log/  events.jsonl  worker.log  peer.sock  api.sock  lead.sock
    genesis.json              this worker's copy, from which a lost one is restored
    dismissed                 it ended because the cluster asks for it no more
  hosts/HOST/                 what the host's workers share
    replicas/  logs/  balancer/
"""

import os
import stat
from pathlib import Path

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, SlotName, WorkerName

SOCKET_PATH_LIMIT = 107
"""The longest path (bytes) that Linux lets a Unix socket have."""


class Layout:
    """The paths of one cluster.

    Args:
        state: the folder of all clusters' states; the cluster's own folder lies in it.
        cluster: the cluster's name.
    """

    def __init__(self, state: Path, cluster: str) -> None:
        self.root = state
        self.cluster = cluster
        self.home = state / cluster

    @property
    def genesis(self) -> Path:
        return self.home / "genesis.json"

    @property
    def stopping(self) -> Path:
        return self.home / "stopping"

    @property
    def stopped(self) -> Path:
        return self.home / "stopped"

    @property
    def command_lock(self) -> Path:
        return self.home / "command.lock"

    def worker(self, worker: WorkerName) -> Path:
        return self.home / "workers" / worker

    def genesis_copy(self, worker: WorkerName) -> Path:
        return self.worker(worker) / "genesis.json"

    def worker_lock(self, worker: WorkerName) -> Path:
        return self.worker(worker) / "lock"

    def peer_socket(self, worker: WorkerName) -> Path:
        return self.worker(worker) / "peer.sock"

    def api_socket(self, worker: WorkerName) -> Path:
        return self.worker(worker) / "api.sock"

    def lead_socket(self, worker: WorkerName) -> Path:
        return self.worker(worker) / "lead.sock"

    def worker_log(self, worker: WorkerName) -> Path:
        return self.worker(worker) / "worker.log"

    def events(self, worker: WorkerName) -> Path:
        return self.worker(worker) / "events.jsonl"

    def store(self, worker: WorkerName) -> Path:
        return self.worker(worker) / "log"

    def unwritten(self, worker: WorkerName) -> Path:
        """Is there as long as nothing was ever written to a first member's log."""
        return self.worker(worker) / "unwritten"

    def dismissed(self, worker: WorkerName) -> Path:
        """Is there once a worker has ended because nobody asks for it, until its next start."""
        return self.worker(worker) / "dismissed"

    def host(self, host: HostName) -> Path:
        return self.home / "hosts" / host

    def known(self, host: HostName) -> Path:
        """Whom there is, as a host's workers last knew it."""
        return self.host(host) / "known.json"

    def balancer(self, host: HostName, slot: SlotName) -> Path:
        return self.host(host) / "balancer" / slot

    def worker_names(self) -> list[WorkerName]:
        """The workers that have a folder here."""
        folder = self.home / "workers"
        if not folder.is_dir():
            return []
        return sorted(WorkerName(path.name) for path in folder.iterdir() if path.is_dir())

    def make(self) -> None:
        """Make the cluster's folder, for its owner only.

        Raises:
            InterrexError: it cannot be made, belongs to somebody else, is open to others, or its
                path is too long for sockets.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.home.stat()
        except OSError as error:
            raise InterrexError(
                f"cannot make the state folder {self.home}: {error.strerror}\n"
                "choose another one with --state DIR or $INTERREX_STATE"
            ) from error
        if found.st_uid != os.geteuid():
            raise InterrexError(
                f"the state folder {self.home} belongs to uid {found.st_uid}, and you are uid "
                f"{os.geteuid()}\nchoose another one with --state DIR or $INTERREX_STATE"
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            self.home.chmod(0o700)

    def check_socket_paths(self, workers: list[WorkerName]) -> None:
        """Raises InterrexError where a worker's socket would have too long a path."""
        longest = max((self.peer_socket(worker) for worker in workers), key=lambda p: len(str(p)))
        size = len(os.fsencode(longest))
        if size > SOCKET_PATH_LIMIT:
            raise InterrexError(
                f"the path {longest} has {size} bytes, and Linux allows a socket "
                f"{SOCKET_PATH_LIMIT}\nchoose a shorter folder with --state DIR"
            )


def make_private(folder: Path) -> None:
    """Make a folder and its missing parents, for their owner only (mkdir's mode is its own)."""
    for path in (*reversed(folder.parents), folder):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)


def state_root(chosen: Path | None) -> Path:
    """The folder of all clusters: as chosen, else $INTERREX_STATE, else the user's own."""
    if chosen is not None:
        return chosen.absolute()
    if named := os.environ.get("INTERREX_STATE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "interrex"
