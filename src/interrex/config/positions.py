"""Where each key of a TOML text stands: what ``tomllib`` does not tell.

The scanner reads text that ``tomllib`` has already accepted. It follows keys, strings, arrays
and tables only as far as needed to know where each begins; values are not interpreted. Nesting
costs no recursion.
"""

import re
from bisect import bisect_right
from typing import NamedTuple

Path = tuple[str | int, ...]
"""A place in a document: keys, and indices into arrays counted from 0."""


class Position(NamedTuple):
    """Line and column, both counted from 1."""

    line: int
    column: int


_BLANK = re.compile(r"[ \t]*+")
_BLANK_LINES = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*")
_BETWEEN_ITEMS = re.compile(r"(?:[ \t\n,]++|#[^\n]*+)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
_BASIC = re.compile(r'"(?:[^\\"\n]++|\\[^\n])*"')
_LITERAL = re.compile(r"'[^'\n]*+'")
_LONG_BASIC = re.compile(r'"""(?:[^\\"]++|\\.|"(?!""))*"{3,5}', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''(?:[^']++|'(?!''))*'{3,5}")
_PLAIN = re.compile(r"[^,\]}#\n]++")


class _LostError(Exception):
    """The text is not what was expected here: keep the positions found so far."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self.last_element: dict[Path, int] = {}

    def scan(self) -> None:
        header: Path = ()
        while True:
            self._take(_BLANK_LINES)
            if self.at >= len(self.text):
                return
            if self.text.startswith("[", self.at):
                header = self._header()
            else:
                self._value(self._key_of(header))

    def _header(self) -> Path:
        start = self.at
        array = self.text.startswith("[[", start)
        self.at += 2 if array else 1
        parts = self._key()
        self._expect("]]" if array else "]")
        path: Path = ()
        for part, position in parts[:-1]:
            path = (*path, part)
            self.found.setdefault(path, position)
            if path in self.last_element:
                path = (*path, self.last_element[path])
        path = (*path, parts[-1][0])
        if not array:
            self.found[path] = start
            return path
        self.found.setdefault(path, start)
        self.last_element[path] = self.last_element.get(path, -1) + 1
        path = (*path, self.last_element[path])
        self.found[path] = start
        return path

    def _key_of(self, container: Path) -> Path:
        """Read ``a.b =`` inside a table and note where each part stands."""
        path = container
        for part, position in self._key():
            path = (*path, part)
            self.found.setdefault(path, position)
        self._expect("=")
        self._take(_BLANK)
        return path

    def _key(self) -> list[tuple[str, int]]:
        parts = []
        while True:
            self._take(_BLANK)
            position = self.at
            parts.append((self._key_part(), position))
            self._take(_BLANK)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _key_part(self) -> str:
        match self.text[self.at : self.at + 1]:
            case '"':
                return _unquoted(self._take(_BASIC))
            case "'":
                return self._take(_LITERAL)[1:-1]
            case _:
                return self._take(_BARE_KEY)

    def _value(self, path: Path) -> None:
        """Skip the value of ``path``, noting the keys and the elements inside it."""
        open_: list[tuple[Path, str]] = []
        elements: list[int] = []
        while True:
            opening = self.text[self.at : self.at + 1]
            if opening in ("[", "{"):
                open_.append((path, opening))
                elements.append(0)
                self.at += 1
            else:
                self._scalar()
            while True:
                if not open_:
                    return
                self._take(_BETWEEN_ITEMS)
                container, opening = open_[-1]
                if not self.text.startswith("]" if opening == "[" else "}", self.at):
                    break
                self.at += 1
                open_.pop()
                elements.pop()
            if opening == "[":
                path = (*container, elements[-1])
                elements[-1] += 1
                self.found[path] = self.at
            else:
                path = self._key_of(container)

    def _scalar(self) -> None:
        if self.text.startswith('"""', self.at):
            self._take(_LONG_BASIC)
        elif self.text.startswith("'''", self.at):
            self._take(_LONG_LITERAL)
        elif self.text.startswith('"', self.at):
            self._take(_BASIC)
        elif self.text.startswith("'", self.at):
            self._take(_LITERAL)
        else:
            self._take(_PLAIN)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _LostError
        self.at = match.end()
        return match.group()

    def _expect(self, literal: str) -> None:
        if not self.text.startswith(literal, self.at):
            raise _LostError
        self.at += len(literal)


def _unquoted(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]
    import tomllib

    return str(tomllib.loads(f"key = {quoted}")["key"])


def key_positions(text: str) -> dict[Path, Position]:
    """Where each key, table and array element of a TOML text begins.

    Args:
        text: a document that ``tomllib`` accepts; of any other, what was understood is returned.

    Returns:
        Every path that leads to a value, and its position: of a table, its ``[header]`` if it has
        one; of anything else, its key.
    """
    text = text.replace("\r\n", "\n")
    scanner = _Scanner(text)
    try:
        scanner.scan()
    except (_LostError, ValueError):
        found = scanner.found
    else:
        found = scanner.found
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    positions = {}
    for path, offset in found.items():
        line = bisect_right(starts, offset)
        positions[path] = Position(line, offset - starts[line - 1] + 1)
    return positions
