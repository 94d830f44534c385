"""Cluster files for tests, and what is said about them."""

from pathlib import Path

from interrex.config import Checked, check

HEAD = """\
[cluster]
name = "shop"
"""

SOUND = """\
[cluster]
name = "shop"

[service.web]
command = "serve --port {port}"
replicas = 3
expose = 8080
health.http = "/healthz"
"""


def checked(folder: Path, text: str) -> Checked:
    """What is made of ``shop.toml`` with this text."""
    file = folder / "shop.toml"
    file.write_text(text, newline="")
    return check(file)


def said(folder: Path, text: str) -> list[str]:
    """Every problem of a file, as it is shown to a person who is in the file's folder."""
    return [str(problem).replace(f"{folder}/", "") for problem in checked(folder, text).problems]


def warned(folder: Path, text: str) -> list[str]:
    """Every warning about a file that is in order."""
    result = checked(folder, text)
    assert result.problems == ()
    return [str(problem).replace(f"{folder}/", "") for problem in result.warnings]


def service(*lines: str) -> str:
    """A file with one service, ``web``, whose table begins on line 4 with its command on line 5."""
    return "\n".join([HEAD, "[service.web]", 'command = "serve"', *lines, ""])
