"""Three servers, what is on its way between them, and what may happen next.

A state is a tuple of numbers: the three servers, the history, what was used of the budgets, and
the letters under way. States that differ only by who stands where are folded into one.
"""

from itertools import permutations
from typing import NamedTuple

from interrex.core.errors import InvariantViolation, ensure
from interrex.simulator.explorer.bounds import Bounds
from interrex.simulator.explorer.frozen import Disk, Local, Log
from interrex.simulator.explorer.history import (
    EMPTY,
    OWN,
    SERVERS,
    History,
    Violation,
    check_logs,
    check_server,
    log_of,
    moved,
    told,
)
from interrex.simulator.explorer.steps import DEATH, LATE, MAIL, Happening, Notes, Outcome, Steps

State = tuple[int, ...]
"""Servers 0 to 2, history, budgets, letters under way in rising order."""

HISTORY, BUDGETS, LETTERS = 3, 4, 5

LINK = 1 << 24
"""A letter under way is its link times this plus the letter's number."""

PROPOSED, CRASHED, HANDED_OVER = 1, 1 << 4, 1 << 8
_MANY = 15


class Action(NamedTuple):
    """One thing that happens: to which server, what, and which letter it takes off the network."""

    server: int
    happening: int
    letter: int
    """0 where no letter arrives."""


class Successor(NamedTuple):
    state: State
    action: Action
    places: tuple[int, ...]
    """Where each server of the state before stands now."""


def link(sender: int, receiver: int) -> int:
    """The number of the one-way link between two servers."""
    return 3 * sender + receiver


def ends(letter: int) -> tuple[int, int]:
    """Who sent a letter under way, and to whom."""
    return divmod(letter // LINK, 3)


_SENT = {
    (server, peer): link(server, (server + peer - 1) % 3) for server in SERVERS for peer in (2, 3)
}
_FROM = {number: number // 3 for number in _SENT.values()}
_TO = {number: number % 3 for number in _SENT.values()}
_MAIL_OF = {number: MAIL + (_FROM[number] - _TO[number]) % 3 - 1 for number in _SENT.values()}
"""The first happening of mail on a link: it arrives from the receiver's peer 2 or 3."""

PLACES = tuple(permutations(SERVERS))
_MIRRORS = {places: (places[1] - places[0]) % 3 == 2 for places in PLACES}
"""Whether the ring runs the other way: then each server's next peer has become its last."""
_SORTING = {places: tuple(sorted(SERVERS, key=places.__getitem__)) for places in PLACES}
"""Who stands at place 0, 1, 2."""
_LINKS = {
    places: {number: link(places[_FROM[number]], places[_TO[number]]) * LINK for number in _FROM}
    for places in PLACES
}


class World:
    """What may happen within some bounds, and what must stay true."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.steps = Steps(bounds)
        self.histories: list[History] = []
        self.cut = 0
        """How many steps would have left the bounds."""
        self._history_numbers: dict[History, int] = {}
        self._told: dict[tuple[int, int, Notes], int] = {}
        self._moved: dict[tuple[int, tuple[int, ...]], int] = {}
        self._outcomes: dict[int, Outcome | None] = {}
        self._log_numbers: dict[Log, int] = {}
        self._logs: list[int] = []
        self._matching: set[int] = set()
        self._sound: set[tuple[int, int]] = set()

    def beginning(self) -> State:
        """Three servers with empty disks, started, with nothing on its way."""
        dead = self.steps.number(Local(Disk(0, 0, ()), (), None))
        state: State = (dead, dead, dead, self.history_number(EMPTY), 0)
        for server in SERVERS:
            started = self.after(state, Action(server, Happening.START, 0))
            ensure(started is not None, "the bounds leave room for a beginning")
            state = started or state
        return state

    # What may happen

    def actions(self, state: State) -> list[Action]:
        """All that may happen next, in a fixed order."""
        steps, budgets = self.steps, state[BUDGETS]
        may_propose = budgets & _MANY < self.bounds.proposals
        may_crash = budgets // CRASHED & _MANY < self.bounds.crashes
        may_hand_over = budgets // HANDED_OVER < self.bounds.hand_overs
        found = []
        for server in SERVERS:
            number = state[server]
            found += [Action(server, what, 0) for what in steps.menus[number]]
            if steps.is_leader[number]:
                if may_propose:
                    found.append(Action(server, Happening.PROPOSAL, 0))
                if may_hand_over:
                    found.append(Action(server, Happening.HAND_OVER_TO_NEXT, 0))
                    found.append(Action(server, Happening.HAND_OVER_TO_LAST, 0))
            if may_crash and steps.is_alive[number]:
                writes = len(steps.locals[number].writing)
                found += [Action(server, Happening.CRASH + k, 0) for k in range(writes + 1)]
        for letter in state[LETTERS:]:
            way = letter // LINK
            server = _TO[way]
            number = state[server]
            if steps.is_alive[number]:
                what = letter % LINK
                found.append(Action(server, _MAIL_OF[way] + 4 * what, letter))
                if steps.ended[number] and steps.terms[what] == steps.ended[number]:
                    found.append(Action(server, _MAIL_OF[way] + 4 * what + LATE, letter))
        return found

    def successors(self, state: State) -> list[Successor]:
        """The states after all that may happen, folded; some more than once.

        Raises:
            Violation: a step broke a promise; its ``action`` attribute tells which.
        """
        found = []
        for action in self.actions(state):
            try:
                after = self.after(state, action)
            except Violation as violation:
                violation.add_note(self.describe(state, action, SERVERS))
                raise
            if after is None:
                self.cut += 1
            else:
                folded, places = self.fold(after)
                found.append(Successor(folded, action, places))
        return found

    def _outcome(self, number: int, happening: int) -> Outcome | None:
        key = number * (1 << 32) + happening
        if key in self._outcomes:
            return self._outcomes[key]
        try:
            outcome = self.steps.take(number, happening)
        except InvariantViolation as error:
            raise Violation(OWN, str(error)) from error
        self._outcomes[key] = outcome
        return outcome

    def after(self, state: State, action: Action) -> State | None:
        """The state after one action, unfolded; None beyond the bounds.

        Raises:
            Violation: the step broke a promise.
        """
        server, happening, taken = action
        outcome = self._outcome(state[server], happening)
        if outcome is None:
            return None
        servers = list(state[:3])
        servers[server] = outcome.local
        letters = [letter for letter in state[LETTERS:] if letter != taken]
        budgets, history = state[BUDGETS], state[HISTORY]
        if outcome.closes:
            letters = self._close(server, servers, letters)
        if happening < MAIL:
            if happening >= Happening.CRASH:
                budgets += CRASHED
                if self.bounds.proofs:
                    self._send(letters, [_SENT[server, peer] * LINK + DEATH for peer in (2, 3)])
            elif happening == Happening.PROPOSAL:
                budgets += PROPOSED
            elif happening in (Happening.HAND_OVER_TO_NEXT, Happening.HAND_OVER_TO_LAST):
                budgets += HANDED_OVER
        if outcome.sent:
            self._send(letters, [_SENT[server, to] * LINK + what for to, what in outcome.sent])
        if outcome.notes is not None:
            history = self._tell(history, server, outcome.notes)
        letters.sort()
        return (*servers, history, budgets, *letters)

    def _send(self, letters: list[int], fresh: list[int]) -> None:
        """Adds letters; a full link loses one of its oldest term, but none that is new."""
        terms = self.steps.terms
        for letter in fresh:
            if letter in letters:
                continue
            way = letter // LINK
            beside = [one for one in letters if one // LINK == way and one not in fresh]
            full = sum(one // LINK == way for one in letters) >= self.bounds.letters
            if full and beside:
                letters.remove(min(beside, key=lambda one: (terms[one % LINK], one)))
            letters.append(letter)

    def _close(self, server: int, servers: list[int], letters: list[int]) -> list[int]:
        """The campaign of a server is over: what belongs to it is of an earlier one now."""
        steps = self.steps
        for other in SERVERS:
            if other != server:
                servers[other] = steps.without_round(servers[other], (server - other) % 3 + 1)
        closed = set()
        for letter in letters:
            way, number = divmod(letter, LINK)
            campaigner = _TO[way] if steps.is_answer[number] else _FROM[way]
            closed.add(way * LINK + steps.stale[number] if campaigner == server else letter)
        return sorted(closed)

    # What has happened

    def history_number(self, history: History) -> int:
        """A history's number, new or known."""
        number = self._history_numbers.setdefault(history, len(self.histories))
        if number == len(self.histories):
            self.histories.append(history)
        return number

    def _tell(self, history: int, server: int, notes: Notes) -> int:
        key = (history, server, notes)
        known = self._told.get(key)
        if known is None:
            known = self.history_number(told(self.histories[history], server, notes))
            self._told[key] = known
        return known

    # Folding

    def fold(self, state: State) -> tuple[State, tuple[int, ...]]:
        """The same state with its servers in order, and where each of them stands now."""
        swaps = self.steps.swaps
        one, two, three = state[:3]
        first, second, third = min(one, swaps[one]), min(two, swaps[two]), min(three, swaps[three])
        if first != second and second != third and first != third:
            places = (
                (first > second) + (first > third),
                (second > first) + (second > third),
                (third > first) + (third > second),
            )
            return self._moved_state(state, places), places
        ranks = (first, second, third)
        ordered = sorted(ranks)
        return min(
            (self._moved_state(state, places), places)
            for places in PLACES
            if all(ordered[places[server]] == ranks[server] for server in SERVERS)
        )

    def _moved_state(self, state: State, places: tuple[int, ...]) -> State:
        if places == SERVERS:
            return state
        one, two, three = _SORTING[places]
        servers: tuple[int, ...] = (state[one], state[two], state[three])
        if _MIRRORS[places]:
            swaps = self.steps.swaps
            servers = tuple([swaps[number] for number in servers])
        links = _LINKS[places]
        letters = [links[letter // LINK] + letter % LINK for letter in state[LETTERS:]]
        letters.sort()
        return (*servers, self._moved_history(state[HISTORY], places), state[BUDGETS], *letters)

    def _moved_history(self, history: int, places: tuple[int, ...]) -> int:
        key = (history, places)
        known = self._moved.get(key)
        if known is None:
            known = self.history_number(moved(self.histories[history], places))
            self._moved[key] = known
        return known

    # Checking

    def check(self, state: State) -> None:
        """Holds a state against the promises that can be seen in it.

        Raises:
            Violation: one is broken.
        """
        steps = self.steps
        one, two, three = state[:3]
        for number, other in ((one, two), (two, three), (one, three)):
            left, right = self._log_number(number), self._log_number(other)
            if left != right and left * LINK + right not in self._matching:
                check_logs(log_of(steps.locals[number]), log_of(steps.locals[other]))
                self._matching.add(left * LINK + right)
        history = state[HISTORY]
        for number in state[:3]:
            if (number, history) not in self._sound:
                check_server(steps.locals[number], self.histories[history].agreed)
                self._sound.add((number, history))

    def _log_number(self, number: int) -> int:
        while len(self._logs) <= number:
            log = log_of(self.steps.locals[len(self._logs)])
            self._logs.append(self._log_numbers.setdefault(log, len(self._log_numbers)))
        return self._logs[number]

    # For people

    def describe(self, state: State, action: Action, names: tuple[int, ...]) -> str:
        """An action in a line; ``names`` maps a place to the server's name."""
        name = f"server {names[action.server] + 1}"
        if action.happening < MAIL:
            what = self._describe_happening(state[action.server], action.happening)
            return f"{name}: {what}"
        sender = names[_FROM[action.letter // LINK]] + 1
        letter = self.steps.letters[action.letter % LINK]
        if letter is None:
            return f"{name}: hears that server {sender} has died"
        late = " late" if (action.happening - MAIL) & LATE else ""
        return f"{name}: gets{late} of server {sender} {letter}"

    def _describe_happening(self, number: int, happening: int) -> str:
        if happening >= Happening.CRASH:
            reached = happening - Happening.CRASH
            return f"crashes, {reached} of its writes done" if reached else "crashes"
        return Happening(happening).name.lower().replace("_", " ")
