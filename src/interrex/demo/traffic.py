"""What the demo's customers ask for, and what the right answers are."""

from random import Random

import msgspec

from interrex.demo.client import Ending, Result, Sender, ask_once_or_twice
from interrex.demo.connection import Ask
from interrex.demo.orders import Order, Page
from interrex.demo.samples import Outcome, Verdict

WRITES = 0.05
"""The share of requests that place an order."""
READ_BACKS = 0.35
"""The share that asks for an order placed before, whoever stored it."""
TIMEOUT_S = 10.0
PAGE = 500
ITEMS = ("bread", "cheese", "coffee", "honey", "olives", "tea")
MAYBE_EXECUTED = (502, 504)
"""The balancer's answers to a request that it had passed on without getting an answer."""


class Judged(msgspec.Struct, frozen=True):
    """A request's outcome, and what was wrong if it failed or was cut off."""

    outcome: Outcome
    retried: bool = False
    detail: str = ""


class Customers:
    """Places orders, reads them back, and remembers what was acknowledged.

    Args:
        sender: sends requests; random: draws what is asked; name: begins every order's id.
    """

    def __init__(self, sender: Sender, random: Random, name: str) -> None:
        self._sender = sender
        self._random = random
        self._name = name
        self._placed = 0
        self._acknowledged: dict[str, Order] = {}
        self._known: list[str] = []
        self._cut: list[str] = []

    def draw(self) -> Ask:
        """The next request."""
        draw = self._random.random()
        if draw < WRITES:
            self._placed += 1
            order = Order(
                f"{self._name}-{self._placed}",
                self._random.choice(ITEMS),
                self._random.randint(1, 9),
            )
            return Ask("POST", "/orders", msgspec.json.encode(order))
        if draw < WRITES + READ_BACKS and self._known:
            return Ask("GET", f"/orders/{self._random.choice(self._known)}")
        return Ask("GET", "/")

    async def perform(self, ask: Ask) -> Judged:
        """Send a request, retry it if a browser would, and judge the answer."""
        result = await ask_once_or_twice(self._sender, ask, TIMEOUT_S)
        if ask.method == "POST":
            return self._judge_order(msgspec.json.decode(ask.body, type=Order), result)
        problem = self._problem_of(ask, result)
        if problem:
            text = f"{ask.method} {ask.target}: {problem}"
            return Judged(Outcome.FAILED, result.retried, text)
        return Judged(Outcome.OK, result.retried)

    def _judge_order(self, order: Order, result: Result) -> Judged:
        reply = result.reply
        if reply is not None and reply.status == 201:
            self._acknowledged[order.id] = order
            self._known.append(order.id)
            return Judged(Outcome.OK)
        if reply is None and result.ending in (Ending.BROKEN, Ending.LATE):
            self._cut.append(order.id)
            return Judged(Outcome.CUT, detail=f"POST {order.id}: {result.reason}")
        if reply is not None and reply.status in MAYBE_EXECUTED:
            self._cut.append(order.id)
            return Judged(Outcome.CUT, detail=f"POST {order.id}: status {reply.status}")
        reason = f"status {reply.status}" if reply is not None else result.reason
        return Judged(Outcome.FAILED, detail=f"POST {order.id}: {reason}")

    def _problem_of(self, ask: Ask, result: Result) -> str:
        if result.reply is None:
            return result.reason
        if result.reply.status != 200:
            return f"status {result.reply.status}"
        order = self._acknowledged.get(ask.target.rpartition("/")[2])
        if order is None:
            return ""
        return "" if _same(order, result.reply.body) else "not the order that was placed"

    async def read_back(self) -> Verdict:
        """Read every order back, and compare with what was acknowledged until now."""
        acknowledged = dict(self._acknowledged)
        cut = list(self._cut)
        stored: dict[str, Order] = {}
        after: int | None = 0
        while after is not None:
            target = f"/orders?after={after}&limit={PAGE}"
            result = await ask_once_or_twice(self._sender, Ask("GET", target), TIMEOUT_S)
            if result.reply is None or result.reply.status != 200:
                status = result.reply.status if result.reply else result.reason
                return Verdict(len(acknowledged), problem=f"GET {target}: {status}")
            page = msgspec.json.decode(result.reply.body, type=Page)
            stored |= {order.id: order for order in page.orders}
            after = page.next
        executed = sum(order in stored for order in cut)
        return Verdict(
            acknowledged=len(acknowledged),
            lost=tuple(sorted(acknowledged.keys() - stored.keys())),
            altered=tuple(
                sorted(
                    name
                    for name, order in acknowledged.items()
                    if name in stored and stored[name] != order
                )
            ),
            stored=executed,
            not_stored=len(cut) - executed,
        )


def _same(order: Order, body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=Order) == order
    except msgspec.MsgspecError:
        return False
