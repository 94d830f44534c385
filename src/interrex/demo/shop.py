"""The demo's sample API, an ordinary Starlette application: a small shop that takes orders.

    GET  /             who answered: slot, pid, epoch, and how many orders there are
    GET  /healthz
    POST /orders       {"id": "...", "item": "tea", "quantity": 2}
    GET  /orders/ID    GET /orders?after=0&limit=100    GET /totals

Nothing in it knows of Interrex but the three variables that `/` shows. Run one by hand with
``SHOP_ORDERS=orders.db uvicorn --factory interrex.demo.shop:create``.
"""

import os
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from interrex.demo.orders import Order, OrderBook, OrderTaken

ORDERS_VARIABLE = "SHOP_ORDERS"
MOST_A_PAGE = 1000


def create() -> Starlette:
    """The application; its orders lie in the file that ``$SHOP_ORDERS`` names."""
    return shop(OrderBook(Path(os.environ[ORDERS_VARIABLE])))


def shop(book: OrderBook) -> Starlette:
    """The application over an open order book.

    The handlers call sqlite on the event loop: a statement takes some 50 us, less than handing it
    to a thread.
    """

    async def who(request: Request) -> Response:
        return _json(
            {
                "shop": "Interrex demo",
                "slot": os.environ.get("INTERREX_SLOT"),
                "pid": os.getpid(),
                "epoch": int(os.environ.get("INTERREX_EPOCH", "0")),
                "orders": book.count(),
            }
        )

    async def health(request: Request) -> Response:
        return Response(b"ok\n", media_type="text/plain")

    async def add_order(request: Request) -> Response:
        try:
            order = msgspec.json.decode(await request.body(), type=Order)
        except msgspec.MsgspecError as error:
            return _json({"error": str(error)}, 400)
        try:
            book.add(order)
        except OrderTaken:
            return _json({"error": f"there is an order {order.id} already"}, 409)
        return _json(order, 201)

    async def get_order(request: Request) -> Response:
        order = book.find(request.path_params["id"])
        return _json(order) if order is not None else _json({"error": "no such order"}, 404)

    async def get_orders(request: Request) -> Response:
        try:
            after = int(request.query_params.get("after", 0))
            limit = int(request.query_params.get("limit", 100))
        except ValueError:
            return _json({"error": "after and limit are whole numbers"}, 400)
        return _json(book.page(after, max(1, min(limit, MOST_A_PAGE))))

    async def totals(request: Request) -> Response:
        return _json(book.totals())

    return Starlette(
        routes=[
            Route("/", who),
            Route("/healthz", health),
            Route("/orders", add_order, methods=["POST"]),
            Route("/orders", get_orders),
            Route("/orders/{id}", get_order),
            Route("/totals", totals),
        ]
    )


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
