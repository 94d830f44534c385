"""Planting a bug: its modules are loaded from changed source, every other one as it is."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import decode_source, spec_from_file_location
from types import CodeType, ModuleType

from interrex.simulator.mutants.mutant import Mutant, mutated


class _Loader(SourceFileLoader):
    """Compiles the changed source: neither reads nor writes the cache of compiled files."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = mutated(self._mutant, fullname, decode_source(self.get_data(path)))
        code: CodeType = compile(source, path, "exec", dont_inherit=True)
        return code


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._mutant.modules:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        loader = _Loader(fullname, found.origin, self._mutant)
        return spec_from_file_location(fullname, found.origin, loader=loader)


def plant(mutant: Mutant) -> None:
    """From now on this process loads the mutant's modules with the bug in them. There is no way
    back: one process, one bug.

    Raises:
        ValueError: one of them is loaded already, without it.
    """
    for module in mutant.modules:
        if module in sys.modules:
            raise ValueError(f"{mutant.name}: {module} is loaded already")
    sys.meta_path.insert(0, _Finder(mutant))
