"""A real Redis on a Unix socket, and a client that speaks just enough to it."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

SERVER = "redis-server"


class Client:
    """``eval`` as redis-py has it."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(10)
        self._sock.connect(str(path))
        self._file: IO[bytes] = self._sock.makefile("rb")

    def call(self, *words: object) -> Any:
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        text = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._sock.sendall(b"*%d\r\n" % len(parts) + text)
        return self._read()

    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Any:
        return self.call("EVAL", script, numkeys, *keys_and_args)

    def _read(self) -> Any:
        line = self._file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return rest

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[Client]:
    """A server without persistence, ended with the scope."""
    path = folder / "redis.sock"
    options = ("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder))
    with subprocess.Popen([SERVER, *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            ready = any("ready to accept" in line for line in server.stdout)
            assert ready, "redis-server has ended"
            client = Client(path)
            with contextlib.closing(client):
                yield client
        finally:
            server.kill()
