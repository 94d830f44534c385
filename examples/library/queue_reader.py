"""A queue in a database with one active reader; any number of them may be started.

    python queue_reader.py URL queue.db READER

Each item is taken in one transaction that first admits the reader's epoch: a reader that was
stopped in the middle, and wakes when another has gone on, cannot finish what is no longer its own.
"""

import asyncio
import sqlite3
import sys

import interrex
from interrex.library.guards import sql

TABLE = "CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, done_by TEXT)"
NEXT = "SELECT id FROM item WHERE done_by IS NULL ORDER BY id LIMIT 1"
DONE = "UPDATE item SET done_by = :reader WHERE id = :id"
LOOK_S = 0.05


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
    database = sqlite3.connect(path)
    database.execute(TABLE)
    database.execute(sql.SCHEMA)
    async with interrex.election(url, identity=reader) as election:
        while True:
            async with election.lead() as leadership:
                while True:
                    if not take(database, reader, leadership.epoch):
                        await asyncio.sleep(LOOK_S)
                    await asyncio.sleep(0)  # the end of the leadership arrives at an await


if __name__ == "__main__":
    asyncio.run(read(*sys.argv[1:4]))
