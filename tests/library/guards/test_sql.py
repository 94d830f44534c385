"""SQLite, and a real PostgreSQL asked by psycopg and by asyncpg: an older epoch changes nothing."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from itertools import chain
from pathlib import Path
from random import Random
from threading import Event

import asyncpg
import psycopg
import pytest

from interrex.library.errors import StaleEpoch
from interrex.library.guards import sql

BIG = 2**53
WRITERS = 4


def pay_in_turns(pay: Callable[..., None]) -> None:
    """Four payments that are admitted, and one of an older epoch that is not."""
    pay(BIG)
    pay(BIG)
    pay(BIG + 2)
    with pytest.raises(StaleEpoch):
        pay(BIG + 1)
    pay(1, "another")


def test_sqlite_admits_in_the_transaction_that_does_the_work(tmp_path: Path) -> None:
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

    pay_in_turns(pay)
    assert connection.execute("SELECT balance FROM account").fetchone() == (4,)
    connection.close()


def test_a_row_of_sqlite_is_guarded_by_its_own_column() -> None:
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


def test_in_sqlite_who_is_admitted_is_waited_for_and_who_was_older_is_stale_then(
    tmp_path: Path,
) -> None:
    path = tmp_path / "db"
    waits = Event()

    def come_late() -> None:
        with closing(sqlite3.connect(path, timeout=60)) as late, late:
            late.set_trace_callback(lambda statement: waits.set())
            sql.admit(late.cursor(), "billing", BIG + 1)

    with closing(sqlite3.connect(path)) as newer, ThreadPoolExecutor(1) as thread:
        newer.execute(sql.SCHEMA)
        with newer:
            sql.admit(newer.cursor(), "billing", BIG + 2)
            coming = thread.submit(come_late)
            assert waits.wait(60)
            assert not coming.done()
        with pytest.raises(StaleEpoch):
            coming.result()


def test_psycopg_admits_in_the_transaction_that_does_the_work(database: str) -> None:
    with closing(psycopg.connect(database)) as connection:

        def pay(epoch: int, name: str = "billing") -> None:
            with connection.transaction(), connection.cursor() as cursor:
                sql.admit(cursor, name, epoch, statement=sql.ADMIT_PYFORMAT)
                cursor.execute("UPDATE account SET balance = balance + 1")

        pay_in_turns(pay)
        assert connection.execute("SELECT balance FROM account").fetchone() == (4,)


def test_what_is_rolled_back_was_not_admitted(database: str) -> None:
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        sql.admit(cursor, "billing", 7, statement=sql.ADMIT_PYFORMAT)
        connection.rollback()
        sql.admit(cursor, "billing", 6, statement=sql.ADMIT_PYFORMAT)


def test_a_row_of_postgresql_is_guarded_by_its_own_column(database: str) -> None:
    update = (
        "UPDATE account SET balance = balance + 1, epoch = %(epoch)s"
        " WHERE id = %(id)s AND epoch <= %(epoch)s"
    )
    with psycopg.connect(database) as connection:
        counts = [
            connection.execute(update, {"id": 1, "epoch": epoch}).rowcount for epoch in (3, 5, 4, 5)
        ]
    assert counts == [1, 1, 0, 1]


async def locks_waited_for(watcher: psycopg.AsyncConnection) -> None:
    """Until a session of the server waits for another's lock."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while (await (await watcher.execute(waits)).fetchone()) == (0,):
        await watcher.rollback()  # each transaction sees one state of affairs


async def connect(stack: AsyncExitStack, database: str) -> psycopg.AsyncConnection:
    return await stack.enter_async_context(await psycopg.AsyncConnection.connect(database))


@pytest.mark.parametrize("known", [True, False], ids=["the row is there", "it is the first"])
async def test_of_two_psycopgs_at_once_the_older_waits_for_the_newer_and_is_stale(
    database: str, known: bool
) -> None:
    async with AsyncExitStack() as stack:
        older, newer, watcher = [await connect(stack, database) for _ in range(3)]
        if known:
            async with newer.transaction():
                await sql.admit_async(newer.cursor(), "billing", BIG)

        async def come_late() -> None:
            async with older.transaction():
                await sql.admit_async(older.cursor(), "billing", BIG + 1)

        async with newer.transaction():
            await sql.admit_async(newer.cursor(), "billing", BIG + 2)
            coming = asyncio.create_task(come_late())
            await locks_waited_for(watcher)
        with pytest.raises(StaleEpoch):
            await coming


async def test_a_stricter_transaction_that_waited_fails_and_is_stale_when_tried_again(
    database: str,
) -> None:
    async with AsyncExitStack() as stack:
        older, newer, watcher = [await connect(stack, database) for _ in range(3)]
        await older.set_isolation_level(psycopg.IsolationLevel.SERIALIZABLE)

        async def pay() -> None:
            async with older.transaction():
                await older.execute("SELECT balance FROM account")
                await sql.admit_async(older.cursor(), "billing", BIG + 1)

        async with newer.transaction():
            await sql.admit_async(newer.cursor(), "billing", BIG + 2)
            paying = asyncio.create_task(pay())
            await locks_waited_for(watcher)
        with pytest.raises(psycopg.errors.SerializationFailure):
            await paying
        with pytest.raises(StaleEpoch):
            await pay()


async def test_what_many_commit_at_once_is_in_the_order_of_their_epochs(database: str) -> None:
    chance = Random(1)
    async with AsyncExitStack() as stack:
        writers = [await connect(stack, database) for _ in range(WRITERS)]
        refused: list[int] = []

        async def write(connection: psycopg.AsyncConnection, epochs: list[int]) -> None:
            for epoch in epochs:
                try:
                    async with connection.transaction(), connection.cursor() as cursor:
                        await sql.admit_async(cursor, "billing", epoch)
                        await cursor.execute("INSERT INTO done (epoch) VALUES (%s)", (epoch,))
                except StaleEpoch:
                    refused.append(epoch)

        epochs = [[BIG + chance.randrange(100) for _ in range(25)] for _ in writers]
        await asyncio.gather(*map(write, writers, epochs))
        cursor = await writers[0].execute("SELECT epoch FROM done ORDER BY place")
        done = [epoch for (epoch,) in await cursor.fetchall()]
    assert done == sorted(done)
    assert sorted(done + refused) == sorted(chain.from_iterable(epochs))
    assert refused


async def test_asyncpg_admits_in_the_transaction_that_does_the_work(database: str) -> None:
    async with asyncpg.create_pool(database, min_size=1, max_size=1) as pool:

        async def pay(epoch: int) -> None:
            async with pool.acquire() as connection, connection.transaction():
                await sql.admit_asyncpg(connection, "billing", epoch)
                await connection.execute("UPDATE account SET balance = balance + 1")

        for epoch in (BIG, BIG, BIG + 2):
            await pay(epoch)
        with pytest.raises(StaleEpoch):
            await pay(BIG + 1)
        assert await pool.fetchval("SELECT balance FROM account") == 3
