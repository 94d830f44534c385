"""Breadth first through all states within some bounds: what is found is found on a shortest way."""

from array import array
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from interrex.simulator.explorer.history import SERVERS, Violation
from interrex.simulator.explorer.world import State, World


class Found(NamedTuple):
    """What an exploration came to.

    ``complete``: every state within the bounds was visited. ``depth``: the longest of the shortest
    ways to the states visited, in events. ``path``: the events that lead to the violation.
    """

    states: int
    transitions: int
    depth: int
    complete: bool
    violation: Violation | None
    path: tuple[str, ...]


Progress = Callable[[int, int, int], None]
"""Told the states known, the states visited, and the depth."""


class Search:
    """One exploration. Every new state is checked before it is kept."""

    def __init__(self, world: World, beginning: State | None = None) -> None:
        self.world = world
        first, _ = world.fold(world.beginning() if beginning is None else beginning)
        world.check(first)
        self._states = [first]
        self.known = {first}
        self._parents = array("q", [-1])
        self.transitions = 0
        self._levels = [1]

    def run(self, limit: int, progress: Progress | None = None) -> Found:
        """Visits states until there are no more, a promise is broken, or ``limit`` are known."""
        states, parents, known = self._states, self._parents, self.known
        successors, check = self.world.successors, self.world.check
        visited, depth, level_ends = 0, 0, 1
        while visited < len(states) < limit:
            if visited == level_ends:
                depth, level_ends = depth + 1, len(states)
                self._levels.append(level_ends)
                if progress is not None:
                    progress(len(states), visited, depth)
            try:
                for after, _, _ in successors(states[visited]):
                    self.transitions += 1
                    if after not in known:
                        check(after)
                        known.add(after)
                        states.append(after)
                        parents.append(visited)
            except Violation as violation:
                path = self._path(visited, violation)
                return self._found(visited, len(path), violation, path)
            visited += 1
        return self._found(visited, depth + (len(states) > level_ends), None, ())

    @property
    def levels_done(self) -> int:
        """How deep all states are known."""
        return len(self._levels) - 1

    def states_within(self, depth: int) -> list[State]:
        """The states at most so many events from the beginning; up to ``levels_done``, all."""
        return self._states[: self._levels[depth]]

    def _found(
        self, visited: int, depth: int, violation: Violation | None, path: tuple[str, ...]
    ) -> Found:
        complete = violation is None and visited == len(self._states)
        return Found(len(self._states), self.transitions, depth, complete, violation, path)

    def _path(self, last: int, violation: Violation) -> tuple[str, ...]:
        """Walks from the beginning again, with every server under its first name."""
        way = [last]
        while self._parents[way[-1]] >= 0:
            way.append(self._parents[way[-1]])
        way.reverse()
        names: tuple[int, ...] = SERVERS
        lines = []
        world = self.world
        for here, there in pairwise(way):
            state, goal = self._states[here], self._states[there]
            step = next(one for one in world.successors(state) if one.state == goal)
            lines.append(world.describe(state, step.action, names))
            standing = sorted(SERVERS, key=step.places.__getitem__)
            names = tuple(names[server] for server in standing)
        state = self._states[last]
        for action in world.actions(state):
            try:
                after = world.after(state, action)
                if after is not None:
                    world.check(world.fold(after)[0])
            except Violation as again:
                if again.promise == violation.promise:
                    lines.append(world.describe(state, action, names))
                    break
        return tuple(lines)
