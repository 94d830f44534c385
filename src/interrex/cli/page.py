"""The reference part of docs/commands.md: ``python -m interrex.cli.page docs/commands.md``.

What stands before the marker is written by hand; after it comes what ``--help`` says.
"""

import io
import sys
from pathlib import Path

from interrex.cli.main import COMMANDS, new_app
from interrex.cli.plain_help import WIDTH, PlainHelp

MARKER = "<!-- From here on: what --help says. Brought up to date by interrex.cli.page. -->"


def help_of(command: str = "") -> str:
    """What ``interrex COMMAND --help`` prints into a pipe; without a command, ``--help`` itself."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=WIDTH)
    app = new_app(command, PlainHelp())
    with console.capture() as capture:
        app.help_print([command] if command else [], console=console)
    return capture.get().strip()


def reference() -> str:
    """Every command's help as one page of Markdown."""
    parts = [MARKER, "## Reference"]
    for command in COMMANDS:
        parts.append(f"### {command}\n\n```\n{help_of(command)}\n```")
    return "\n\n".join(parts) + "\n"


def renewed(page: str) -> str:
    """The page with its reference brought up to date."""
    return page.partition(MARKER)[0] + reference()


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text()))
