"""Questions that follow from each other's answers, written one after the other."""

from collections.abc import Generator, Sequence
from typing import TypeVar

import msgspec

from interrex.elections.coordinated.desk import Desk

Answer = TypeVar("Answer")
Script = Generator[Sequence[msgspec.Struct], list[Answer], None]
"""Yields questions to ask at once, at least one, and gets all their answers, in their order."""


def follow(desk: Desk[Answer], script: Script[Answer]) -> None:
    """Let a script ask, from its beginning to its end, however many steps that takes."""
    _ask(desk, script, next(script, ()))


def _ask(desk: Desk[Answer], script: Script[Answer], questions: Sequence[msgspec.Struct]) -> None:
    answers: dict[int, Answer] = {}

    def take(place: int, answer: Answer) -> None:
        answers[place] = answer
        if len(answers) == len(questions):
            try:
                further = script.send([answers[at] for at in range(len(questions))])
            except StopIteration:
                return
            _ask(desk, script, further)

    for place, question in enumerate(questions):
        desk.ask(question, lambda answer, place=place: take(place, answer))  # type: ignore[misc]
