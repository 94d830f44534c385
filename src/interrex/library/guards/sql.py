"""SQL: the newest epoch in a table, compared and raised in the transaction that does the work.

The statements are standard enough for SQLite (3.24) and PostgreSQL (9.5); parameters are named,
``:name`` or, for psycopg, ``%(name)s``. For a single row there is a shorter way: give its table an
``epoch`` column and write ``UPDATE t SET ..., epoch = :epoch WHERE id = :id AND epoch <= :epoch``;
no row updated means: stale.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from interrex.library.errors import StaleEpoch

SCHEMA = """\
CREATE TABLE IF NOT EXISTS interrex_epochs (
    name TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL
)"""

ADMIT = """\
INSERT INTO interrex_epochs (name, epoch) VALUES (:name, :epoch)
ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch
WHERE interrex_epochs.epoch <= excluded.epoch"""
"""One row affected: admitted, and the row is locked until the transaction ends. None: stale."""

ADMIT_PYFORMAT = ADMIT.replace(":name", "%(name)s").replace(":epoch", "%(epoch)s")
"""The same for drivers that write parameters as psycopg does."""


class Cursor(Protocol):
    """What is used of a DB-API cursor."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, sql: str, parameters: Mapping[str, Any], /) -> object: ...


def admit(cursor: Cursor, name: str, epoch: int, *, statement: str = ADMIT) -> None:
    """Begin a leader's work in a transaction: everything after it, up to the commit, is fenced.

    Call it first in the transaction. Others that want to be admitted under the same name wait for
    its end (in SQLite: for the database).

    Args:
        cursor: in a transaction; whoever made it commits, and rolls back where this raises.
        name: what is guarded, usually the election's name.
        epoch: ``leadership.epoch``.
        statement: ``ADMIT_PYFORMAT`` for psycopg.

    Raises:
        StaleEpoch: a newer leadership was admitted; roll back.
    """
    cursor.execute(statement, {"name": name, "epoch": epoch})
    if cursor.rowcount != 1:
        raise StaleEpoch(epoch, None)
