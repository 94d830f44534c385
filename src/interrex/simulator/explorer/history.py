"""What must stay true, held against a history that only an observer can see.

The checks know nothing of the core's own: they read frozen servers, votes as they leave, and what
each server holds to be committed. The five promises are the paper's (figure 3), and that a vote
is given once per term, across restarts.
"""

from typing import NamedTuple

from interrex.simulator.explorer.frozen import Leading, Local, Log
from interrex.simulator.explorer.steps import Notes

ELECTION_SAFETY = "election safety"
ONE_VOTE = "one vote per term"
LOG_MATCHING = "log matching"
LEADER_COMPLETENESS = "leader completeness"
STATE_MACHINE_SAFETY = "state machine safety"
OWN = "the core's own invariants"

SERVERS = (0, 1, 2)


class Violation(Exception):  # noqa: N818
    """A promise is broken; ``promise`` is one of this module's names."""

    def __init__(self, promise: str, text: str) -> None:
        super().__init__(f"{promise}: {text}")
        self.promise = promise
        self.text = text


class Agreed(NamedTuple):
    """A committed entry, and the term of the leader that committed it."""

    term: int
    data: bytes
    by: int


class History(NamedTuple):
    """Servers are numbered 0 to 2 here, by their place in the ring."""

    leaders: tuple[tuple[int, int], ...]
    """Term and server, by term."""
    votes: tuple[tuple[int, int, int], ...]
    """Term, voter, candidate; in order."""
    agreed: tuple[Agreed, ...]
    """The entries 1, 2, ... that were ever committed."""


EMPTY = History((), (), ())


def told(history: History, server: int, notes: Notes) -> History:
    """The history after a step.

    Raises:
        Violation: it contradicts what was before.
    """
    leaders, votes, agreed = history
    if notes.led:
        leaders = _led(leaders, notes.led, server)
    for term, label in notes.votes:
        votes = _voted(votes, term, server, (server + label - 1) % 3)
    return History(leaders, votes, _agreed(agreed, notes))


def _led(
    leaders: tuple[tuple[int, int], ...], term: int, server: int
) -> tuple[tuple[int, int], ...]:
    for other_term, other in leaders:
        if other_term == term and other != server:
            raise Violation(ELECTION_SAFETY, f"two servers lead term {term}")
    return tuple(sorted({*leaders, (term, server)}))


def _voted(
    votes: tuple[tuple[int, int, int], ...], term: int, voter: int, candidate: int
) -> tuple[tuple[int, int, int], ...]:
    for other_term, other_voter, other in votes:
        if (other_term, other_voter) == (term, voter) and other != candidate:
            raise Violation(ONE_VOTE, f"a server voted twice in term {term}")
    return tuple(sorted({*votes, (term, voter, candidate)}))


def _agreed(agreed: tuple[Agreed, ...], notes: Notes) -> tuple[Agreed, ...]:
    committed = notes.committed
    for index, (one, (term, data)) in enumerate(zip(agreed, committed, strict=False), 1):
        if (one.term, one.data) != (term, data):
            text = f"at {index}, term {one.term} was committed, and now term {term}"
            raise Violation(STATE_MACHINE_SAFETY, text)
    fresh = committed[len(agreed) :]
    return agreed + tuple(Agreed(term, data, notes.term) for term, data in fresh)


def moved(history: History, places: tuple[int, ...]) -> History:
    """The same history when server i stands at ``places[i]``."""
    return History(
        tuple(sorted((term, places[server]) for term, server in history.leaders)),
        tuple(sorted((term, places[one], places[other]) for term, one, other in history.votes)),
        history.agreed,
    )


def log_of(local: Local) -> Log:
    """A living server's log as it knows it, a dead one's as its disk holds it."""
    return local.disk.log if local.core is None else local.core.log


def check_logs(one: Log, other: Log) -> None:
    """Log matching: two entries with the same index and term have the same logs behind them.

    Raises:
        Violation: they have not.
    """
    same = True
    for index, (left, right) in enumerate(zip(one, other, strict=False), 1):
        if left[0] == right[0] and not (same and left == right):
            raise Violation(LOG_MATCHING, f"two logs agree at {index} and not before it")
        same = same and left == right


def check_server(local: Local, agreed: tuple[Agreed, ...]) -> None:
    """Leader completeness, and that what a server holds to be committed is.

    Raises:
        Violation: a leader lacks what was committed in an earlier term, or a server has committed
            something else.
    """
    core = local.core
    if core is None:
        return
    known = [(one.term, one.data) for one in agreed]
    if list(core.log[: core.commit]) != known[: core.commit]:
        raise Violation(STATE_MACHINE_SAFETY, "a server has committed what nobody else has")
    if not isinstance(core.role, Leading):
        return
    for index, one in enumerate(agreed):
        if one.by < core.term and core.log[index : index + 1] != ((one.term, one.data),):
            text = f"the leader of term {core.term} lacks entry {index + 1} of term {one.term}"
            raise Violation(LEADER_COMPLETENESS, f"{text}, committed in term {one.by}")
