"""Durations and numbers on the command line, written as in the cluster file."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from interrex.cli.exits import CommandError, Exit


def whole_number(_type: Any, tokens: Sequence[Token]) -> int:
    """A whole number as it stands there, and nothing that would have to be rounded.

    Raises:
        ValueError: it is none; shown by cyclopts with the option's name.
    """
    text = tokens[0].value
    if not text.removeprefix("-").isdecimal():
        raise ValueError(f'"{text}" is no whole number')
    return int(text)


def line_count(_type: Any, tokens: Sequence[Token]) -> int:
    """How many lines to show.

    Raises:
        ValueError: that is no number of lines; shown by cyclopts with the option's name.
    """
    lines = whole_number(_type, tokens)
    if lines < 0:
        raise ValueError(f"{lines} lines cannot be shown; say 0 or more")
    return lines


LastLines = Annotated[
    int | None, Parameter(name=["--lines", "-n"], metavar="N", converter=line_count)
]
DurationOption = Annotated[str, Parameter(metavar="DURATION")]


def seconds_of(option: str, text: str) -> float:
    """``250ms``, ``30s``, ``1m30s`` or a bare number of seconds, in seconds.

    Raises:
        CommandError: it is no duration.
    """
    from interrex.config.problems import Refused
    from interrex.config.values import parse_duration

    try:
        number: float | str = float(text)
    except ValueError:
        number = text
    try:
        return parse_duration(number)
    except Refused as refused:
        raise CommandError(f"{option}: {refused}", Exit.USAGE) from refused
