"""Guards: what comes with an older epoch than was seen is refused, and nothing is done."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen

import asyncpg
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn import Config, Server

from bench.postgresql_server import PostgresServer
from bench.run_folder import run_folder
from interrex.core.errors import InterrexError
from interrex.library.errors import StaleEpoch
from interrex.library.guards import redis, sql
from interrex.library.guards.asgi import EpochGuard, MemoryEpochs, Message, Receive, Scope, Send
from interrex.library.guards.files import EpochFile, GuardedFile
from tests.library.redis_server import redis_server

BIG = 2**53


def test_a_file_is_written_by_the_newest_epoch_only(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    guarded = GuardedFile(path)
    guarded.write(b"one", 7)
    guarded.write(b"two", 7)
    GuardedFile(path).write(b"three", 9)
    with pytest.raises(StaleEpoch, match="epoch 8 is refused: 9"):
        guarded.write(b"four", 8)
    assert path.read_bytes() == b"three"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["plan", "plan.epoch"]


def test_a_file_that_could_not_be_written_is_as_it_was_and_the_epoch_counts(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    guarded = GuardedFile(path)
    guarded.write(b"one", 7)
    (tmp_path / "plan.new").mkdir()
    with pytest.raises(IsADirectoryError, match="plan"):
        guarded.write(b"two", 8)
    assert path.read_bytes() == b"one"
    with pytest.raises(StaleEpoch):
        guarded.write(b"three", 7)


def test_a_full_disk_is_told_by_name_and_what_was_begun_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
    try:
        guarded = GuardedFile(folder / "plan")
        guarded.write(b"one", 7)
        for epoch in (7, 8):
            with pytest.raises(OSError, match=r"No space left on device: '.*/plan'"):
                guarded.write(bytes(2**17), epoch)
        assert sorted(one.name for one in folder.iterdir()) == ["plan", "plan.epoch"]
        assert (folder / "plan").read_bytes() == b"one"
        guarded.write(b"two", 8)
        with suppress(OSError):
            (folder / "filler").write_bytes(bytes(2**17))
        with pytest.raises(OSError, match=r"No space left on device: '.*/other'"):
            EpochFile(folder / "other").admit(1)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_writer_that_was_killed_leaves_nothing_that_stays_and_permissions_are_kept(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    (tmp_path / "plan.new").write_bytes(b"half of what a killed wri")
    GuardedFile(path).write(b"one", 7)
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["plan", "plan.epoch"]


HOLD = """\
import sys
from interrex.library.guards.files import EpochFile
with EpochFile(sys.argv[1]).admitted(5):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_who_is_admitted_is_waited_for_and_who_dies_is_not(tmp_path: Path) -> None:
    path = tmp_path / "epoch"
    with Popen([sys.executable, "-c", HOLD, str(path)], stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
        later = [sys.executable, "-c", HOLD.replace("5", "6"), str(path)]
        with Popen(later, stdin=PIPE, stdout=PIPE) as waiting:
            assert waiting.stdout is not None
            os.set_blocking(waiting.stdout.fileno(), False)
            assert not waiting.stdout.read()
            os.set_blocking(waiting.stdout.fileno(), True)
            holder.send_signal(signal.SIGKILL)
            assert waiting.stdout.readline() == b"in\n"
            waiting.kill()
    with pytest.raises(StaleEpoch):
        EpochFile(path).admit(5)
    assert EpochFile(path).newest() == 6


def test_a_file_of_something_else_is_not_taken_for_an_epoch(tmp_path: Path) -> None:
    path = tmp_path / "epoch"
    assert EpochFile(path).newest() == 0
    path.write_text("hello")
    with pytest.raises(InterrexError, match="hello"):
        EpochFile(path).admit(1)


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
        for nonsense in (["-1"], ["1.5"], [""], ["8", "9"], ["9" * 20]):
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


def test_sql_admits_in_the_transaction_that_does_the_work(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = sqlite3.connect(path)
    connection.execute(sql.SCHEMA)
    connection.execute(sql.SCHEMA)
    connection.execute("CREATE TABLE account (balance INTEGER)")
    connection.execute("INSERT INTO account VALUES (0)")
    connection.commit()

    def pay(epoch: int, name: str = "billing") -> None:
        with connection:
            cursor = connection.cursor()
            sql.admit(cursor, name, epoch)
            cursor.execute("UPDATE account SET balance = balance + 1")

    pay(BIG)
    pay(BIG)
    pay(BIG + 2)
    with pytest.raises(StaleEpoch):
        pay(BIG + 1)
    pay(1, "another")
    assert connection.execute("SELECT balance FROM account").fetchone() == (4,)
    connection.close()


def test_sql_guards_a_row_by_its_own_column() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE job (id INTEGER, state TEXT, epoch INTEGER)")
    connection.execute("INSERT INTO job VALUES (1, 'new', 0)")
    update = "UPDATE job SET state = :state, epoch = :epoch WHERE id = :id AND epoch <= :epoch"
    counts = [
        connection.execute(update, {"id": 1, "state": f"by {epoch}", "epoch": epoch}).rowcount
        for epoch in (3, 5, 4, 5)
    ]
    assert counts == [1, 1, 0, 1]
    connection.close()


GUARDED = "UPDATE job SET state = $2, epoch = $1 WHERE id = 1 AND epoch <= $1"
ADMIT = sql.ADMIT.replace(":name", "$1").replace(":epoch", "$2")


async def test_postgresql_admits_and_guards_as_sqlite_does_and_makes_the_others_wait() -> None:
    with PostgresServer() as server:
        old, new = [await asyncpg.connect(server.url) for _ in range(2)]
        await old.execute(sql.SCHEMA)
        await old.execute("CREATE TABLE job (id integer, state text, epoch bigint)")
        await old.execute("INSERT INTO job VALUES (1, 'new', 0)")
        counts = [await old.execute(GUARDED, epoch, f"by {epoch}") for epoch in (3, 5, 4, 5)]
        assert counts == ["UPDATE 1", "UPDATE 1", "UPDATE 0", "UPDATE 1"]
        # The newer one is at work: the older one waits for its end, and is stale then.
        async with new.transaction():
            assert await new.execute(ADMIT, "billing", BIG + 2) == "INSERT 0 1"
            late = asyncio.create_task(old.execute(ADMIT, "billing", BIG + 1))
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while await new.fetchval(waits) == 0:
                await new.execute("SELECT pg_stat_clear_snapshot()")
        assert await late == "INSERT 0 0"
        for connection in (old, new):
            await connection.close()


def test_redis_is_not_asked_with_an_epoch_below_zero() -> None:
    with redis_server(run_folder()) as client:
        assert redis.run(client, "e", 0, ["x"], "SET", "x", "first") == b"OK"
        redis.run(client, "e", 5, ["x"], "SET", "x", "1")
        for epoch in (-1, -(10**6)):
            with pytest.raises(ValueError, match=f"at least 0, and {epoch} is not"):
                redis.run(client, "e", epoch, ["x"], "SET", "x", "stale")
        assert (client.call("GET", "e"), client.call("GET", "x")) == (b"5", b"1")


def test_redis_compares_and_runs_the_command_in_one_step() -> None:
    with redis_server(run_folder()) as client:
        assert redis.run(client, "e", BIG, ["x"], "SET", "x", "1") == b"OK"
        assert redis.run(client, "e", BIG + 2, ["x"], "INCR", "x") == 2
        with pytest.raises(StaleEpoch) as caught:
            redis.run(client, "e", BIG + 1, ["x"], "SET", "x", "stale")
        assert (caught.value.epoch, caught.value.newest) == (BIG + 1, BIG + 2)
        assert client.call("GET", "x") == b"2"
        assert redis.run(client, "e", 10 * BIG, ["none"], "GET", "none") is None
        assert redis.run(client, "e", 10 * BIG, ["l"], "RPUSH", "l", b"\x00\xff") == 1
        with pytest.raises(StaleEpoch):
            redis.run(client, "e", 9, ["x"], "SET", "x", "stale")
