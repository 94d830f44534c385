"""The sample shop's state: orders in one sqlite file that every replica opens.

Written with a write-ahead log, so a replica killed in the middle of a transaction leaves no half
of an order behind, and its file locks fall with it.
"""

import sqlite3
from pathlib import Path

import msgspec

PATIENCE_S = 5.0
"""How long a write waits for another replica's."""


class Order(msgspec.Struct, frozen=True):
    """An order as the customer sent it; the customer chooses its id, so it can be looked up even
    when the answer was lost."""

    id: str
    item: str
    quantity: int


class Page(msgspec.Struct, frozen=True):
    """Orders in the order of their arrival; ``next`` is where the following page begins, None on
    the last one."""

    orders: list[Order]
    next: int | None


class OrderTaken(Exception):  # noqa: N818
    """There is an order with this id already."""


class OrderBook:
    """One replica's connection to the file.

    Args:
        path: made, with its table, if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY AUTOINCREMENT, "
            "id TEXT NOT NULL UNIQUE, item TEXT NOT NULL, quantity INTEGER NOT NULL)"
        )

    def add(self, order: Order) -> None:
        """Store an order: when this returns, every replica sees it.

        Raises:
            OrderTaken: its id is in use.
        """
        try:
            self._database.execute(
                "INSERT INTO orders (id, item, quantity) VALUES (?, ?, ?)",
                (order.id, order.item, order.quantity),
            )
        except sqlite3.IntegrityError as error:
            raise OrderTaken(order.id) from error

    def find(self, order: str) -> Order | None:
        """The order with this id."""
        row = self._database.execute(
            "SELECT id, item, quantity FROM orders WHERE id = ?", (order,)
        ).fetchone()
        return Order(*row) if row is not None else None

    def page(self, after: int, limit: int) -> Page:
        """Up to ``limit`` orders behind number ``after``."""
        rows = self._database.execute(
            "SELECT number, id, item, quantity FROM orders WHERE number > ? ORDER BY number "
            "LIMIT ?",
            (after, limit),
        ).fetchall()
        full = len(rows) == limit
        return Page([Order(*row[1:]) for row in rows], rows[-1][0] if full and rows else None)

    def count(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM orders").fetchone()[0])

    def totals(self) -> dict[str, int]:
        """How many of each item were ordered."""
        return dict(
            self._database.execute(
                "SELECT item, sum(quantity) FROM orders GROUP BY item ORDER BY item"
            )
        )

    def close(self) -> None:
        self._database.close()
