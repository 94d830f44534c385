"""The transcripts in docs/elections.md: ``python -m interrex.cli.lab_page docs/elections.md``.

A block that begins with ``$ interrex lab ...`` holds what this command prints; everything else on
the page is written by hand.
"""

import contextlib
import io
import re
import sys
from pathlib import Path

from interrex.cli.main import main

_BLOCK = re.compile(r"```\n\$ interrex (lab [^\n]*)\n.*?```", re.DOTALL)


def printed(words: str) -> str:
    """What ``interrex WORDS`` prints into a pipe."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(words.split())
    if code:
        raise SystemExit(f"interrex {words}: exit code {code}")
    return out.getvalue()


def commands(page: str) -> list[str]:
    """The words of every command whose output is on the page."""
    return [found.group(1) for found in _BLOCK.finditer(page)]


def renewed(page: str) -> str:
    """The page with its transcripts brought up to date."""

    def again(found: re.Match[str]) -> str:
        words = found.group(1)
        return f"```\n$ interrex {words}\n{printed(words)}```"

    return _BLOCK.sub(again, page)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text()))
