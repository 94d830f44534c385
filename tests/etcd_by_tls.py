"""A real etcd of one member that lets clients in by TLS only, with certificates of their own."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import free_ports, running
from bench.server_tls import ServerTls
from bench.tools import tool

STARTING_S = 90.0


@contextmanager
def etcd_by_tls(folder: Path, tls: ServerTls) -> Iterator[int]:
    """Yields the port of 127.0.0.1 where it answers.

    Raises:
        TimeoutError: it listens nowhere.
    """
    port, peer = free_ports(2)
    url = f"https://127.0.0.1:{port}"
    command = [tool("etcd"), "--data-dir", folder / "data", "--log-level", "fatal"]
    command += ["--listen-client-urls", url, "--advertise-client-urls", url]
    command += ["--listen-peer-urls", f"http://127.0.0.1:{peer}"]
    command += ["--cert-file", tls.identity, "--key-file", tls.identity]
    command += ["--client-cert-auth", "--trusted-ca-file", tls.ca]
    with running([str(word) for word in command]):
        _wait_listening(port)
        yield port


def _wait_listening(port: int) -> None:
    deadline = time.monotonic() + STARTING_S
    with socket.socket() as asked:
        while asked.connect_ex(("127.0.0.1", port)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no etcd listens on port {port} after {STARTING_S:g} s")
            time.sleep(0.02)
