"""What a worker keeps in memory does not grow without end."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from interrex.core.state import REMEMBERED_CHANGES
from interrex.core.storage import Entry
from interrex.core.time import S
from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import Step, WorkerEnded
from interrex.worker.interface import WakeUp
from interrex.worker.worker import Worker

EVERY = 15 * S
"""A worker is looked through once in so long (ns of simulated time), when it wakes up."""
MOST = 2_000
"""No queue, table or list in a worker is longer than this (entries of its log aside)."""
MOST_ENTRIES = 20_000
"""Twice what makes the log compact itself."""
_OURS = "interrex."
_COLLECTIONS = (list, dict, set, deque, tuple, bytearray)
_LOOKED_INTO = 64
"""Of a longer collection, so many items are looked into."""
_looked_into: dict[type, bool] = {}
_slots: dict[type, list[str]] = {}


class Memory(Watch):
    """Looks through everything that a worker holds, and measures each collection.

    What a worker holds in memory can be seen nowhere but in it; by looking at whatever is there,
    this depends on no name.
    """

    promise = "memory is bounded"

    def __init__(self) -> None:
        super().__init__()
        self._due: dict[int, int] = {}
        self.events = {WakeUp: self._woke}
        self.occurrences = {WorkerEnded: self._ended}

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._due.pop(ended.life, None)

    def _woke(self, step: Step, event: WakeUp) -> None:
        if step.at >= self._due.setdefault(step.life, step.at + EVERY):
            self._due[step.life] = step.at + EVERY
            self._measure(step.worker, step.core)

    def _measure(self, name: str, core: Worker) -> None:
        for path, length, most in sizes(core):
            if length > most:
                raise self.broken(f"{name}: {path} holds {length}, {most} are allowed")

    def finish(self, at: int, cores: Cores) -> None:
        for name, core in sorted(cores.items()):
            self._measure(name, core)


def sizes(root: object) -> Iterator[tuple[str, int, int]]:
    """Every collection within an object: where it is, its length, and how long it may be."""
    seen = {id(root)}
    stack: list[tuple[str, object]] = [(type(root).__name__, root)]
    while stack:
        path, thing = stack.pop()
        if isinstance(thing, _COLLECTIONS):
            yield path, len(thing), _most(path, thing)
        form, parts = _parts(thing)
        for name, part in parts:
            if _is_looked_into(type(part)) and id(part) not in seen:
                seen.add(id(part))
                stack.append((path + form.format(name), part))


def _most(path: str, collection: object) -> int:
    if isinstance(collection, bytearray):
        return 1 << 30
    if isinstance(collection, list | deque) and collection and type(collection[0]) is Entry:
        return MOST_ENTRIES
    return REMEMBERED_CHANGES if path.endswith(".applied") else MOST


def _is_looked_into(kind: type) -> bool:
    known = _looked_into.get(kind)
    if known is None:
        known = issubclass(kind, _COLLECTIONS) or kind.__module__.startswith(_OURS)
        _looked_into[kind] = known
    return known


def _parts(thing: object) -> tuple[str, Iterable[tuple[object, object]]]:
    """How the places of a thing's parts are written, and the parts by their places."""
    if isinstance(thing, dict):
        return "[{}]", islice(thing.items(), _LOOKED_INTO)
    if isinstance(thing, list | tuple | deque):
        return "[{}]", enumerate(islice(thing, _LOOKED_INTO))
    if isinstance(thing, set | bytearray):
        return "", ()
    slots = [(name, getattr(thing, name, None)) for name in _fields(type(thing))]
    return ".{}", [*slots, *getattr(thing, "__dict__", {}).items()]


def _fields(kind: type) -> list[str]:
    """The names of an object's slots."""
    if kind in _slots:
        return _slots[kind]
    names: list[str] = []
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    fields = _slots[kind] = [name for name in names if not name.startswith("__")]
    return fields
