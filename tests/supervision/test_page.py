"""The page on supervision tells what the code does."""

import ast
import re
from pathlib import Path

from interrex import supervision
from interrex.core.replicas import ReplicaState
from tests.supervision.diagram import PAGE, drawn

SOURCE = Path(supervision.__path__[0])


def test_the_diagram_is_drawn_from_the_present_table() -> None:
    page = PAGE.read_text()
    assert drawn(page) == page, "run python -m tests.supervision.diagram"


def test_every_state_is_explained() -> None:
    table = PAGE.read_text().partition("| state |")[2].partition("## The rules")[0]
    assert {word for word in re.findall(r"\w+", table) if word in set(ReplicaState)} == set(
        ReplicaState
    )


def test_exactly_the_notes_that_are_made_are_listed() -> None:
    made = set()
    for path in SOURCE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "_note"
                and isinstance(node.args[0], ast.Constant)
            ):
                made.add("replica." + str(node.args[0].value))
    listed = set(re.findall(r"`(replica\.\w+)`", PAGE.read_text()))
    assert listed == made
