"""docs/commands.md says what the commands say."""

import importlib
import inspect
from pathlib import Path

import pytest

from interrex.cli.exits import Exit
from interrex.cli.main import COMMANDS, module_of
from interrex.cli.page import help_of, renewed

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_is_current() -> None:
    """Brought up to date by ``python -m interrex.cli.page docs/commands.md``."""
    assert PAGE.read_text() == renewed(PAGE.read_text())


def test_every_exit_code_is_explained() -> None:
    page = PAGE.read_text()
    for code in Exit:
        assert f"\n| {int(code)} | " in page


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    text = help_of(command)
    assert f"Example: interrex {command}" in text
    assert all(len(line) <= 88 and line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_one_line_of_a_command_is_the_first_of_what_it_says(command: str) -> None:
    module = importlib.import_module(module_of(command))
    function = getattr(module, command.replace("-", "_"))
    first = (inspect.getdoc(function) or "").splitlines()[0]
    assert COMMANDS[command].rstrip(".") in first
