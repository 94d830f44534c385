"""Several machines on one: network namespaces on a bridge of theirs, certificates, packet filters.

Nothing here touches the machine's own network: bridge and cables live in namespaces made here.
"""

import ast
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import trustme

from bench.etcd_cluster import EtcdCluster
from bench.fleet import Fleet, end_together
from bench.processes import Place
from bench.run_folder import run_folder
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.ids import HostName
from interrex.core.spec import ClusterSpec, Etcd, HostSpec, Timing, Tls, ZooKeeper
from interrex.worker.status import Status, missing_parts

NAMES = ("a", "b", "c", "d", "e")
"""What hosts are called; the first three are there where a test does not say how many."""
NEWCOMER = "aa"
"""It comes in the middle of the hosts' names, and first in the file: no order is relied upon."""
PATIENCE_S = 60.0
Machines = Iterator[dict[str, "Machine"]]
_switches = itertools.count()
_LAUNCH = """
import sys
from pathlib import Path
from interrex.core.ids import HostName, WorkerName
from interrex.runtime.launching import launch_worker
from interrex.runtime.layout import Layout
root, cluster, host, *workers = sys.argv[1:]
for worker in workers:
    launch_worker(Layout(Path(root), cluster), WorkerName(worker), HostName(host))
"""

_ASK = """
import socket, sys
question, *hosts = sys.argv[1:]
for host in hosts:
    name, port = host.rsplit(":", 1)
    said = b""
    try:
        with socket.create_connection((name, int(port)), 5) as asked:
            asked.sendall(question.encode())
            said = b"".join(iter(lambda: asked.recv(4096), b""))
    except OSError:
        pass
    print(repr(said.decode()))
"""
_STATUS = "POST /v3/maintenance/status HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"


def several_hosts(
    spec: ClusterSpec, certificates: Path, names: Sequence[str], timing: Timing
) -> ClusterSpec:
    """The same cluster on these hosts of one worker each."""
    hosts = tuple(host_at(name, number) for number, name in enumerate(names, start=1))
    tls = Tls(
        ca=str(certificates / "ca.pem"),
        certificate=str(certificates / "{host}.pem"),
        key=str(certificates / "{host}.key"),
    )
    return msgspec.structs.replace(spec, hosts=hosts, tls=tls, timing=timing, ports=(22000, 22999))


def host_at(name: str, number: int) -> HostSpec:
    return HostSpec(name=HostName(name), address=f"10.77.0.{number}:7700", workers=1)


def write_certificates(folder: Path) -> None:
    """A CA, and a certificate for each host that names it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in (*NAMES, NEWCOMER):
        issued = authority.issue_cert(name)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        for blob in issued.cert_chain_pems:
            blob.write_to_path(folder / f"{name}.pem", append=True)


class Namespace:
    """A network of its own, with a cable to the switch."""

    def __init__(self, name: str, number: int, switch: str) -> None:
        self.address = f"10.77.0.{number}"
        self.switch = switch
        self.namespace = f"{switch}{name}"
        cable = f"ix{name}"
        _ip("netns", "add", self.namespace)
        _ip("-n", switch, "link", "add", cable, "type", "veth", "peer", "name", "eth0",
            "netns", self.namespace)  # fmt: skip
        _ip("-n", switch, "link", "set", cable, "master", "switch", "up")
        self.inside("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")
        self.inside("ip", "link", "set", "lo", "up")

    @property
    def place(self) -> Place:
        """Where a server runs that runs here."""
        return Place(self.address, ("ip", "netns", "exec", self.namespace))

    def cut(self, *directions: str, off: Iterable["Namespace"] = (), percent: int = 100) -> None:
        """Drop packets until ``heal``.

        Args:
            directions: ``input``, ``output``, or both where none is named.
            off: only what comes from, or goes to, these others.
            percent: how many of a hundred packets, by chance.
        """
        others = ", ".join(sorted(other.address for other in off))
        chance = "" if percent == 100 else f"numgen random mod 100 < {percent}"
        commands = ["add table inet cut"]
        for hook in directions or ("input", "output"):
            end, interface = ("saddr", "iifname") if hook == "input" else ("daddr", "oifname")
            which = f"ip {end} {{ {others} }}" if others else f"{interface} eth0"
            commands += [
                f"add chain inet cut {hook} {{ type filter hook {hook} priority 0; }}",
                f"add rule inet cut {hook} {which} {chance} drop",
            ]
        self.inside("nft", "; ".join(commands))

    def heal(self) -> None:
        """Let all packets through again."""
        self.inside("nft", "add table inet cut; delete table inet cut")

    def inside(self, *command: str) -> str:
        """What a command says that runs here."""
        whole = (*self.place.enter, *command)
        return subprocess.run(whole, check=True, capture_output=True, text=True).stdout

    def end(self) -> None:
        _ip("netns", "del", self.namespace)


class Machine(Namespace):
    """One host: its network and its part of the fleet, which keeps its own files."""

    def __init__(self, name: str, number: int, switch: str, spec: ClusterSpec) -> None:
        super().__init__(name, number, switch)
        self.name = HostName(name)
        self.fleet = Fleet(spec, self.name)

    def launch(self) -> None:
        """Start this host's workers inside its namespace."""
        fleet = self.fleet
        words = (str(fleet.root), fleet.spec.name, self.name, *fleet.workers)
        self.inside(sys.executable, "-c", _LAUNCH, *words)

    def get(self, port: int) -> str:
        """What a client on this machine is answered."""
        url = f"http://127.0.0.1:{port}/"
        done = self.inside(sys.executable, "-c",
            f"import urllib.request as u; print(u.urlopen('{url}', None, 60).status)")  # fmt: skip
        return done.strip()

    def forget_everything(self) -> None:
        """The machine dies with its disk, and a new one with the same name takes its place."""
        spec = self.fleet.spec
        self.fleet.end()
        self.fleet = Fleet(spec, self.name)
        self.launch()

    def status(self) -> Status | None:
        return self.fleet.status()

    def end(self) -> None:
        self.fleet.end()
        super().end()


@contextlib.contextmanager
def switched() -> Iterator[str]:
    """The namespace of a switch that others are plugged into."""
    switch = f"{run_folder().name}-{os.getpid()}-{next(_switches)}"
    _ip("netns", "add", switch)
    try:
        _ip("-n", switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", switch, "link", "set", "switch", "up")
        yield switch
    finally:
        _ip("netns", "del", switch)


class Service(NamedTuple):
    """A coordination service whose servers are each in a network of their own."""

    servers: EtcdCluster | ZooKeeperEnsemble
    networks: list[Namespace]

    @property
    def hosts(self) -> list[str]:
        """``host:port`` of each server."""
        if isinstance(self.servers, EtcdCluster):
            return [endpoint.rpartition("/")[2] for endpoint in self.servers.endpoints]
        return self.servers.hosts.split(",")

    def elected(self, spec: ClusterSpec, session_s: float) -> ClusterSpec:
        """The same cluster, elected by it."""
        if isinstance(self.servers, EtcdCluster):
            etcd = Etcd(endpoints=self.servers.endpoints, session=session_s, timeout=0.5)
            return msgspec.structs.replace(spec, election="etcd", etcd=etcd)
        zookeeper = ZooKeeper(hosts=tuple(self.hosts), session=session_s)
        return msgspec.structs.replace(spec, election="zookeeper", zookeeper=zookeeper)

    def wait_whole(self, asked_from: Namespace) -> int:
        """Wait until each server takes part: only then may another one fail.

        Returns:
            Which of them leads the others.

        Raises:
            TimeoutError: that is never so.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (leading := self._leading(asked_from)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError("some of the servers do not take part")
        return leading

    def _leading(self, asked_from: Namespace) -> int | None:
        question = _STATUS if isinstance(self.servers, EtcdCluster) else "srvr"
        said = asked_from.inside(sys.executable, "-c", _ASK, question, *self.hosts)
        answers = [ast.literal_eval(line) for line in said.splitlines()]
        judge = _leads_etcd if isinstance(self.servers, EtcdCluster) else _leads_zookeeper
        leads = [judge(answer) for answer in answers]
        return None if None in leads or True not in leads else leads.index(True)


def _leads_zookeeper(answer: str) -> bool | None:
    """Whether a server says of itself that it leads, None for one that serves nobody."""
    mode = answer.partition("Mode: ")[2].split()
    return mode[0] == "leader" if mode else None


def _leads_etcd(answer: str) -> bool | None:
    """Whether a member says of itself that it leads, None for one that knows no leader."""
    try:
        status = json.loads(answer.partition("\r\n\r\n")[2])
        return bool(status["leader"] == status["header"]["member_id"])
    except (ValueError, KeyError):
        return None


@contextlib.contextmanager
def service_on(switch: str, election: str) -> Iterator[Service]:
    """A coordination service behind a switch; all of it is gone afterwards."""
    with contextlib.ExitStack() as stack:
        networks = networks_on(switch, stack, "s", range(11, 14))
        places = [network.place for network in networks]
        servers: EtcdCluster | ZooKeeperEnsemble
        if election == "etcd":
            servers = EtcdCluster(heartbeat_ms=20, election_ms=200, places=places)
        else:
            servers = ZooKeeperEnsemble(tick_ms=250, places=places)
        stack.enter_context(servers)
        yield Service(servers, networks)


def networks_on(
    switch: str, stack: contextlib.ExitStack, name: str, numbers: Iterable[int]
) -> list[Namespace]:
    """Networks behind a switch, one for each number, which end with the stack."""
    networks = []
    for place, number in enumerate(numbers):
        networks.append(Namespace(f"{name}{place}", number, switch))
        stack.callback(networks[-1].end)
    return networks


@contextlib.contextmanager
def machines(
    spec: ClusterSpec,
    election: str = "",
    session_s: float = 3.0,
    *,
    count: int = 3,
    lost_host_s: float = 4.0,
    election_timeout_s: float = Timing().election_timeout,
) -> Machines:
    """Several hosts that run one cluster, ready; all of it is gone afterwards.

    Args:
        spec: what they run.
        election: the coordination service that is to run beside them, where there is one.
        session_s: theirs with it.
        count: how many hosts.
        lost_host_s: for how long they wait for one that is lost.
        election_timeout_s: for how long they wait for a leader that says nothing.
    """
    names = NAMES[:count]
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="ixc-", dir=run_folder()))
        )
        write_certificates(folder)
        timing = Timing(lost_host=lost_host_s, election_timeout=election_timeout_s)
        spec = several_hosts(spec, folder, names, timing)
        switch = stack.enter_context(switched())
        if election:
            spec = stack.enter_context(service_on(switch, election)).elected(spec, session_s)
        made = {}
        for number, name in enumerate(names, start=1):
            made[name] = Machine(name, number, switch, spec)
            stack.callback(made[name].end)
        stack.callback(lambda: end_together([machine.fleet for machine in made.values()]))
        for machine in made.values():
            machine.launch()
        try:
            made["a"].fleet.wait_until(lambda: all_ready(made.values()))
        except TimeoutError as error:
            logs = "\n".join(machine.fleet.logs() for machine in made.values())
            raise TimeoutError(logs) from error
        yield made


@contextlib.contextmanager
def newcomer(hosts: dict[str, Machine]) -> Iterator[Machine]:
    """One more machine behind the same switch, with a file that names it first of all; it has
    been started, and nobody knows it yet."""
    a = hosts["a"]
    spec = a.fleet.spec
    number = len(spec.hosts) + 1
    spec = msgspec.structs.replace(spec, hosts=(host_at(NEWCOMER, number), *spec.hosts))
    machine = Machine(NEWCOMER, number, a.switch, spec)
    try:
        machine.launch()
        yield machine
    finally:
        machine.end()


def all_ready(hosts: Iterable[Machine]) -> bool:
    """Whether every host says that everything is as asked for."""
    found = [machine.status() for machine in hosts]
    return all(status is not None and not missing_parts(status) for status in found)


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True)
