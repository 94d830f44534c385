"""One measured figure: beside its goal, and beside its floor or a peer from the same run."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

import msgspec


class Bound(StrEnum):
    """Which side of its goal a figure shall be on."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


class Goal(msgspec.Struct, frozen=True):
    """``limit`` is in the figure's own unit."""

    bound: Bound
    limit: float

    def is_met(self, value: float) -> bool:
        return value <= self.limit if self.bound is Bound.AT_MOST else value >= self.limit


class Beside(msgspec.Struct, frozen=True):
    """What the figure is compared with: the same unit, from the same run."""

    name: str
    value: float


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """``measure`` says in words what was measured; ``note`` the spread, or the circumstances."""

    measure: str
    value: float
    unit: str
    goal: Goal | None = None
    beside: tuple[Beside, ...] = ()
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        return None if self.goal is None else self.goal.is_met(self.value)


class Effort(msgspec.Struct, frozen=True):
    """How much a run may cost: ``share`` of the full counts and durations, and how long (s) the
    cores are saturated."""

    share: float = 1.0
    saturation_s: float = 600.0

    def count(self, full: int, least: int = 3) -> int:
        """A number of trials."""
        return max(least, round(full * self.share))

    def duration_s(self, full: float, least: float = 3.0) -> float:
        return max(least, full * self.share)


Measure = Callable[[Effort], Iterable[Figure]]
"""A topic: yields its figures as they are known."""


def at_most(limit: float) -> Goal:
    return Goal(Bound.AT_MOST, limit)


def at_least(limit: float) -> Goal:
    return Goal(Bound.AT_LEAST, limit)


def lines(figure: Figure) -> Iterator[str]:
    """A figure for people: one line, and one for each thing beside it, its note."""
    verdict = ""
    if figure.goal is not None:
        sign = "<=" if figure.goal.bound is Bound.AT_MOST else ">="
        verdict = f"goal {sign} {number(figure.goal.limit)}: {'met' if figure.is_met else 'MISSED'}"
    shown = f"{number(figure.value)} {figure.unit}"
    yield f"  {figure.measure:<58}{shown:>16}  {verdict}".rstrip()
    for other in figure.beside:
        ratio = f"x {other.value / figure.value:.2f}" if figure.value else ""
        shown = f"{number(other.value)} {figure.unit}"
        yield f"    {'beside ' + other.name:<56}{shown:>16}  {ratio}".rstrip()
    if figure.note:
        yield f"    {figure.note}"


def number(value: float) -> str:
    """Three digits that matter, whole where it is large."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
