"""The reference of all keys in ``docs/cluster-file.md``, written from the schema.

``python -m interrex.config.reference docs/cluster-file.md`` brings it up to date.
"""

import sys
from pathlib import Path as FilePath

from interrex.config.schema import SECTIONS, default_of
from interrex.config.tables import Section

BEGIN = "<!-- keys: written by interrex.config.reference -->"
END = "<!-- end of keys -->"


def reference() -> str:
    """Every table and key of a cluster file, as Markdown."""
    return "\n".join(_section(section) for section in SECTIONS)


def _section(section: Section) -> str:
    title = f"[[{section.name}]]" if section.name == "host" else f"[{section.name}]"
    rows = [
        f"| `{key.name}` | {key.kind.words} | {_code(default_of(section, key))} | {key.meaning} |"
        for key in section.keys
    ]
    head = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"### `{title}`", "", section.meaning, "", *head, *rows, ""])


def _code(default: str) -> str:
    """Values are set as code, words are not."""
    words = default.split()
    if not words:
        return "–"
    is_value = (len(words) == 1 and default != "required") or default.startswith("[")
    return f"`{default}`" if is_value else default


def renewed(page: str) -> str:
    """The page with the reference between its marks brought up to date."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def main() -> None:
    """Rewrite the page named on the command line."""
    page = FilePath(sys.argv[1])
    page.write_text(renewed(page.read_text()))


if __name__ == "__main__":
    main()
