"""Is there an order in which a history of concurrent operations makes sense?

Takes calls and answers with their times, and a model of the object that they are about; looks
for an order of the operations, each at some moment between its call and its answer, that the
model accepts. An operation without an answer may have happened at any time after its call, or
never.

Source: Wing and Gong, "Testing and Verifying Concurrent Objects", 1993; Lowe, "Testing for
Linearizability", 2017 (states that were reached before with the same operations are not tried
again); Horn and Kroening, "Faster linearizability checking via P-compositionality", 2015 (objects
that do not share anything are checked each on its own).

Not guaranteed: an answer within ``patience``. The question is NP-complete; a history whose search
takes longer is not judged.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum
from typing import Generic, TypeVar

import msgspec

State = TypeVar("State", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)

PATIENCE = 20_000
"""So many steps of the search are tried for one object."""


class Operation(msgspec.Struct, frozen=True):
    """One operation: called at ``call``, answered at ``answer`` (None: never, or nobody knows).

    Times are any integers that order what happened; an operation whose answer has the very time
    of another's call is concurrent to it. ``input`` and ``output`` are the model's own. ``hint``
    is its place in the order that is likely: tried first, believed never.
    """

    call: int
    answer: int | None
    input: object
    output: object = None
    hint: int | None = None


class Verdict(Enum):
    LINEARIZABLE = "linearizable"
    BROKEN = "broken"
    UNDECIDED = "undecided"


Model = Callable[[State, object, object], State | None]
"""Takes a state, an input and an output; gives the state after it, None where it cannot be so.
An operation without an answer comes with the output None: anything fits."""


def _likely_last(one: tuple[int, Operation]) -> tuple[int, int]:
    operation = one[1]
    if operation.hint is not None:
        return 2, -operation.hint
    return (0, 0) if operation.answer is None else (1, -operation.answer)


class _Search(Generic[State]):
    """One object's history. ``taken`` is a bit for each operation that has its place already."""

    def __init__(self, history: Sequence[Operation], model: Model[State], state: State) -> None:
        by_call = sorted(history, key=lambda operation: operation.call)
        self._answered = [one for one in by_call if one.answer is not None]
        self._unanswered = [one for one in by_call if one.answer is None]
        self._model = model
        self._initial = state

    def _candidates(self, taken: int, first: int) -> list[tuple[int, Operation]]:
        """Which may be next: those called no later than the first answer that is not taken.

        The last one is tried first: in the order of the hints, and without hints those answered
        earlier before those answered later, and last those that may never have happened.
        """
        bound: int | None = None
        found = []
        for position in range(first, len(self._answered)):
            operation = self._answered[position]
            if taken >> position & 1:
                continue
            if bound is not None and operation.call > bound:
                break
            found.append((position, operation))
            answer = operation.answer or 0
            bound = answer if bound is None else min(bound, answer)
        found = [one for one in found if bound is None or one[1].call <= bound]
        position = len(self._answered)
        for operation in self._unanswered:
            if bound is not None and operation.call > bound:
                break
            if not taken >> position & 1:
                found.append((position, operation))
            position += 1
        found.sort(key=_likely_last)
        return found

    def run(self, patience: int) -> Verdict:
        """Depth first."""
        wanted = (1 << len(self._answered)) - 1
        seen: set[tuple[int, State]] = set()
        stack: list[tuple[int, int, State]] = [(0, 0, self._initial)]
        while stack:
            taken, first, state = stack.pop()
            if taken & wanted == wanted:
                return Verdict.LINEARIZABLE
            patience -= 1
            if patience < 0:
                return Verdict.UNDECIDED
            while taken >> first & 1 and first < len(self._answered):
                first += 1
            for position, operation in self._candidates(taken, first):
                after = self._model(state, operation.input, operation.output)
                if after is None:
                    continue
                reached = (taken | 1 << position, after)
                if reached not in seen:
                    seen.add(reached)
                    stack.append((reached[0], first, after))
        return Verdict.BROKEN


def check(
    history: Sequence[Operation],
    model: Model[State],
    initial: State,
    patience: int = PATIENCE,
) -> Verdict:
    """Whether one object's history is linearizable.

    Args:
        history: its operations, in any order.
        model: see ``Model``.
        initial: the object's state before the first operation.
        patience: how many steps to search before giving up.
    """
    return _Search(history, model, initial).run(patience)


def divided(
    history: Iterable[tuple[Key, Operation]],
) -> dict[Key, list[Operation]]:
    """The histories of the single objects, in the order in which they first appear."""
    parts: dict[Key, list[Operation]] = {}
    for key, operation in history:
        parts.setdefault(key, []).append(operation)
    return parts
