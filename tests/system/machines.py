"""Three machines on one: network namespaces on a bridge of their own, certificates, packet filters.

Nothing here touches the machine's own network: bridge and cables live in namespaces made here.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import trustme

from bench.fleet import Fleet
from bench.run_folder import run_folder
from interrex.core.ids import HostName
from interrex.core.spec import ClusterSpec, HostSpec, Timing, Tls
from interrex.worker.status import Status, missing_parts

NAMES = ("a", "b", "c")
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


def several_hosts(spec: ClusterSpec, certificates: Path) -> ClusterSpec:
    """The same cluster on three hosts of one worker each."""
    hosts = tuple(
        HostSpec(name=HostName(name), address=f"10.77.0.{number}:7700", workers=1)
        for number, name in enumerate(NAMES, start=1)
    )
    tls = Tls(
        ca=str(certificates / "ca.pem"),
        certificate=str(certificates / "{host}.pem"),
        key=str(certificates / "{host}.key"),
    )
    return msgspec.structs.replace(
        spec, hosts=hosts, tls=tls, timing=Timing(lost_host=4.0), ports=(22000, 22999)
    )


def write_certificates(folder: Path) -> None:
    """A CA, and a certificate for each host that names it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in NAMES:
        issued = authority.issue_cert(name)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        for blob in issued.cert_chain_pems:
            blob.write_to_path(folder / f"{name}.pem", append=True)


class Machine:
    """One host: its namespace and its part of the fleet, which keeps its own files."""

    def __init__(self, name: str, number: int, switch: str, spec: ClusterSpec) -> None:
        self.name = HostName(name)
        self.namespace = f"{switch}{name}"
        self._cable = f"ix{name}"
        _ip("netns", "add", self.namespace)
        _ip("-n", switch, "link", "add", self._cable, "type", "veth", "peer", "name", "eth0",
            "netns", self.namespace)  # fmt: skip
        _ip("-n", switch, "link", "set", self._cable, "master", "switch", "up")
        self._inside("ip", "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        self._inside("ip", "link", "set", "eth0", "up")
        self._inside("ip", "link", "set", "lo", "up")
        self.fleet = Fleet(spec, self.name)

    def launch(self) -> None:
        """Start this host's workers inside its namespace."""
        fleet = self.fleet
        words = (str(fleet.root), fleet.spec.name, self.name, *fleet.workers)
        self._inside(sys.executable, "-c", _LAUNCH, *words)

    def cut(self, *directions: str) -> None:
        """Drop packets: ``input``, ``output``, or both where none is named."""
        self._inside("nft", "add", "table", "inet", "cut")
        for hook in directions or ("input", "output"):
            rule = f"{{ type filter hook {hook} priority 0; }}"
            self._inside("nft", "add", "chain", "inet", "cut", hook, rule)
            interface = "iifname" if hook == "input" else "oifname"
            self._inside("nft", "add", "rule", "inet", "cut", hook, interface, "eth0", "drop")

    def heal(self) -> None:
        """Let all packets through again."""
        self._inside("nft", "delete", "table", "inet", "cut")

    def get(self, port: int) -> str:
        """What a client on this machine is answered."""
        url = f"http://127.0.0.1:{port}/"
        done = self._inside(sys.executable, "-c",
            f"import urllib.request as u; print(u.urlopen('{url}', timeout=5).status)")  # fmt: skip
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
        _ip("netns", "del", self.namespace)

    def _inside(self, *command: str) -> str:
        whole = ("ip", "netns", "exec", self.namespace, *command)
        return subprocess.run(whole, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def machines(spec: ClusterSpec) -> Iterator[dict[str, Machine]]:
    """Three hosts that run one cluster, ready; all of it is gone afterwards."""
    switch = f"{run_folder().name}-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="ixc-", dir=run_folder()))
        )
        write_certificates(folder)
        spec = several_hosts(spec, folder)
        _ip("netns", "add", switch)
        stack.callback(_ip, "netns", "del", switch)
        _ip("-n", switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", switch, "link", "set", "switch", "up")
        made = {}
        for number, name in enumerate(NAMES, start=1):
            made[name] = Machine(name, number, switch, spec)
            stack.callback(made[name].end)
        for machine in made.values():
            machine.launch()
        try:
            made["a"].fleet.wait_until(lambda: all_ready(made.values()))
        except TimeoutError as error:
            logs = "\n".join(machine.fleet.logs() for machine in made.values())
            raise TimeoutError(logs) from error
        yield made


def all_ready(hosts: Iterable[Machine]) -> bool:
    """Whether every host says that everything is as asked for."""
    found = [machine.status() for machine in hosts]
    return all(status is not None and not missing_parts(status) for status in found)


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True)
