"""How a table of the file is described, once, and read by that description.

The same ``Section`` drives the reading, the suggestions for misspelt keys and the reference in
``docs/cluster-file.md``.
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from interrex.config.positions import Path
from interrex.config.problems import Refused, nearest, shown
from interrex.config.reading import Reading

T = TypeVar("T")


class Kind(NamedTuple, Generic[T]):
    """What may stand behind a key: in words, how it is read, how a value of it is written.

    ``read`` gives the typed value; it raises ``Refused`` for one that cannot be used at all, or
    notes several problems in the reading and raises ``Noted``.
    """

    words: str
    read: Callable[[Reading, Path, object], T]
    show: Callable[[T], str]


class Noted(Exception):  # noqa: N818
    """The value cannot be used, and the reading already says why."""


class Key(NamedTuple):
    """One key of a table.

    ``field`` is the typed value's name where it differs; ``default`` is in words, where it is not
    simply the typed field's own.
    """

    name: str
    kind: Kind[Any]
    meaning: str
    field: str = ""
    default: str = ""
    required: bool = False


class Section(NamedTuple):
    """A table of the file. ``spec`` is the typed value it becomes, where it becomes one."""

    name: str
    meaning: str
    spec: type[Any] | None
    keys: tuple[Key, ...]


OTHER_WORDS = {
    "address": "expose",
    "args": "command",
    "cmd": "command",
    "count": "replicas",
    "cwd": "directory",
    "environment": "env",
    "exec": "command",
    "healthcheck": "health",
    "instances": "replicas",
    "listen": "expose",
    "nofile": "open_files",
    "port": "expose",
    "run": "command",
    "signal": "stop_signal",
    "working_directory": "directory",
    "workdir": "directory",
}
"""What other tools call the same thing."""


def read_keys(reading: Reading, path: Path, value: object, section: Section) -> dict[str, Any]:
    """Read a table's keys; whatever is wrong with one is noted, and the others are read.

    Returns:
        Maps the typed field's name of each key that stands in the file and can be used to its
        value.
    """
    table = as_table(value)
    keys = {key.name: key for key in section.keys}
    for name in table:
        if name not in keys:
            refuse_unknown(reading, (*path, name), tuple(keys))
    values = {}
    for key in section.keys:
        if key.name in table:
            place = (*path, key.name)
            try:
                values[key.field or key.name] = key.kind.read(reading, place, table[key.name])
            except Refused as refusal:
                reading.refuse(place, str(refusal))
            except Noted:
                continue
        elif key.required:
            reading.refuse((*path, key.name), "is missing")
    return values


def as_table(value: object) -> dict[str, Any]:
    """The value, which has to be a table."""
    if not isinstance(value, dict):
        raise Refused(f"{shown(value)} stands where a table belongs")
    return value


def refuse_unknown(reading: Reading, path: Path, known: tuple[str, ...]) -> None:
    """Note a key that means nothing here, with the one that was probably meant."""
    word = str(path[-1])
    near = nearest(word, known)
    if near is None and OTHER_WORDS.get(word.lower()) in known:
        near = OTHER_WORDS[word.lower()]
    advice = f"did you mean {near}?" if near else f"known here: {', '.join(known)}"
    reading.refuse(path, f"unknown key; {advice}")


def table_of(section: Section) -> Kind[Any]:
    """A kind that is itself a table, read into its section's typed value."""

    def read(reading: Reading, path: Path, value: object) -> Any:
        values = read_keys(reading, path, value, section)
        if any(key.required and (key.field or key.name) not in values for key in section.keys):
            raise Noted
        assert section.spec is not None
        return section.spec(**values)

    return Kind("table", read, lambda value: "")
