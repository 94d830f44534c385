"""``python -m interrex.demo.serving PORT``: the sample API, each answer of which leaves whole.

uvicorn writes the head of an answer and then its body. A replica or a balancer that is killed in
between leaves a client with half an answer, which nobody may ask for again; on a busy machine two
requests of one demo ended so. Here what is written in one turn of the loop is one write.
"""

import asyncio
import sys
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's protocol over a transport that gathers what it is given."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _Gathering(transport)))


class _Gathering:
    """A transport that writes at the end of the loop's turn."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._write)
        self._parts.append(data)

    def close(self) -> None:
        self._write()
        self._transport.close()

    def _write(self) -> None:
        data = b"".join(self._parts)
        self._parts.clear()
        if data and not self._transport.is_closing():
            self._transport.write(data)


def main(port: int) -> None:
    """Serve on this port of 127.0.0.1 until SIGTERM."""
    uvicorn.run(
        "interrex.demo.shop:create",
        factory=True,
        port=port,
        http=WholeAnswers,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
