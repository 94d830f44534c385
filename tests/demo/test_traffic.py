"""The customers: what they ask, what they count as right, and what they find on reading back."""

from random import Random

import msgspec

from interrex.demo.connection import Ask, Broken, Reply
from interrex.demo.orders import Order, Page
from interrex.demo.samples import Outcome
from interrex.demo.traffic import Customers

ORDER = Order("order-1", "tea", 2)
POST = Ask("POST", "/orders", msgspec.json.encode(ORDER))
CREATED = Reply(201, msgspec.json.encode(ORDER))


class Shop:
    """Answers each path with what it was told to, or raises it."""

    def __init__(self) -> None:
        self.answers: dict[str, Reply | Exception] = {"/orders": CREATED}

    async def send(self, ask: Ask, *, fresh: bool = False) -> Reply:
        answer = self.answers[ask.target]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def holds(self, *orders: Order) -> None:
        page = msgspec.json.encode(Page(list(orders), None))
        self.answers["/orders?after=0&limit=500"] = Reply(200, page)


def _customers(shop: Shop) -> Customers:
    return Customers(shop, Random(1), "order")


def test_the_same_seed_asks_the_same() -> None:
    one, two = (Customers(Shop(), Random(7), "order") for _ in range(2))
    asks = [one.draw() for _ in range(500)]
    assert asks == [two.draw() for _ in range(500)]
    assert 10 < sum(ask.method == "POST" for ask in asks) < 50


async def test_an_acknowledged_order_is_read_back_and_compared() -> None:
    shop = Shop()
    customers = _customers(shop)
    assert (await customers.perform(POST)).outcome is Outcome.OK
    ask = Ask("GET", "/orders/order-1")
    shop.answers["/orders/order-1"] = Reply(200, CREATED.body)
    assert (await customers.perform(ask)).outcome is Outcome.OK
    shop.answers["/orders/order-1"] = Reply(200, msgspec.json.encode(Order("order-1", "tea", 3)))
    judged = await customers.perform(ask)
    assert judged.outcome is Outcome.FAILED
    assert "not the order that was placed" in judged.detail
    shop.answers["/orders/order-1"] = Reply(404, b"")
    assert (await customers.perform(ask)).detail == "GET /orders/order-1: status 404"


async def test_a_write_that_may_have_been_executed_is_cut_off_and_any_other_has_failed() -> None:
    for answer, outcome in (
        (Broken(False, "reset"), Outcome.CUT),
        (Broken(True, "reset"), Outcome.CUT),
        (Reply(502, b""), Outcome.CUT),
        (Reply(504, b""), Outcome.CUT),
        (Reply(503, b""), Outcome.FAILED),
        (Reply(500, b""), Outcome.FAILED),
        (Reply(409, b""), Outcome.FAILED),
    ):
        shop = Shop()
        shop.answers["/orders"] = answer
        assert (await _customers(shop).perform(POST)).outcome is outcome, answer


async def test_reading_back_names_what_is_lost_and_what_is_altered() -> None:
    shop = Shop()
    customers = _customers(shop)
    for name in ("a", "b", "c"):
        order = Order(name, "tea", 1)
        await customers.perform(Ask("POST", "/orders", msgspec.json.encode(order)))
    shop.answers["/orders"] = Broken(False, "reset")
    for name in ("d", "e"):
        order = Order(name, "tea", 1)
        await customers.perform(Ask("POST", "/orders", msgspec.json.encode(order)))
    shop.holds(Order("a", "tea", 1), Order("b", "tea", 9), Order("d", "tea", 1))
    verdict = await customers.read_back()
    assert (verdict.acknowledged, verdict.lost, verdict.altered) == (3, ("c",), ("b",))
    assert (verdict.stored, verdict.not_stored) == (1, 1)
    assert not verdict.sound


async def test_reading_back_that_is_refused_is_not_sound() -> None:
    shop = Shop()
    shop.answers["/orders?after=0&limit=500"] = Reply(503, b"")
    verdict = await _customers(shop).read_back()
    assert not verdict.sound
    assert "503" in verdict.problem


async def test_pages_are_followed_to_the_last() -> None:
    shop = Shop()
    customers = _customers(shop)
    await customers.perform(POST)
    first = msgspec.json.encode(Page([Order("x", "tea", 1)], 7))
    shop.answers["/orders?after=0&limit=500"] = Reply(200, first)
    last = msgspec.json.encode(Page([ORDER], None))
    shop.answers["/orders?after=7&limit=500"] = Reply(200, last)
    assert (await customers.read_back()).sound
