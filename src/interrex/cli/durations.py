"""Durations on the command line, written as in the cluster file."""

from typing import Annotated

from cyclopts import Parameter

from interrex.cli.exits import CommandError, Exit

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
