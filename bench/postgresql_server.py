"""A real PostgreSQL server on loopback, with a database of its own: started, killed, stopped."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from bench.processes import LOOPBACK, Place, free_ports, running, scratch
from bench.server_tls import ServerTls
from bench.tools import MissingTool
from interrex.runtime.procfs import descendants

PATIENCE_S = 60.0
NEEDED = "PostgreSQL is not installed: sudo apt install postgresql"
USER, PASSWORD = "app", "s3cret"


class PostgresServer:
    """One server. Use as a context: leaving it leaves nothing behind.

    Args:
        tls: lets clients in by TLS only, with certificates of their own.
        place: where it runs.

    Raises:
        MissingTool: Debian's package is not installed.
    """

    def __init__(self, tls: ServerTls | None = None, place: Place = LOOPBACK) -> None:
        self._tls = tls
        self._place = place
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not found:
            raise MissingTool(NEEDED)
        self._bin = found[-1]
        self._stack = contextlib.ExitStack()
        self._folder = Path()
        (self._port,) = free_ports(1)
        self._server = contextlib.ExitStack()
        self._pid = 0

    def __enter__(self) -> Self:
        self._folder = self._stack.enter_context(scratch())
        secret = self._folder / "secret"
        secret.write_text(PASSWORD)
        if _is_root_of_all():
            for path in (self._folder, secret):
                shutil.chown(path, "nobody", "nogroup")
        command = [self._bin / "initdb", "-D", self._folder / "data", "-U", USER, "--no-sync"]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--locale=C", "-E", "UTF8"]
        subprocess.run([*_as_nobody(), *map(str, command)], check=True, capture_output=True)
        if self._tls is not None:
            self._take_certificates(self._tls)
        elif self._place is not LOOPBACK:
            with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet scram-sha-256\n")
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.close()
        self._stack.close()

    def _take_certificates(self, tls: ServerTls) -> None:
        """Where the server looks for them, as its own files: it takes no others."""
        data = self._folder / "data"
        identity = tls.identity.read_bytes()
        for name, held in (
            ("server.crt", identity),
            ("server.key", identity),
            ("root.crt", tls.ca.read_bytes()),
            ("pg_hba.conf", b"hostssl all all all scram-sha-256 clientcert=verify-ca\n"),
        ):
            (data / name).write_bytes(held)
            (data / name).chmod(0o600)
            if _is_root_of_all():
                shutil.chown(data / name, "nobody", "nogroup")

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self._place.address}:{self._port}"

    @property
    def url(self) -> str:
        """Of its database, with the password."""
        return f"postgresql://{USER}:{PASSWORD}@{self.address}/postgres"

    def start(self) -> None:
        """Start it, with what its disk holds, and wait until it serves."""
        command = [self._bin / "postgres", "-D", self._folder / "data", "-p", self._port]
        listens = f"listen_addresses={self._place.address}"
        for setting in (listens, "unix_socket_directories=", "fsync=off"):
            command += ["-c", setting]
        if self._tls is not None:
            command += ["-c", "ssl=on", "-c", "ssl_ca_file=root.crt"]
        whole = [*self._place.enter, *_as_nobody(), *map(str, command)]
        process = self._server.enter_context(running(whole))
        self._pid = process.pid
        self.wait_serving()

    def kill(self) -> None:
        """End it at once; ``start`` begins it again."""
        self._server.close()

    def stop(self) -> None:
        """Let it stand still, with all its sessions: it says nothing, its connections stay."""
        for pid in descendants([self._pid]):
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        for pid in descendants([self._pid]):
            os.kill(pid, signal.SIGCONT)

    def run(self, sql: str) -> str:
        """What psql says to a statement."""
        command = [str(self._bin / "psql"), "-XAtq", "-d", self.url, "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def wait_serving(self) -> None:
        """Wait until it lets clients in; TimeoutError if never."""
        deadline = time.monotonic() + PATIENCE_S
        asked = ("-q", "-h", self._place.address, "-p", str(self._port))
        ready = [*self._place.enter, str(self._bin / "pg_isready"), *asked]
        while subprocess.run(ready).returncode != 0:
            if time.monotonic() > deadline:
                raise TimeoutError("PostgreSQL does not serve")
            time.sleep(0.05)


def _as_nobody() -> list[str]:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return []
    if _is_root_of_all():
        return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534"]


def _is_root_of_all() -> bool:
    """Whether this is root, and not only that of a user namespace with nobody else in it."""
    users = int(Path("/proc/self/uid_map").read_text().split()[2])
    return os.geteuid() == 0 and users > 65534
