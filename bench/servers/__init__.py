"""Small servers for tests and benches, compiled on demand."""

import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parent


def build(name: str = "tiny") -> Path:
    """A program of this folder, compiled once per version of its source and user.

    Args:
        name: ``tiny``, the HTTP server, or ``load``, the load on one. What each does and its
            options stand at the top of its source.

    Returns:
        The program's path.

    Raises:
        RuntimeError: no C compiler is installed, or it refused the source.
    """
    return _compiled(SOURCES / f"{name}.c", ["-static"], [])  # not static: 1 ms slower to start


def build_preload(source: Path) -> Path:
    """A library that is put between programs and their libc, compiled like the servers.

    Returns:
        Its path, for ``LD_PRELOAD``.

    Raises:
        RuntimeError: as ``build`` does.
    """
    return _compiled(source, ["-shared", "-fPIC"])


def _compiled(source: Path, *choices: list[str]) -> Path:
    """By the first choice of options with which it compiles here."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("No C compiler found. Install one: sudo apt install gcc libc6-dev")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"interrex-servers-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to somebody else. Remove it or set TMPDIR.")
    program = folder / f"{source.stem}-{digest}"
    if not program.exists():
        _compile(compiler, source, program, choices)
    return program


def _compile(compiler: str, source: Path, program: Path, choices: Sequence[Sequence[str]]) -> None:
    unfinished = program.with_name(f"{program.name}.{os.getpid()}")
    command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(unfinished), str(source)]
    refusal = ""
    for options in choices:
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        if done.returncode == 0:
            unfinished.rename(program)
            return
        refusal = done.stderr
    raise RuntimeError(f"{source} does not compile: {refusal}")
