"""What is wrong with a cluster file: all of it at once, each with its place."""

import msgspec

from interrex.core.errors import InterrexError


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend, or, among the warnings, to think about.

    ``line`` and ``column`` count from 1 and are 0 where the problem has no place in the file;
    ``key`` is dotted (``service.web.replicas``) and may be empty.
    """

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(InterrexError):
    """A cluster file that cannot be used; ``problems`` says why, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Refused(Exception):  # noqa: N818
    """A value that cannot be used, in words that follow the key's name."""


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that was most likely meant, if any is near enough."""
    from difflib import get_close_matches

    lower = {name.lower(): name for name in known}
    matches = get_close_matches(word.lower()[:100], lower, 1, 0.6)
    return lower[matches[0]] if matches else None


def quoted(text: str) -> str:
    """A text in double quotes, on one line, as much of it as 60 characters show."""
    import json

    pieces = [
        char if char.isprintable() and char not in '"\\' else json.dumps(char)[1:-1]
        for char in text[:61]
    ]
    if sum(map(len, pieces)) > 60:
        while sum(map(len, pieces)) > 57:
            pieces.pop()
        pieces.append("...")
    return f'"{"".join(pieces)}"'


def shown(value: object) -> str:
    """A value as a person would write it, short enough for one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if abs(value) >= 10**20:
            return "so large a number"
        case int() | float():
            return str(value)
        case str():
            return quoted(value)
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"
