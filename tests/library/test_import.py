"""``import interrex`` is light, and nobody pays for a backend that is not used."""

import subprocess
import sys

import pytest

import interrex
from interrex import library

LOADED = "import sys; before = set(sys.modules); {}; print(*sorted(set(sys.modules) - before))"
CLIENTS = ("kazoo", "aiohttp", "asyncpg", "psycopg", "redis", "uvloop", "h11", "cyclopts", "rich")


def loaded_by(statement: str) -> list[str]:
    command = [sys.executable, "-c", LOADED.format(statement)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_package_alone_imports_nothing_of_its_own() -> None:
    loaded = loaded_by("import interrex")
    assert [name for name in loaded if name.startswith("interrex")] == ["interrex"]
    assert len(loaded) < 10


def test_naming_an_election_imports_no_backend_and_no_client() -> None:
    loaded = loaded_by("import interrex; interrex.election")
    names = ("elections", "worker", "runtime.coordination", "library.embedded")
    backends = tuple(f"interrex.{name}" for name in (*names, "library.coordinated"))
    assert not [name for name in loaded if name.startswith((*backends, "interrex.library.local"))]
    assert not [name for name in loaded if name.split(".")[0] in CLIENTS]


def test_what_the_package_names_is_the_library() -> None:
    for name in set(interrex.__all__) - {"__version__"}:
        assert getattr(interrex, name) is getattr(library, name)
    with pytest.raises(AttributeError, match="nothing"):
        _ = interrex.nothing
