"""A queue in a database with one active reader; any number of them may be started.

    python queue_reader.py URL queue.db READER

Each item is taken in one transaction that first admits the reader's epoch: a reader that was
stopped before it, and wakes when another has gone on, takes nothing and waits for its next turn.
One that is stopped within it has all of SQLite's database: the others try until it has ended.
"""

import asyncio
import sqlite3
import sys
from contextlib import suppress

import interrex
from interrex.library.errors import StaleEpoch
from interrex.library.guards import sql

TABLE = "CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, done_by TEXT)"
NEXT = "SELECT id FROM item WHERE done_by IS NULL ORDER BY id LIMIT 1"
DONE = "UPDATE item SET done_by = :reader WHERE id = :id"
LOOK_S = 0.05
LOCK_S = 0.2
"""How long a transaction waits for another's: below a lease, as nothing else runs meanwhile."""


def take(database: sqlite3.Connection, reader: str, epoch: int) -> bool:
    """Handle the next item; whether there was one. Raises StaleEpoch."""
    with database:
        cursor = database.cursor()
        sql.admit(cursor, "queue", epoch)
        found = cursor.execute(NEXT).fetchone()
        if found is not None:
            cursor.execute(DONE, {"reader": reader, "id": found[0]})
    return found is not None


async def read(url: str, path: str, reader: str) -> None:
    """Wait for a turn, read while it lasts, for ever."""
    with sqlite3.connect(path) as database:
        database.execute(TABLE)
        database.execute(sql.SCHEMA)
    database.execute(f"PRAGMA busy_timeout = {LOCK_S * 1000:.0f}")
    async with interrex.election(url, identity=reader) as election:
        while True:
            with suppress(StaleEpoch):
                async with election.lead() as leadership:
                    await read_on(database, reader, leadership.epoch)


async def read_on(database: sqlite3.Connection, reader: str, epoch: int) -> None:
    """Read until the leadership ends, which arrives at an await. Raises StaleEpoch."""
    while True:
        try:
            found = take(database, reader, epoch)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            found = False
        await asyncio.sleep(0 if found else LOOK_S)


if __name__ == "__main__":
    asyncio.run(read(*sys.argv[1:4]))
