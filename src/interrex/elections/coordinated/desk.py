"""The questions under way: each has a number and, once it is answered, somebody to take it."""

from collections.abc import Callable
from random import Random
from typing import Generic, TypeVar, cast

import msgspec

from interrex.core.errors import ensure
from interrex.elections.interface import Ask, ElectionEffect

Answer = TypeVar("Answer")


class Desk(Generic[Answer]):
    """Collects an election's effects, and hands each answer to whoever asked.

    ``now`` (ns) is the time of the step under way; ``effects`` what it has led to so far.
    """

    def __init__(self, random: Random) -> None:
        self.now = 0
        self.effects: list[ElectionEffect] = []
        self.random = random
        self._asked = 0
        self._takers: dict[int, Callable[[Answer], None]] = {}
        self._token = 0

    def ask(self, question: msgspec.Struct, take: Callable[[Answer], None]) -> int:
        """Ask, and let ``take`` have the one answer.

        Returns:
            The question's number.
        """
        self._asked += 1
        self._takers[self._asked] = take
        self.effects.append(Ask(self._asked, question))
        return self._asked

    def new_token(self) -> int:
        """For what is to be on disk: they only rise, whoever wants one."""
        self._token += 1
        return self._token

    def told(self, request: int, answer: msgspec.Struct) -> None:
        """Hand an answer over. Its type is the adapter's promise."""
        ensure(request in self._takers, "each question is answered once")
        self._takers.pop(request)(cast(Answer, answer))
