"""What checkers are made of: tables by type, so that one look at an event finds all who care.

A ``Watch`` holds one promise. It says in tables which events, effects, messages and occurrences it
wants to see; a ``Panel`` merges the tables of many and is the ``Checker`` that a world knows.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from interrex.core.ids import WorkerName
from interrex.simulator.observation import Occurrence, Step, Violation, WorkerEnded
from interrex.worker.interface import Send
from interrex.worker.worker import Worker

Seen = Callable[[Step, Any], None]
"""Takes a step and the event or effect of it that the table's key names; a message comes as the
``Send`` that carries it."""
Befallen = Callable[[int, Any], None]
"""Takes the simulated time (ns) and the occurrence."""
Cores = dict[WorkerName, Worker]
"""The workers whose processes live, by name; to be read only."""


class Watch:
    """Watches one promise. The tables are filled by the constructor and then stay as they are."""

    promise = ""

    def __init__(self) -> None:
        self.events: dict[type, Seen] = {}
        self.effects: dict[type, Seen] = {}
        self.messages: dict[type, Seen] = {}
        self.occurrences: dict[type, Befallen] = {}
        self.every_step: Callable[[Step], None] | None = None
        self.new_state: Callable[[Step], None] | None = None
        """Called after a step that moved a worker's replicated state, and after a life's first."""

    def broken(self, text: str) -> Violation:
        """The violation to raise."""
        return Violation(self.promise, text)

    def finish(self, at: int, cores: Cores) -> None:
        """The run is over at simulated time ``at`` (ns).

        Raises:
            Violation: the promise is broken.
        """


class Panel:
    """Many watches as one ``Checker``: each event, effect and occurrence is looked up once.

    Args:
        watches: in the order in which they are told.
    """

    promise = "every promise"

    def __init__(self, watches: Sequence[Watch]) -> None:
        self.watches = tuple(watches)
        self._events = _merged([watch.events for watch in watches])
        self._effects = _merged([watch.effects for watch in watches])
        self._messages = _merged([watch.messages for watch in watches])
        self._occurrences = _merged([watch.occurrences for watch in watches])
        self._every_step = tuple(
            watch.every_step for watch in watches if watch.every_step is not None
        )
        self._new_state = tuple(watch.new_state for watch in watches if watch.new_state is not None)
        self._cores: Cores = {}
        self._seen: dict[WorkerName, tuple[int, int]] = {}
        """The life of each worker, and the index of the state that it had last."""

    def step(self, step: Step) -> None:
        """A worker took an event.

        Raises:
            Violation: a promise is broken.
        """
        worker, event = step.worker, step.event
        self._cores[worker] = step.core
        for see in self._events[type(event)]:
            see(step, event)
        for effect in step.effects:
            if type(effect) is Send:
                for see in self._messages[type(effect.message)]:
                    see(step, effect)
            else:
                for see in self._effects[type(effect)]:
                    see(step, effect)
        for look in self._every_step:
            look(step)
        seen = (step.life, step.core.state.index)
        if self._seen.get(worker) != seen:
            self._seen[worker] = seen
            for look in self._new_state:
                look(step)

    def occurred(self, at: int, what: Occurrence) -> None:
        """Something befell the world at simulated time ``at`` (ns).

        Raises:
            Violation: a promise is broken.
        """
        if type(what) is WorkerEnded and self._seen.get(what.worker, (0, 0))[0] == what.life:
            del self._seen[what.worker], self._cores[what.worker]
        for see in self._occurrences[type(what)]:
            see(at, what)

    def finish(self, at: int) -> None:
        """The run is over, the liveness phase behind it.

        Raises:
            Violation: a promise is broken.
        """
        for watch in self.watches:
            watch.finish(at, self._cores)


def _merged(tables: Sequence[dict[type, Any]]) -> defaultdict[type, tuple[Any, ...]]:
    """Who sees what: nobody what is in no table."""
    kinds = dict.fromkeys(kind for table in tables for kind in table)
    return defaultdict(
        tuple, {kind: tuple(table[kind] for table in tables if kind in table) for kind in kinds}
    )
