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


LastLines = Annotated[
    int | None, Parameter(name=["--lines", "-n"], metavar="N", converter=whole_number)
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
