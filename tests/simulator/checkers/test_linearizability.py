"""The linearizability checker itself: known histories, and a slow oracle beside it."""

from itertools import permutations
from random import Random

import pytest

from interrex.simulator.checkers.linearizability import Operation, Verdict, check, divided

READ = "read"


def register(state: int, input: object, output: object) -> int | None:
    """An integer register: an input is ``READ``, or the number to write."""
    if isinstance(input, int):
        return input
    return state if output in (None, state) else None


def write(call: int, answer: int | None, value: int) -> Operation:
    return Operation(call, answer, value)


def read(call: int, answer: int | None, value: int | None) -> Operation:
    return Operation(call, answer, READ, value)


GOOD: dict[str, list[Operation]] = {
    "nothing": [],
    "the first value": [read(0, 1, 0)],
    "one after the other": [write(0, 1, 1), read(2, 3, 1), write(4, 5, 2), read(6, 7, 2)],
    # Herlihy and Wing, "Linearizability", 1990, figure 1: overlapping operations, any order.
    "a read beside a write sees the old value": [write(0, 10, 1), read(2, 4, 0)],
    "a read beside a write sees the new value": [write(0, 10, 1), read(2, 4, 1)],
    "two reads beside a write see first the old, then the new value": [
        write(0, 10, 1),
        read(1, 2, 0),
        read(3, 4, 1),
    ],
    "writes at once, the one that was called first wins": [
        write(0, 10, 1),
        write(1, 9, 2),
        read(11, 12, 1),
    ],
    "without an answer, it happened": [write(0, None, 1), read(5, 6, 1)],
    "without an answer, it did not happen": [write(0, None, 1), read(5, 6, 0)],
    "without an answer, it happened late": [
        write(0, None, 1),
        write(2, 3, 2),
        read(4, 5, 2),
        read(6, 7, 1),
    ],
    "a read without an answer says nothing": [write(0, 1, 1), read(2, None, None)],
    "answer and call at the same time are concurrent": [write(0, 5, 1), read(5, 6, 0)],
    "two writers, two readers that agree": [
        write(0, 10, 1),
        write(0, 10, 2),
        read(11, 20, 2),
        read(12, 21, 2),
    ],
}

BAD: dict[str, list[Operation]] = {
    "a value that nobody wrote": [write(0, 1, 1), read(2, 3, 7)],
    "a stale read": [write(0, 1, 1), read(2, 3, 0)],
    "a read from the future": [read(0, 1, 1), write(2, 3, 1)],
    "two reads beside a write see first the new, then the old value": [
        write(0, 10, 1),
        read(1, 2, 1),
        read(3, 4, 0),
    ],
    "readers that disagree on the order of two writes": [
        write(0, 10, 1),
        write(0, 10, 2),
        read(11, 12, 1),
        read(13, 14, 2),
    ],
    "a lost update": [write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)],
    "without an answer, before its call": [read(0, 1, 1), write(2, None, 1)],
    "without an answer, it happened twice": [
        write(0, None, 1),
        read(1, 2, 1),
        write(3, 4, 2),
        read(5, 6, 1),
    ],
    "old and new and old, by three readers": [
        write(0, 30, 1),
        read(1, 5, 0),
        read(6, 9, 1),
        read(10, 12, 0),
    ],
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_a_history_with_an_order_is_linearizable(history: list[Operation]) -> None:
    assert check(history, register, 0) is Verdict.LINEARIZABLE


@pytest.mark.parametrize("history", BAD.values(), ids=BAD)
def test_a_history_without_one_is_not(history: list[Operation]) -> None:
    assert check(history, register, 0) is Verdict.BROKEN


@pytest.mark.parametrize("history", [*GOOD.values(), *BAD.values()], ids=[*GOOD, *BAD])
def test_the_order_in_which_a_history_is_told_does_not_matter(history: list[Operation]) -> None:
    assert check(history[::-1], register, 0) is check(history, register, 0)


def oracle(history: list[Operation]) -> bool:
    """Tries every order of every choice of the unanswered ones."""
    open_ones = [one for one in history if one.answer is None]
    answered = [one for one in history if one.answer is not None]
    for choice in range(1 << len(open_ones)):
        chosen = [one for position, one in enumerate(open_ones) if choice >> position & 1]
        if any(_fits(order) for order in permutations(answered + chosen)):
            return True
    return False


def _fits(order: tuple[Operation, ...]) -> bool:
    state: int | None = 0
    for position, one in enumerate(order):
        if any(later.answer is not None and later.answer < one.call for later in order[position:]):
            return False
        state = register(state, one.input, one.output) if state is not None else None
        if state is None:
            return False
    return True


def drawn(random: Random) -> list[Operation]:
    history = []
    for _ in range(random.randint(1, 6)):
        call = random.randint(0, 12)
        answer = call + random.randint(0, 6) if random.random() < 0.8 else None
        value = random.randint(0, 2)
        history.append(
            write(call, answer, value) if random.random() < 0.5 else read(call, answer, value)
        )
    return [one for one in history if one.input != READ or one.answer is not None]


def test_it_agrees_with_trying_every_order() -> None:
    random = Random(7)
    verdicts = set()
    for _ in range(600):
        history = drawn(random)
        expected = Verdict.LINEARIZABLE if oracle(history) else Verdict.BROKEN
        assert check(history, register, 0) is expected, history
        verdicts.add(expected)
    assert len(verdicts) == 2


def test_a_long_history_of_few_clients_is_judged() -> None:
    history: list[Operation] = []
    for number in range(1, 1000):
        history += [write(10 * number, 10 * number + 15, number), write(10 * number, None, -number)]
        history.append(read(10 * number + 16, 10 * number + 19, number))
    assert check(history[:60], register, 0) is Verdict.LINEARIZABLE
    answered = [one for one in history if one.answer is not None]
    assert check(answered, register, 0) is Verdict.LINEARIZABLE
    assert check([*answered, read(20_000, 20_001, 1)], register, 0) is Verdict.BROKEN


def test_a_search_without_an_end_is_given_up() -> None:
    history = [write(0, None, number) for number in range(1, 40)]
    history += [read(1, 2, 1), read(3, 4, 0)]
    assert check(history, register, 0, patience=500) is Verdict.UNDECIDED


def test_histories_are_divided_by_object() -> None:
    one, two, three = write(0, 1, 1), write(0, 1, 2), read(2, 3, 1)
    assert divided([("a", one), ("b", two), ("a", three)]) == {"a": [one, three], "b": [two]}
