"""The open loop: requests are due by the clock, whatever became of those before."""

import asyncio
from itertools import pairwise
from random import Random

from interrex.core.time import MS, S
from interrex.demo.connection import Ask, Reply
from interrex.demo.load import Load
from interrex.demo.pacing import Pacer
from interrex.demo.samples import Line, Sample
from interrex.demo.traffic import Customers


def test_requests_are_due_at_even_distances() -> None:
    pacer = Pacer(200, start=1000)
    assert pacer.wake_at == 1000
    assert pacer.due(999) == []
    assert pacer.due(1000) == [1000]
    assert pacer.wake_at == 1000 + 5 * MS


def test_a_stall_makes_every_request_due_at_its_own_time() -> None:
    pacer = Pacer(200, start=0)
    pacer.due(0)
    late = pacer.due(1 * S)
    assert late == [number * 5 * MS for number in range(1, 201)]
    assert pacer.wake_at == 1 * S + 5 * MS


def test_rounding_never_adds_up() -> None:
    pacer = Pacer(3, start=0)
    assert len(pacer.due(1000 * S)) == 3001


class _Stuck:
    """A server that answers nothing until it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()
        self.enough = asyncio.Event()

    async def send(self, ask: Ask, *, fresh: bool = False) -> Reply:
        self.asked += 1
        if self.asked == 5:
            self.enough.set()
        await self.go.wait()
        return Reply(200 if ask.method == "GET" else 201, b"{}")


async def test_slow_answers_delay_no_request_and_count_from_when_it_was_due() -> None:
    stuck = _Stuck()
    lines: list[Line] = []
    load = Load(Customers(stuck, Random(1), "order"), 500, lines.append)
    running = asyncio.get_running_loop().create_task(load.run())
    await stuck.enough.wait()
    assert lines == []
    load.stop()
    stuck.go.set()
    await running
    samples = [line for line in lines if isinstance(line, Sample)]
    assert len(samples) == stuck.asked >= 5
    dues = sorted(sample.due for sample in samples)
    assert {later - earlier for earlier, later in pairwise(dues)} == {2 * MS}
    assert all(sample.due <= sample.sent <= sample.ended for sample in samples)
