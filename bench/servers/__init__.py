"""Small servers for tests and benches, compiled on demand."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "tiny.c"


def build() -> Path:
    """The ``tiny`` HTTP server, compiled once per version of its source and user.

    Returns:
        The program's path: ``tiny --port N`` listens on 127.0.0.1. The other options and the
        paths it answers stand at the top of ``tiny.c``.

    Raises:
        RuntimeError: no C compiler is installed, or it refused the source.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("No C compiler found. Install one: sudo apt install gcc libc6-dev")
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"interrex-servers-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to somebody else. Remove it or set TMPDIR.")
    program = folder / f"tiny-{digest}"
    if not program.exists():
        _compile(compiler, program)
    return program


def _compile(compiler: str, program: Path) -> None:
    unfinished = program.with_name(f"{program.name}.{os.getpid()}")
    command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(unfinished), str(SOURCE)]
    done = subprocess.run([*command, "-static"], capture_output=True, text=True)
    if done.returncode != 0:  # no static libc: a millisecond slower to start
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{SOURCE} does not compile: {done.stderr}")
    unfinished.rename(program)
