"""The sample API, asked as uvicorn asks it: by ASGI."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from interrex.demo.orders import Order, OrderBook, OrderTaken
from interrex.demo.shop import shop

TEA = Order("o-1", "tea", 2)


async def ask(app: Any, method: str, target: str, body: bytes = b"") -> tuple[int, Any]:
    """An answer's status and its decoded body."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent)
    decoded = msgspec.json.decode(content) if content[:1] in (b"{", b"[") else content
    return sent[0]["status"], decoded


async def test_an_order_placed_at_one_replica_is_read_at_another(tmp_path: Path) -> None:
    books = [OrderBook(tmp_path / "orders.db") for _ in range(2)]
    one, two = (shop(book) for book in books)
    assert await ask(one, "POST", "/orders", msgspec.json.encode(TEA)) == (
        201,
        msgspec.to_builtins(TEA),
    )
    assert await ask(two, "GET", "/orders/o-1") == (200, msgspec.to_builtins(TEA))
    assert (await ask(two, "POST", "/orders", msgspec.json.encode(TEA)))[0] == 409
    assert await ask(two, "GET", "/totals") == (200, {"tea": 2})
    for book in books:
        book.close()


async def test_the_shop_says_who_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERREX_SLOT", "shop.1")
    monkeypatch.setenv("INTERREX_EPOCH", "7")
    book = OrderBook(tmp_path / "orders.db")
    status, said = await ask(shop(book), "GET", "/")
    assert status == 200
    assert (said["slot"], said["epoch"], said["orders"]) == ("shop.1", 7, 0)
    assert (await ask(shop(book), "GET", "/healthz"))[0] == 200
    book.close()


async def test_bad_requests_are_refused_with_a_reason(tmp_path: Path) -> None:
    book = OrderBook(tmp_path / "orders.db")
    app = shop(book)
    for body in (b"", b"{", b'{"id": "x"}', b'{"id": "x", "item": "tea", "quantity": "two"}'):
        status, said = await ask(app, "POST", "/orders", body)
        assert status == 400
        assert said["error"]
    assert (await ask(app, "GET", "/orders?after=x"))[0] == 400
    assert (await ask(app, "GET", "/orders/nothing"))[0] == 404
    assert (await ask(app, "GET", "/nowhere"))[0] == 404
    book.close()


async def test_orders_come_in_pages(tmp_path: Path) -> None:
    book = OrderBook(tmp_path / "orders.db")
    app = shop(book)
    for number in range(5):
        book.add(Order(f"o-{number}", "tea", 1))
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        status, page = await ask(app, "GET", f"/orders?after={after}&limit=2")
        assert status == 200
        found += [order["id"] for order in page["orders"]]
        after = page["next"]
    assert found == [f"o-{number}" for number in range(5)]
    book.close()


def test_an_order_is_stored_once(tmp_path: Path) -> None:
    book = OrderBook(tmp_path / "orders.db")
    book.add(TEA)
    with pytest.raises(OrderTaken):
        book.add(TEA)
    assert book.count() == 1
    book.close()
