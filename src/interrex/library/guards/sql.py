"""SQL: the newest epoch in a table, compared and raised in the transaction that does the work.

The statements are standard enough for SQLite (3.24) and PostgreSQL (9.5); parameters are named,
``:name`` or, for psycopg, ``%(name)s``; asyncpg numbers them. For a single row there is a shorter
way: give its table an ``epoch`` column and write ``UPDATE t SET ..., epoch = :epoch WHERE id = :id
AND epoch <= :epoch``; no row updated means: stale.
"""

from collections.abc import Awaitable, Mapping
from typing import Any, LiteralString, Protocol

from interrex.library.errors import StaleEpoch
from interrex.library.guards.epochs import whole_epoch

SCHEMA = """\
CREATE TABLE IF NOT EXISTS interrex_epochs (
    name TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL
)"""

ADMIT: LiteralString = """\
INSERT INTO interrex_epochs (name, epoch) VALUES (:name, :epoch)
ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch
WHERE interrex_epochs.epoch <= excluded.epoch"""
"""One row affected: admitted, and the row is locked until the transaction ends. None: stale."""

ADMIT_PYFORMAT: LiteralString = ADMIT.replace(":name", "%(name)s").replace(":epoch", "%(epoch)s")
"""The same for drivers that write parameters as psycopg does."""

ADMIT_NUMBERED: LiteralString = ADMIT.replace(":name", "$1").replace(":epoch", "$2")
"""The same for asyncpg."""


class Cursor(Protocol):
    """What is used of a DB-API cursor."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, sql: LiteralString, parameters: Mapping[str, Any], /) -> object: ...


class AsyncCursor(Protocol):
    """What is used of a cursor for asyncio: psycopg's, and those like it."""

    @property
    def rowcount(self) -> int: ...

    def execute(
        self, sql: LiteralString, parameters: Mapping[str, Any], /
    ) -> Awaitable[object]: ...


class AsyncpgConnection(Protocol):
    """What is used of asyncpg's connection, or of its pool's."""

    def execute(self, sql: LiteralString, name: str, epoch: int, /) -> Awaitable[str]: ...


def admit(cursor: Cursor, name: str, epoch: int, *, statement: LiteralString = ADMIT) -> None:
    """Begin a leader's work in a transaction: everything after it, up to the commit, is fenced.

    Call it first in the transaction. Others that want to be admitted under the same name wait for
    its end (in SQLite: for the database).

    Not guaranteed: anything where each statement is a transaction of its own (``autocommit``).

    Args:
        cursor: in a transaction; whoever made it commits, and rolls back where this raises.
        name: what is guarded, usually the election's name.
        epoch: ``leadership.epoch``.
        statement: ``ADMIT_PYFORMAT`` for psycopg.

    Raises:
        ValueError: the epoch or the name is none; nothing was done.
        StaleEpoch: a newer leadership was admitted; roll back.
        Exception: the driver's own. In a transaction of PostgreSQL that is REPEATABLE READ or
            stricter a serialization failure stands for a newer one that committed meanwhile: roll
            back, and where it is tried again it is stale.
    """
    cursor.execute(statement, _parameters(name, epoch))
    _judge(epoch, cursor.rowcount == 1)


async def admit_async(
    cursor: AsyncCursor, name: str, epoch: int, *, statement: LiteralString = ADMIT_PYFORMAT
) -> None:
    """As ``admit``, with a cursor for asyncio; the statement is psycopg's."""
    await cursor.execute(statement, _parameters(name, epoch))
    _judge(epoch, cursor.rowcount == 1)


async def admit_asyncpg(connection: AsyncpgConnection, name: str, epoch: int) -> None:
    """As ``admit``, with a connection of asyncpg: inside ``async with connection.transaction()``,
    which commits, and rolls back where this raises."""
    status = await connection.execute(ADMIT_NUMBERED, *_parameters(name, epoch).values())
    _judge(epoch, status == "INSERT 0 1")


def _parameters(name: str, epoch: int) -> dict[str, Any]:
    """Raises ValueError. To SQLite no NULL is another's equal: each would be a name of its own."""
    given: object = name
    if not isinstance(given, str) or not given:
        raise ValueError(f"what is guarded has a name, a str, and {name!r} is none")
    return {"name": name, "epoch": whole_epoch(epoch)}


def _judge(epoch: int, admitted: bool) -> None:
    if not admitted:
        raise StaleEpoch(epoch, None)
