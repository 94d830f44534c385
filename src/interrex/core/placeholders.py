"""``{port}`` and the like in commands: which exist, and how they are filled in.

A brace that is meant as such is doubled: ``{{`` and ``}}``.
"""

import re
from collections.abc import Mapping
from typing import Final

PLACEHOLDERS: Final = ("port", "slot", "number", "address")
"""What a service's command, its environment's values and its exec checks may name: the replica's
port, its slot (``web.2``), its number within the service (``2``), and the address to listen on
(loopback; with several hosts every one, since the other hosts' balancers must reach it)."""

_BRACES = re.compile(r"\{\{|\}\}|\{([A-Za-z0-9_]*)\}|[{}]")


class StrayBrace(ValueError):  # noqa: N818
    """A brace that neither opens a placeholder nor is doubled."""


def placeholders_in(text: str) -> tuple[str, ...]:
    """The names in braces, in order.

    Raises:
        StrayBrace: a single ``{`` or ``}``.
    """
    names = []
    for match in _BRACES.finditer(text):
        if match.group() in ("{", "}"):
            raise StrayBrace(match.group())
        if match.group(1) is not None:
            names.append(match.group(1))
    return tuple(names)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with each ``{name}`` replaced by its value and doubled braces made single.

    Args:
        text: a text that ``placeholders_in`` accepts.
        values: maps the name of each placeholder to what stands in its place.
    """

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        return values[name] if name is not None else match.group()[0]

    return _BRACES.sub(replacement, text)
