"""Requests and WebSockets are admitted by the epoch in their header."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn import Config, Server

from interrex.library.guards.asgi import EpochGuard, MemoryEpochs, Message, Receive, Scope, Send
from interrex.library.guards.files import EpochFile


async def ask(app: EpochGuard, method: str, *epochs: str) -> tuple[int, bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"interrex-epoch", epoch.encode()) for epoch in epochs]
    scope = {
        "type": "http", "method": method, "path": "/", "raw_path": b"/", "query_string": b"",
        "root_path": "", "headers": headers, "http_version": "1.1", "scheme": "http",
        "server": ("x", 80), "client": None,
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


async def test_requests_are_admitted_by_their_header(tmp_path: Path) -> None:
    async def charge(request: Request) -> PlainTextResponse:
        return PlainTextResponse("charged")

    inner = Starlette(routes=[Route("/", charge, methods=["GET", "POST"])])
    for epochs in (MemoryEpochs(), EpochFile(tmp_path / "epoch")):
        app = EpochGuard(inner, epochs)
        assert await ask(app, "GET") == (200, b"charged")
        assert (await ask(app, "POST"))[0] == 428
        assert (await ask(app, "POST", "5")) == (200, b"charged")
        assert (await ask(app, "POST", "5")) == (200, b"charged")
        assert (await ask(app, "POST", "7"))[0] == 200
        status, body = await ask(app, "POST", "6")
        assert status == 409
        assert b'"newest": 7' in body
        for nonsense in (["-1"], ["1.5"], [""], ["8", "9"], ["9" * 20], [f"{2**63}"]):
            assert (await ask(app, "POST", *nonsense))[0] == 400


async def status_of_post(port: int, epoch: str) -> int:
    """What a server answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    header = f"Interrex-Epoch: {epoch}\r\n" if epoch else ""
    head = f"POST / HTTP/1.1\r\nHost: x\r\n{header}Content-Length: 2\r\nConnection: close\r\n\r\n"
    writer.write(f"{head}hi".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1])


async def test_a_real_server_admits_requests_by_their_header_in_any_case(tmp_path: Path) -> None:
    async def charge(request: Request) -> PlainTextResponse:
        assert await request.body() == b"hi"
        return PlainTextResponse("charged")

    inner = Starlette(routes=[Route("/", charge, methods=["POST"])])
    app = EpochGuard(inner, EpochFile(tmp_path / "epoch"))
    server = Server(Config(app, lifespan="off", ws="none", log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            asked = ("5", "5", "7", "6", "", "x")
            answered = [await status_of_post(port, epoch) for epoch in asked]
        finally:
            server.should_exit = True
            await serving
    assert answered == [200, 200, 200, 409, 428, 400]


async def open_websocket(app: EpochGuard, extensions: object, *epochs: str) -> list[Message]:
    """What is sent to who opens one."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"interrex-epoch", epoch.encode()) for epoch in epochs]
    await app({"type": "websocket", "headers": headers, "extensions": extensions}, receive, send)
    return sent


async def test_a_websocket_is_admitted_by_its_header_when_it_is_opened(tmp_path: Path) -> None:
    async def accepts(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    app = EpochGuard(accepts, EpochFile(tmp_path / "epoch"), methods=())
    answers: dict[str, object] = {"websocket.http.response": {}}
    assert await open_websocket(app, answers, "7") == [{"type": "websocket.accept"}]
    for epochs, status in (("6",), 409), ((), 428), (("x",), 400):
        start, body = await open_websocket(app, answers, *epochs)
        assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
        assert b"error" in body["body"]
        (close,) = await open_websocket(app, None, *epochs)
        assert (close["type"], close["code"]) == ("websocket.close", 1008)


async def test_methods_are_guarded_however_their_names_are_written() -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204})

    app = EpochGuard(nothing, MemoryEpochs(), methods=["post", "Report"])
    for method, status in ("POST", 428), ("REPORT", 428), ("PUT", 204):
        assert (await ask(app, method))[0] == status


@pytest.mark.parametrize("methods", ["POST", b"POST", None, 5, [b"POST"], [None]], ids=repr)
def test_what_names_no_methods_is_refused_and_does_not_guard_nothing(methods: Any) -> None:
    with pytest.raises(ValueError, match="methods are names in a list"):
        EpochGuard(Starlette(), MemoryEpochs(), methods)


@pytest.mark.parametrize("epochs", ["/var/lib/epoch", None, EpochFile], ids=repr)
def test_what_keeps_no_epochs_is_refused_before_a_request_comes(epochs: Any) -> None:
    with pytest.raises(ValueError, match="epochs are kept by what has admit"):
        EpochGuard(Starlette(), epochs)


async def test_the_event_loop_does_not_wait_for_who_holds_the_epochs_file(tmp_path: Path) -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204})

    epochs = EpochFile(tmp_path / "epoch")
    app = EpochGuard(nothing, epochs)
    with epochs.admitted(5):
        waiting = asyncio.create_task(ask(app, "POST", "6"))
        assert (await ask(app, "GET"))[0] == 204
        assert not waiting.done()
        assert epochs_on_disk(tmp_path) == 5
    assert (await waiting)[0] == 204
    assert epochs_on_disk(tmp_path) == 6


def epochs_on_disk(folder: Path) -> int:
    """Read without the lock."""
    return int((folder / "epoch").read_text())
