"""Elections that are over when a search begins, by the same steps that the search takes.

A search from there visits what is reachable, and only what is: every step of the way is one of
the world's own actions, and lost letters are letters that are never delivered.
"""

from collections.abc import Iterable
from typing import NamedTuple

from interrex.core.errors import InvariantViolation
from interrex.elections.replicated.detection import Loss
from interrex.simulator.explorer.frozen import Core, Leading, Standing
from interrex.simulator.explorer.steps import Happening
from interrex.simulator.explorer.world import LETTERS, Action, State, World, ends


class Election(NamedTuple):
    """``winner`` is elected by its own vote and ``voter``'s; then it proposes so many changes."""

    winner: int
    voter: int
    proposals: int = 0


def opened(world: World, elections: Iterable[Election]) -> State:
    """The beginning, or what follows from it by some elections.

    Letters are lost between two elections; those of the last one are under way.

    Raises:
        InvariantViolation: an election cannot be won like that.
        Violation: a promise was broken on the way.
    """
    state = world.beginning()
    for election in elections:
        state = _elect(world, state[:LETTERS], election)
        for _ in range(election.proposals):
            state = _take(world, state, election.winner, Happening.PROPOSAL)
        world.check(state)
    return state


def _elect(world: World, state: State, election: Election) -> State:
    winner, voter, _ = election
    for server in (winner, voter):
        if isinstance(_core(world, state, server).role, Leading):
            state = _take(world, state, server, Happening.EXPIRY)
    if _hears_a_leader(_core(world, state, voter)):
        state = _take(world, state, voter, Happening.TIMER)
    term = _core(world, state, voter).term
    while not _stands_beyond(_core(world, state, winner), term):
        state = _take(world, state[:LETTERS], winner, Happening.TIMER)
    while not isinstance(_core(world, state, winner).role, Leading):
        state = _mail(world, state, winner, voter)
    return state


def _core(world: World, state: State, server: int) -> Core:
    core = world.steps.locals[state[server]].core
    if core is None:
        raise InvariantViolation("elections in an opening are between the living")
    return core


def _hears_a_leader(core: Core) -> bool:
    return bool(core.belief.leader) and core.belief.loss is Loss.NONE


def _stands_beyond(core: Core, term: int) -> bool:
    return isinstance(core.role, Standing) and not core.role.asking and core.term > term


def _take(world: World, state: State, server: int, happening: int, letter: int = 0) -> State:
    after = world.after(state, Action(server, happening, letter))
    if after is None:
        raise InvariantViolation("an opening stays within the bounds")
    return after


def _mail(world: World, state: State, winner: int, voter: int) -> State:
    """Delivers one letter between the two."""
    for action in world.actions(state):
        if action.letter and ends(action.letter) in ((winner, voter), (voter, winner)):
            return _take(world, state, *action)
    raise InvariantViolation("the voter of an opening does not vote for the winner")
