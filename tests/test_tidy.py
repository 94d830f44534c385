"""The house's order, held by a test: import directions and the purity of the cores."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "interrex"

LAYERS = [
    {"core"},
    {"elections", "supervision", "orchestration", "balancer"},
    {"worker"},
    {"runtime", "config", "simulator"},
    {"lab"},
    {"cli", "library"},
    {"demo"},
]
PURE = {
    "core", "elections", "supervision", "orchestration", "balancer", "worker", "simulator", "lab",
}  # fmt: skip
IMPURE_MODULES = {
    "asyncio", "os", "socket", "subprocess", "time", "datetime", "threading", "logging",
    "sqlite3", "pathlib", "signal", "shutil", "tempfile", "selectors", "ssl", "secrets", "uuid",
}  # fmt: skip


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _layer(package: str) -> int | None:
    return next((rank for rank, names in enumerate(LAYERS) if package in names), None)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downwards_only(path: Path) -> None:
    package = path.relative_to(SOURCE).parts[0]
    rank = _layer(package)
    for module in _imports(path):
        if rank is None or not module.startswith("interrex."):
            continue
        other = module.split(".")[1]
        other_rank = _layer(other)
        assert other_rank is not None, f"{path} imports {module}, which has no layer"
        assert other == package or other_rank < rank, f"{path} imports upwards: {module}"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_cores_neither_do_nor_draw(path: Path) -> None:
    if path.relative_to(SOURCE).parts[0] not in PURE:
        return
    for module in _imports(path):
        assert module.split(".")[0] not in IMPURE_MODULES, f"{path} imports {module}"
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{path}: awaits"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            called = f"{node.value.id}.{node.attr}"
            assert not called.startswith("random.") or called == "random.Random", (
                f"{path}: {called}"
            )


def _knows_the_algorithm(relative: Path) -> bool:
    """The parts of the simulator that look inside an election, and the checkers that do."""
    whole = {"explorer", "formulas", "mutants"}
    folder, name = relative.parts[1:-1], relative.name
    return (
        relative.parts[1] in whole
        or (name.startswith("raft_") and folder in {(), ("checkers",)})
        or (name == "__init__.py" and folder == ("checkers",))
        or (name == "trace.py" and folder == ())
        or (name == "electing.py" and folder == ("faults",))
    )


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_elections_and_their_adapters_name_an_algorithm(path: Path) -> None:
    relative = path.relative_to(SOURCE)
    if relative.parts[0] in {"elections", "config"} or relative.name == "spec.py":
        return
    if relative.parts[0] == "simulator" and _knows_the_algorithm(relative):
        return
    words = path.read_text().lower()
    for algorithm in ("raft", "paxos", "bully"):
        assert algorithm not in words, f"{path} names {algorithm}"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 600, f"{path} is too long: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= 80, f"{path}:{node.lineno} {node.name} has {length} lines"
