"""The demo's own fleet: a cluster file in a temporary folder, three workers, and its end."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path

from interrex.cli.command_lock import only_command
from interrex.cli.taking_down import take_down
from interrex.config import load
from interrex.core.errors import InterrexError
from interrex.core.ids import SlotName, WorkerName
from interrex.core.spec import COORDINATED, ELECTIONS, LOCAL_HOST, ClusterSpec
from interrex.core.state import workers_of
from interrex.demo.faults import SERVICE
from interrex.demo.killing import death_of
from interrex.demo.orders import OrderBook
from interrex.demo.shop import ORDERS_VARIABLE
from interrex.runtime.founding import found_cluster
from interrex.runtime.launching import launch_worker
from interrex.runtime.layout import Layout
from interrex.runtime.pidfd import ProcessIdentity, open_pidfd, send_signal
from interrex.runtime.procfs import all_pids, instance_of
from interrex.runtime.records import Instances
from interrex.runtime.worker_processes import worker_processes

CLUSTER = "demo"
FIRST_PORT = 8080
PORTS_TRIED = 100
REPLICAS_FROM = 32000
REPLICA_PORTS = 7
"""How many ports each demo keeps for its replicas. Above those that fleets get by default and below
the kernel's own: a demo meets neither another demo nor a fleet that runs beside it."""
LONGEST_FOLDER = 60
"""The longest path (bytes) of a temporary folder that leaves room for the sockets' names."""
LAST_S = 2.0
"""How long a process may take to end by itself once everything was stopped in order."""
_LIKE = {"etcd": "etcd=http://127.0.0.1:2379", "zookeeper": "zookeeper=127.0.0.1:2181"}
_FILE = """\
# The demo's fleet, as anybody would write one.

[cluster]
name = "{cluster}"
workers = 3
{election}
ports = [{first}, {last}]

[service.{service}]
command = ["{python}", "-m", "interrex.demo.serving", "{{port}}"]
replicas = 3
expose = {port}
env = {{ {variable} = "{orders}" }}
health.http = "/healthz"
health.interval = "500ms"
"""


def election_line(words: str) -> str:
    """What the cluster file says of the election: a name, or ``NAME=ADDRESS,...``.

    Raises:
        InterrexError: no such election, or one whose servers are not named, in words.
    """
    name, _, address = words.partition("=")
    if name in ELECTIONS and not address:
        return f"election = {dumps(name)}"
    if name in COORDINATED and address:
        return f"election = {{ {name} = {dumps(address.split(','))} }}"
    if name in COORDINATED:
        raise InterrexError(f"{name} needs to know where it is\nwrite --election {_LIKE[name]}")
    known = ", ".join((*ELECTIONS, *_LIKE.values()))
    raise InterrexError(f"{words!r} is no election of a fleet\nwrite one of: {known}")


class Fleet:
    """The demo's fleet, whose files all lie in one folder.

    Args:
        folder: made by ``new_folder``; it vanishes with the fleet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder, CLUSTER)
        self.file = folder / "demo.toml"

    def prepare(self, port: int, election: str = "") -> None:
        """Write the cluster file and everything that the workers start from.

        Args:
            port: where the shop is served.
            election: the file's line about it, as ``election_line`` makes it.

        Raises:
            InterrexError: the election cannot be had like this.
        """
        orders = self.folder / "orders.db"
        OrderBook(orders).close()  # the replicas would quarrel over who makes it
        first = REPLICAS_FROM + REPLICA_PORTS * (port - FIRST_PORT)
        text = _FILE.format(
            first=first,
            last=first + REPLICA_PORTS - 1,
            cluster=CLUSTER,
            service=SERVICE,
            python=sys.executable,
            port=port,
            election=election or election_line(ELECTIONS[0]),
            variable=ORDERS_VARIABLE,
            orders=orders,
        )
        self.file.write_text(text)
        found_cluster(self.layout, self.spec, LOCAL_HOST)

    @property
    def spec(self) -> ClusterSpec:
        return load(self.file)

    @property
    def workers(self) -> list[WorkerName]:
        return sorted(workers_of(self.spec))

    def launch(self) -> None:
        """Start every worker that is not running: what ``interrex up`` and systemd do."""
        for worker in self.workers:
            launch_worker(self.layout, worker, LOCAL_HOST)

    async def take_down(self, tell: Callable[[str], None]) -> bool:
        """Stop everything in order, as ``interrex down`` does; returns whether that worked.

        Args:
            tell: hears what is done, in another thread.
        """
        return not self.layout.home.exists() or await asyncio.to_thread(self._take_down, tell)

    def _take_down(self, tell: Callable[[str], None]) -> bool:
        with only_command(self.layout, "demo"):
            problems = take_down(self.layout, None, tell)
        for problem in problems:
            tell(problem)
        return not problems

    async def end(self, *, keep: bool = False) -> None:
        """See the last processes out, kill those that stay; remove the folder unless kept."""
        patience = LAST_S
        while found := list(self.processes()):
            deaths = [asyncio.ensure_future(death_of(pidfd)) for pidfd in found]
            _, late = await asyncio.wait(deaths, timeout=patience)
            if late:
                for pidfd in found:
                    send_signal(pidfd, signal.SIGKILL)
                await asyncio.wait(late)
            for pidfd in found:
                os.close(pidfd)
            patience = 0.0
        if self.folder.exists() and not keep:
            shutil.rmtree(self.folder)

    def processes(self) -> Iterator[int]:
        """A pidfd of every living process of this fleet; the caller closes them."""
        ours = Instances(self.layout.host(LOCAL_HOST)).prefix(SlotName(""))
        found = [process.identity for process in worker_processes(self.folder)]
        for pid in all_pids():
            if ours in (instance_of(pid) or "") and (identity := ProcessIdentity.of(pid)):
                found.append(identity)
        for identity in found:
            pidfd = open_pidfd(identity)
            if pidfd is not None:
                yield pidfd


def new_folder() -> Path:
    """A temporary folder whose path is short enough for the sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="ixd-"))
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="ixd-", dir="/tmp"))
    return folder


@contextmanager
def reserved_port() -> Iterator[int]:
    """8080 or the next port that neither a program nor another demo uses.

    Two demos that start together would both find 8080 free, and their balancers would share its
    connections (SO_REUSEPORT). So the port's name is held too, as an abstract Unix socket, which
    vanishes with this process.

    Raises:
        InterrexError: all of them are taken.
    """
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        with socket.socket(socket.AF_UNIX) as name, socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                name.bind(f"\0interrex-demo-{port}")
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            probe.close()
            yield port
            return
    raise InterrexError(
        f"the ports {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1} are all taken\n"
        "end what listens there (see: ss -ltnp) and try again"
    )
