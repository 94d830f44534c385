"""What docs/library.md shows of guards is run as it stands there, with real clients and servers."""

import inspect
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import psycopg
import pytest
from redis import Redis
from redis import asyncio as redis_asyncio

from interrex.library.errors import StaleEpoch
from interrex.library.guards import sql

PAGE = Path(__file__).parents[3] / "docs" / "library.md"
BALANCE = "SELECT balance FROM account"


class Shown(NamedTuple):
    """Who pays once, and whoever tells the balance."""

    connection: Any
    balance: Callable[[], Any]


def functions_shown() -> dict[str, Callable[..., Any]]:
    """Those of the page, by name."""
    code = PAGE.read_text().rpartition("```python\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    return {name: one for name, one in namespace.items() if inspect.isfunction(one)}


FUNCTIONS = functions_shown()


@pytest.fixture(params=FUNCTIONS)
async def shown(
    request: pytest.FixtureRequest, database: str, redis_socket: Path
) -> AsyncIterator[tuple[Callable[..., Any], Shown]]:
    path = str(redis_socket)
    async with AsyncExitStack() as stack:
        watcher = stack.enter_context(psycopg.connect(database, autocommit=True))
        counter = stack.enter_context(Redis(unix_socket_path=path))
        counter.flushall()

        def in_sql() -> Any:
            return watcher.execute(BALANCE).fetchone()

        def in_redis() -> Any:
            return (int(counter.get("balance") or 0),)

        match request.param:
            case "by_sqlite3":
                lite = sqlite3.connect(":memory:")
                stack.callback(lite.close)
                lite.execute(sql.SCHEMA)
                lite.execute("CREATE TABLE account (balance INTEGER)")
                with lite:
                    lite.execute("INSERT INTO account VALUES (0)")
                made = Shown(lite, lambda: lite.execute(BALANCE).fetchone())
            case "by_psycopg":
                made = Shown(stack.enter_context(psycopg.connect(database)), in_sql)
            case "by_psycopg_for_asyncio":
                connecting = await psycopg.AsyncConnection.connect(database)
                made = Shown(await stack.enter_async_context(connecting), in_sql)
            case "by_asyncpg":
                connection = await asyncpg.connect(database)
                stack.push_async_callback(connection.close)
                made = Shown(connection, in_sql)
            case "by_redis":
                made = Shown(counter, in_redis)
            case _:
                client = redis_asyncio.Redis(unix_socket_path=path)
                made = Shown(await stack.enter_async_context(client), in_redis)
        yield FUNCTIONS[request.param], made


async def test_what_the_page_shows_pays_and_refuses_older_epochs(
    shown: tuple[Callable[..., Any], Shown],
) -> None:
    function, (connection, balance) = shown

    async def pay(epoch: int) -> None:
        paid = function(connection, epoch)
        if paid is not None:
            await paid

    for epoch in (5, 5, 7):
        await pay(epoch)
    with pytest.raises(StaleEpoch):
        await pay(6)
    assert balance() == (3,)
