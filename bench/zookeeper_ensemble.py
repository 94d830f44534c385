"""A real ZooKeeper ensemble of three on loopback: started, killed, stopped, continued."""

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from bench import server_data
from bench.processes import LOOPBACK, Place, free_ports, running, scratch
from bench.server_tls import ServerTls
from bench.tools import MissingTool

SERVERS = 3
PATIENCE_S = 60.0
JAR = Path("/usr/share/java/zookeeper.jar")
CODECS = JAR.parent / "netty-codec.jar"
"""Its servers need it for TLS, and Debian's package does not say so."""
NEEDED = "ZooKeeper is not installed: sudo apt install zookeeper default-jre-headless"


class ZooKeeperEnsemble:
    """Three servers. Use as a context: leaving it leaves nothing behind.

    Args:
        tick_ms: ZooKeeper's unit of time; sessions last 2 to 20 of it.
        users: maps the names of those who may show a password, by SASL, to it.
        tls: lets clients in by TLS only, with certificates of their own.
        places: where each server runs.
        granted_ms: the shortest and the longest session that it grants, where not 2 and 20 ticks.

    Raises:
        MissingTool: Debian's package, or Java, is not installed.
    """

    def __init__(
        self,
        tick_ms: int = 500,
        users: Mapping[str, str] | None = None,
        tls: ServerTls | None = None,
        places: Sequence[Place] = (LOOPBACK,) * SERVERS,
        granted_ms: tuple[int, int] | None = None,
    ) -> None:
        if shutil.which("java") is None or not JAR.exists():
            raise MissingTool(NEEDED)
        self._tick_ms = tick_ms
        self._users = users or {}
        self._tls = tls
        self._places = places
        self._granted_ms = granted_ms
        self._stack = contextlib.ExitStack()
        self._folder = Path()
        self._ports = free_ports(4 * SERVERS)
        self._servers: dict[int, contextlib.ExitStack] = {}
        self._pids: dict[int, int] = {}

    def __enter__(self) -> Self:
        self._folder = self._stack.enter_context(scratch())
        for server in range(SERVERS):
            self.start(server)
        return self

    def __exit__(self, *exc: object) -> None:
        for server in self._servers.values():
            server.close()
        self._stack.close()

    @property
    def hosts(self) -> str:
        """Where the servers answer their clients, as a client takes it."""
        ports = self._ports[:SERVERS] if self._tls is None else self._ports[-SERVERS:]
        pairs = zip(self._places, ports, strict=True)
        return ",".join(f"{place.address}:{port}" for place, port in pairs)

    @property
    def alive(self) -> list[int]:
        """The servers that were started and not killed."""
        return list(self._servers)

    def start(self, server: int) -> None:
        """Start a server, with what its disk holds."""
        folder = self._folder / f"s{server}"
        folder.mkdir(exist_ok=True)
        (folder / "myid").write_text(f"{server + 1}\n")
        lines = [
            f"tickTime={self._tick_ms}",
            "initLimit=20",
            "syncLimit=4",
            f"dataDir={folder}",
            f"clientPort={self._ports[server]}",
            f"clientPortAddress={self._places[server].address}",
            "admin.enableServer=false",
            "4lw.commands.whitelist=srvr",
        ]
        if self._granted_ms is not None:
            shortest, longest = self._granted_ms
            lines += [f"minSessionTimeout={shortest}", f"maxSessionTimeout={longest}"]
        if self._tls is not None:
            lines += [
                f"secureClientPort={self._ports[3 * SERVERS + server]}",
                f"secureClientPortAddress={self._places[server].address}",
                "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
                f"ssl.keyStore.location={self._tls.identity}",
                "ssl.keyStore.type=PEM",
                f"ssl.trustStore.location={self._tls.ca}",
                "ssl.trustStore.type=PEM",
                "ssl.clientAuth=need",
            ]
        for other in range(SERVERS):
            peer, vote = self._ports[SERVERS + other], self._ports[2 * SERVERS + other]
            lines.append(f"server.{other + 1}={self._places[other].address}:{peer}:{vote}")
        config = folder / "zoo.cfg"
        config.write_text("\n".join(lines) + "\n")
        command = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]
        command[1:1] = self._sasl(folder)
        command += [f"{folder}:{JAR}:{CODECS}", "org.apache.zookeeper.server.quorum.QuorumPeerMain"]
        stack = self._servers[server] = contextlib.ExitStack()
        process = stack.enter_context(running([*self._places[server].enter, *command, str(config)]))
        self._pids[server] = process.pid

    def set_users(self, users: Mapping[str, str]) -> None:
        """Who may show a password, and which, from each server's next start on."""
        self._users = users

    def _sasl(self, folder: Path) -> list[str]:
        """Java's options that let users show their passwords."""
        if not self._users:
            return []
        users = " ".join(f'user_{name}="{word}"' for name, word in self._users.items())
        module = "org.apache.zookeeper.server.auth.DigestLoginModule"
        jaas = folder / "jaas.conf"
        jaas.write_text(f"Server {{ {module} required {users}; }};\n")
        provider = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
        return [
            f"-Djava.security.auth.login.config={jaas}",
            f"-Dzookeeper.authProvider.1={provider}",
        ]

    def kill(self, server: int) -> None:
        """End a server at once; ``start`` begins it again."""
        self._servers.pop(server).close()

    def lose_data(self, server: int) -> None:
        """Put aside what a killed server's disk holds: it begins with nothing."""
        server_data.lose(self._folder / f"s{server}")

    def put_data_back(self, server: int) -> None:
        """A killed server has again what its disk held."""
        server_data.put_back(self._folder / f"s{server}")

    def stop(self, server: int) -> None:
        """Let a server stand still: it says nothing, and its connections stay."""
        os.kill(self._pids[server], signal.SIGSTOP)

    def go_on(self, server: int) -> None:
        """Let a stopped server run again."""
        os.kill(self._pids[server], signal.SIGCONT)

    def mode(self, server: int) -> str:
        """``leader``, ``follower``, or empty for one that serves nobody."""
        try:
            with socket.create_connection(("127.0.0.1", self._ports[server]), 5) as asked:
                asked.sendall(b"srvr")
                said = b"".join(iter(lambda: asked.recv(4096), b"")).decode()
        except OSError:
            return ""
        modes = [line.split()[1] for line in said.splitlines() if line.startswith("Mode:")]
        return modes[0] if modes else ""

    def wait_serving(self) -> None:
        """Wait until all that were started serve clients; TimeoutError if never."""
        deadline = time.monotonic() + PATIENCE_S
        while sorted(map(self.mode, self.alive))[-1:] != ["leader"] or "" in map(
            self.mode, self.alive
        ):
            if time.monotonic() > deadline:
                raise TimeoutError("ZooKeeper does not serve")
            time.sleep(0.05)
