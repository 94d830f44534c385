"""Draws the life of a slot from the transition table into ``docs/supervision.md``.

``python -m tests.supervision.diagram`` rewrites the page; a test asserts that it is current.
"""

from pathlib import Path

from interrex.supervision.lifecycle import TRANSITIONS

PAGE = Path(__file__).parents[2] / "docs" / "supervision.md"
BEGIN = "<!-- drawn from the transition table by python -m tests.supervision.diagram -->\n"
END = "<!-- end of the drawing -->\n"


def diagram() -> str:
    """The table as a Mermaid state diagram, in the table's own order."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> claiming"]
    for state, row in TRANSITIONS.items():
        lines += [f"    {state} --> {after}: {cause}" for cause, after in row.items()]
    return "\n".join([*lines, "    stopped --> [*]", "```"]) + "\n"


def drawn(page: str) -> str:
    """The page with its drawing made anew."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has lost the marks around its drawing")
    return before + begin + diagram() + end + after


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
