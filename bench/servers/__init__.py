"""Small servers for tests and benches, compiled on demand."""

import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
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
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("No C compiler found. Install one: sudo apt install gcc libc6-dev")
    source = SOURCES / f"{name}.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"interrex-servers-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to somebody else. Remove it or set TMPDIR.")
    program = folder / f"{name}-{digest}"
    if not program.exists():
        _compile(compiler, source, program)
    return program


def _compile(compiler: str, source: Path, program: Path) -> None:
    unfinished = program.with_name(f"{program.name}.{os.getpid()}")
    command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(unfinished), str(source)]
    done = subprocess.run([*command, "-static"], capture_output=True, text=True)
    if done.returncode != 0:  # no static libc: a millisecond slower to start
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{source} does not compile: {done.stderr}")
    unfinished.rename(program)
