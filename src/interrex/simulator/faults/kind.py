"""What a kind of fault is: how its numbers are drawn, and what it does to a world."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from interrex.core.ids import HostName, ServiceName, WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.state import workers_of
from interrex.core.time import MS, S
from interrex.simulator.chance import Chance
from interrex.simulator.node import Node
from interrex.simulator.plan import Conditions, Fault

if TYPE_CHECKING:
    from interrex.simulator.world import World

LEADER = "leader"
"""As a target: whoever leads when the fault begins."""


class Scene(msgspec.Struct):
    """What is known of a run before it begins: what faults may choose from."""

    chance: Chance
    spec: ClusterSpec
    conditions: Conditions
    workers: tuple[WorkerName, ...]
    hosts: tuple[HostName, ...]
    services: tuple[ServiceName, ...]


class Drawn(msgspec.Struct, frozen=True):
    """A fault's own numbers, as in ``Fault``."""

    lasts: int = 0
    targets: tuple[str, ...] = ()
    values: dict[str, int] = {}
    when: str = ""


Undo = Callable[[], None]
Where = Callable[[ClusterSpec], bool]
"""Whether something can happen in such a cluster."""


def anywhere(spec: ClusterSpec) -> bool:
    """In every cluster."""
    return True


def at_least(workers: int) -> Where:
    """In a cluster that begins with so many."""
    return lambda spec: len(workers_of(spec)) >= workers


def over_at_once() -> None:
    """There is nothing to undo."""


class Kind(msgspec.Struct, frozen=True):
    """One kind of fault.

    ``begin`` returns what ends it; None where it could not happen just now, and nothing did.
    ``weight`` is how often it is drawn, beside its family's others; not at all but ``where`` it can
    happen.
    """

    name: str
    draw: Callable[[Scene], Drawn]
    begin: Callable[["World", Fault], Undo | None]
    weight: int = 4
    where: Where = anywhere


class Family(msgspec.Struct, frozen=True):
    """Kinds of faults of one sort. ``weight`` is how often it is drawn, beside the others."""

    name: str
    kinds: tuple[Kind, ...]
    weight: int = 4

    def bag(self, spec: ClusterSpec) -> list[Kind]:
        """What is drawn from for such a cluster: each kind as often as it weighs."""
        return [kind for kind in self.kinds if kind.where(spec) for _ in range(kind.weight)]


def a_worker(scene: Scene) -> str:
    """Some worker, the leader rather often."""
    return LEADER if scene.chance.one_in(3) else scene.chance.pick(scene.workers)


def for_a_while(scene: Scene) -> int:
    """How long (ns) a fault lasts: from a blink to long beyond every time-out."""
    return scene.chance.scale(20 * MS, 8 * S)


def node_of(world: "World", target: str) -> Node | None:
    """The live process of the worker that a target names."""
    worker = world.faults.worker(target)
    node = world.nodes.get(worker) if worker is not None else None
    return node if node is not None and node.alive else None
