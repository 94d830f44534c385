"""The position scanner, against tomllib and against positions known by construction."""

import string
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from interrex.config.positions import Path, Position, key_positions


def paths_of(value: Any, path: Path = ()) -> set[Path]:
    """Every path that leads to a value, as tomllib sees the document."""
    found: set[Path] = {path} if path else set()
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for part, inner in items:
        found |= paths_of(inner, (*path, part))
    return found


def test_every_way_to_write_a_key_has_its_place() -> None:
    text = """\
# a comment with "quotes' and [brackets]
top = 1
[cluster] # trailing
name = "a # b" ; not reached
""".replace(" ; not reached", "")
    text += """\
  indented.dotted . key = 'x'
"quoted.key" = {a = 1, b.c = [ 2, { d = 3 } ]}
long = \"\"\"
[not.a.table]
x = "\\" \"\" \\
\"\"\"\"\"
'literal' = '''
y = 1''''
dates = [1979-05-27 07:32:00, 07:32:00, # why ] not
  1e6, -inf]

[[host]]
name = "h1"
[host.inner]
k = 1
[[host]]
name = "h2"
[[host.deep]]
k = 2
[ "a b" . c ]
"""
    positions = key_positions(text)
    assert set(positions) == paths_of(tomllib.loads(text))
    assert positions["top",] == Position(2, 1)
    assert positions["cluster",] == Position(3, 1)
    assert positions["cluster", "indented"] == Position(5, 3)
    assert positions["cluster", "indented", "dotted"] == Position(5, 12)
    assert positions["cluster", "indented", "dotted", "key"] == Position(5, 21)
    assert positions["cluster", "quoted.key"] == Position(6, 1)
    assert positions["cluster", "quoted.key", "b", "c", 1, "d"] == Position(6, 37)
    assert positions["cluster", "literal"] == Position(11, 1)
    assert positions["cluster", "dates", 2] == Position(14, 3)
    assert positions["host",] == Position(16, 1)
    assert positions["host", 0, "inner", "k"] == Position(19, 1)
    assert positions["host", 1] == Position(20, 1)
    assert positions["host", 1, "deep", 0, "k"] == Position(23, 1)
    assert positions["a b", "c"] == Position(24, 1)


def test_a_table_stands_at_its_own_header_even_below_its_parts() -> None:
    positions = key_positions("[a.b]\nx = 1\n[a]\ny = 2\n")
    assert positions["a",] == Position(3, 1)
    assert positions["a", "b"] == Position(1, 1)


def test_lines_end_as_on_any_system() -> None:
    positions = key_positions('a = """\r\n\r\n"""\r\nb = 1\r\n')
    assert positions["b",] == Position(4, 1)


@given(st.text(alphabet="a.=[]{}\"'\\#,\n 1", max_size=80))
def test_whatever_tomllib_accepts_has_the_paths_that_tomllib_sees(text: str) -> None:
    positions = key_positions(text)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(positions) == paths_of(document)


# Documents whose positions are known because they are built piece by piece.

keys = st.one_of(
    st.text(string.ascii_letters + "_-09", min_size=1, max_size=5),
    st.text('a"\\\n.é #=[]', max_size=4),
)
scalars = st.one_of(
    st.integers(-999, 999).map(str),
    st.sampled_from(["true", "1.5e3", "inf", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5"]),
    st.text("ab#=[]{}'.,\n\"\\é", max_size=8).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    ),
    st.text('ab#=[]{}".,\\', max_size=8).map(lambda text: f"'{text}'"),
    st.text("ab#=[]{}'.,\n é", max_size=8).map(lambda text: f'"""{text}"""'),
    st.text('ab#=[]{}".,\n\\ ', max_size=8).map(lambda text: f"'''{text}'''"),
    st.sampled_from(['"""a"" "\\""""""', "'''a'''''", '""""""', "''''''", '""""a"""']),
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
gaps = st.sampled_from(["", " ", "\t", "  "])
line_gaps = st.sampled_from(["", " ", "\n", '\n # ] } = "\n ', "\n\n"])


class Writer:
    """Writes a document and remembers where it wrote each path."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.text = ""
        self.places: dict[Path, Position] = {}

    def note(self, path: Path) -> None:
        line = self.text.count("\n") + 1
        self.places[path] = Position(line, len(self.text) - self.text.rfind("\n"))

    def gap(self, lines: bool = False) -> None:
        self.text += self.data.draw(line_gaps if lines else gaps)

    def key(self, key: str) -> None:
        bare = bool(key) and all(
            char in string.ascii_letters + string.digits + "_-" for char in key
        )
        if bare and self.data.draw(st.booleans()):
            self.text += key
        elif "'" in key or "\n" in key or self.data.draw(st.booleans()):
            escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            self.text += f'"{escaped}"'
        else:
            self.text += f"'{key}'"

    def pair(self, path: Path, value: Any) -> None:
        self.note(path)
        self.key(str(path[-1]))
        self.gap()
        self.text += "="
        self.gap()
        self.value(path, value)

    def value(self, path: Path, value: Any) -> None:
        if isinstance(value, str):
            self.text += value
        elif isinstance(value, list):
            self.text += "["
            for index, item in enumerate(value):
                self.gap(lines=True)
                self.note((*path, index))
                self.value((*path, index), item)
                self.gap(lines=True)
                self.text += ","
            self.gap(lines=True)
            self.text += "]"
        else:
            self.text += "{"
            for index, (key, item) in enumerate(value.items()):
                self.text += "," if index else ""
                self.gap()
                self.pair((*path, key), item)
                self.gap()
            self.text += "}"

    def header(self, path: Path, array: bool) -> None:
        self.note(path)
        self.text += "[[" if array else "["
        self.gap()
        self.key(str(path[0]))
        self.gap()
        self.text += "]]" if array else "]"


@given(
    st.data(),
    st.dictionaries(keys, values, max_size=3),
    st.dictionaries(
        keys,
        st.one_of(
            st.dictionaries(keys, values, max_size=3),
            st.lists(st.dictionaries(keys, values, max_size=2), min_size=1, max_size=3),
        ),
        max_size=4,
    ),
)
def test_each_key_is_found_where_it_was_written(
    data: st.DataObject, top: dict[str, Any], tables: dict[str, Any]
) -> None:
    writer = Writer(data)
    for key, value in top.items():
        writer.pair((key,), value)
        writer.text += "\n"
    for name, table in tables.items():
        if name in top:
            continue
        for index, element in enumerate(table if isinstance(table, list) else [table]):
            path: Path = (name, index) if isinstance(table, list) else (name,)
            first = writer.places.get((name,))
            writer.header((name,), isinstance(table, list))
            writer.places[path] = writer.places[name,]
            writer.places[name,] = first or writer.places[name,]
            writer.text += " # comment = [\n"
            for key, value in element.items():
                writer.gap()
                writer.pair((*path, key), value)
                writer.text += "\n"
    assert paths_of(tomllib.loads(writer.text)) == set(writer.places)
    assert key_positions(writer.text) == writer.places
