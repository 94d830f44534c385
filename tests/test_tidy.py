"""The house's order, held by a test: import directions and the purity of the cores."""

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from interrex.core.spec import COORDINATED, ELECTIONS

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
ADAPTERS = {"library/coordinated", "runtime/coordination", "simulator/coordination"}
"""Whose files speak with what an election rests on."""
NAMERS = {
    "config/coordination.py", "config/schema.py", "core/spec.py", "demo/command.py",
    "demo/fleet.py", "library/backends.py", "simulator/faults/coordination.py",
    "simulator/scenarios/proposers.py", "simulator/scenarios/scenario.py",
}  # fmt: skip
"""Files that may name an election: they take its options, or choose by its name."""

WORDS = {
    "core.ids", "core.journal", "core.messages", "core.replicas", "core.routes", "core.spec",
    "core.state", "core.storage", "core.time", "elections.coordinated.memory",
    "elections.guarantees", "elections.interface", "elections.raft", "elections.raft.messages",
    "elections.raft.node", "elections.replicated.payload", "supervision.interface", "worker",
    "worker.gate", "worker.interface", "worker.worker",
}  # fmt: skip
"""What a checker may know of what it checks."""


class Module(NamedTuple):
    """What the rules ask of one file: its tree is not kept."""

    path: Path
    lines: int
    words: str
    imports: list[str]
    deeds: list[str]
    """What it awaits and draws, each with its line."""
    lengths: list[tuple[str, int]]
    """Of each function, by its name and line."""

    @property
    def relative(self) -> Path:
        return self.path.relative_to(SOURCE)

    @property
    def package(self) -> str:
        return self.relative.parts[0]


@functools.cache
def _modules() -> list[Module]:
    return [_read(path) for path in sorted(SOURCE.rglob("*.py"))]


def _read(path: Path) -> Module:
    text = path.read_text()
    module = Module(path, text.count("\n"), text.lower(), [], [], [])
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names):
                module.imports.extend(alias.name for alias in names)
            case ast.ImportFrom(str(name)):
                module.imports.append(name)
            case ast.Attribute(ast.Name("random"), name) if name != "Random":
                module.deeds.append(f"{node.lineno} random.{name}")
            case ast.Await():
                module.deeds.append(f"{node.lineno} awaits")
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                module.lengths.append((f"{node.lineno} {name}", length))
                if isinstance(node, ast.AsyncFunctionDef):
                    module.deeds.append(f"{node.lineno} {name} awaits")
    return module


def _layer(package: str) -> int | None:
    return next((rank for rank, names in enumerate(LAYERS) if package in names), None)


def _hold(wrong: Iterable[str]) -> None:
    found = list(wrong)
    assert not found, "\n".join(found)


def test_imports_point_downwards_only() -> None:
    _hold(wrong for module in _modules() for wrong in _upwards(module))


def _upwards(module: Module) -> Iterator[str]:
    rank = _layer(module.package)
    for name in module.imports:
        if rank is None or not name.startswith("interrex."):
            continue
        other = name.split(".")[1]
        other_rank = _layer(other)
        if other_rank is None:
            yield f"{module.path} imports {name}, which has no layer"
        elif other != module.package and other_rank >= rank:
            yield f"{module.path} imports upwards: {name}"


def test_the_cores_neither_do_nor_draw() -> None:
    pure = [module for module in _modules() if module.package in PURE]
    _hold(f"{module.path}:{deed}" for module in pure for deed in module.deeds)
    _hold(
        f"{module.path} imports {name}"
        for module in pure
        for name in module.imports
        if name.split(".")[0] in IMPURE_MODULES
    )


def _knows_the_algorithm(relative: Path) -> bool:
    """The parts of the simulator that look inside an election, and the checkers that do."""
    whole = {"explorer", "formulas", "mutants"}
    folder, name = relative.parts[1:-1], relative.name
    return (
        relative.parts[1] in whole
        or (name.startswith("raft_") and folder == ("checkers",))
        or (name == "__init__.py" and folder == ("checkers",))
        or (name == "electing.py" and folder == ("faults",))
    )


def test_only_elections_and_their_adapters_name_an_algorithm() -> None:
    _hold(
        f"{module.path} names {algorithm}"
        for module in _modules()
        if not _may_name_one(module.relative)
        for algorithm in (*ELECTIONS, *COORDINATED)
        if algorithm in module.words
    )


def _may_name_one(relative: Path) -> bool:
    return (
        relative.parts[0] == "elections"
        or relative.parent.as_posix() in ADAPTERS
        or relative.as_posix() in NAMERS
        or (relative.parts[0] == "simulator" and _knows_the_algorithm(relative))
    )


def test_checkers_decide_nothing_by_what_they_check() -> None:
    """They know its words, names, messages, records, events, and none of its rules."""
    _hold(
        f"{module.relative} imports {name}"
        for module in _modules()
        if module.relative.parts[:2] == ("simulator", "checkers")
        for name in module.imports
        if name.startswith("interrex.") and not name.startswith("interrex.simulator.")
        if name.removeprefix("interrex.") not in WORDS
    )


def test_no_file_may_name_an_algorithm_that_does_not() -> None:
    naming = {
        module.relative.as_posix()
        for module in _modules()
        if any(algorithm in module.words for algorithm in (*ELECTIONS, *COORDINATED))
    }
    _hold(f"{name} names no algorithm: let it not be allowed to" for name in NAMERS - naming)


def test_files_and_functions_stay_readable() -> None:
    _hold(f"{module.path} is too long: split it" for module in _modules() if module.lines > 600)
    _hold(
        f"{module.path}:{name} has {length} lines"
        for module in _modules()
        for name, length in module.lengths
        if length > 80
    )
