"""A document being read: its values, its keys' places, and what has been found wrong so far."""

import re
from typing import Any

from interrex.config.positions import Path, Position, key_positions
from interrex.config.problems import Problem, quoted

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Reading:
    """Collects every problem of one document, so that all are shown at once.

    ``root`` maps the top-level keys to plain values, as ``tomllib`` gives them. ``folder`` is the
    absolute path that the file's own paths are relative to.
    """

    def __init__(self, file: str, folder: str, text: str, root: dict[str, Any]) -> None:
        self.file = file
        self.folder = folder
        self.root = root
        self._text = text
        self._positions: dict[Path, Position] | None = None
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._refused: set[Path] = set()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that was refused, in the order of the file."""
        return _in_order(self._problems)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """All that was found odd, in the order of the file."""
        return _in_order(self._warnings)

    def refuse(self, path: Path, message: str) -> None:
        """Note that the value at this path cannot be used."""
        self._refused.add(path)
        self._problems.append(self._problem(path, message))

    def warn(self, path: Path, message: str) -> None:
        """Note that the value at this path can be used, but should be thought about."""
        self._warnings.append(self._problem(path, message))

    def sound(self, *paths: Path) -> bool:
        """Whether nothing at, above or below these paths was refused: only then do they compare."""
        return not any(
            refused[: len(path)] == path or path[: len(refused)] == refused
            for path in paths
            for refused in self._refused
        )

    def written(self, *paths: Path) -> Path:
        """The first of the paths that stands in the file, else the first."""
        return next((path for path in paths if self._holds(path)), paths[0])

    def _holds(self, path: Path) -> bool:
        value: Any = self.root
        for part in path:
            is_item = isinstance(value, list) and isinstance(part, int)
            if not is_item and not (isinstance(value, dict) and part in value):
                return False
            value = value[part]
        return True

    def _problem(self, path: Path, message: str) -> Problem:
        if self._positions is None:
            self._positions = key_positions(self._text)
        position = Position(1, 1) if self._text else Position(0, 0)
        for length in range(len(path), 0, -1):
            if path[:length] in self._positions:
                position = self._positions[path[:length]]
                break
        return Problem(self.file, position.line, position.column, dotted(path), message)


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def dotted(path: Path) -> str:
    """A path as it would be written in the file: ``service.web.replicas``, ``host[0].name``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if len(part) <= 60 and _BARE.fullmatch(part) else quoted(part)
            text += f".{word}" if text else word
    return text
