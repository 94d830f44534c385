"""Bugs that are planted into the core while a search runs, to see that the search finds them.

Each is one line that somebody could have got wrong, put in place of a method or function of the
core, and taken out again afterwards. Each names the bounds within which it is looked for, and the
promise that it breaks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from interrex.core.ids import WorkerName
from interrex.elections.raft import messages
from interrex.elections.raft.candidate import Candidate
from interrex.elections.raft.leader import Leader
from interrex.elections.raft.log import Log
from interrex.elections.raft.mail import Mailbox
from interrex.elections.raft.node import Node
from interrex.elections.raft.replication import Replication
from interrex.simulator.explorer import history
from interrex.simulator.explorer.bounds import Bounds
from interrex.simulator.explorer.opening import Election, opened
from interrex.simulator.explorer.search import Found, Progress, Search
from interrex.simulator.explorer.world import World


class Replacement(NamedTuple):
    """What is put in place of an attribute of a class or module."""

    owner: Any
    name: str
    instead: Callable[..., Any]


class Bug(NamedTuple):
    """``elections`` are over, in this order, when the search begins."""

    promise: str
    bounds: Bounds
    replacements: tuple[Replacement, ...]
    elections: tuple[Election, ...] = ()


def _tallies_half(candidate: Candidate) -> None:
    voters = candidate._node.membership.voters
    votes = sum(candidate._answers.get(one, False) for one in voters)
    if votes >= len(voters) // 2 and candidate._is_stored:
        candidate._won(votes)


def _commits_any_term(leader: Leader) -> None:
    node = leader._node
    agreed = leader.replication.agreed()
    if agreed > node.commit:
        leader._commit(agreed)


def _counts_any_vote(candidate: Candidate, message: messages.Vote) -> None:
    if not candidate.asking:
        candidate._answer(message.source, granted=message.granted)


_dispatch = Mailbox._dispatch


def _takes_votes_of_any_term(
    mailbox: Mailbox, message: messages.Message, worker: WorkerName
) -> None:
    role = mailbox._server.role
    if isinstance(message, messages.Vote) and isinstance(role, Candidate):
        role.on_vote(message)
    else:
        _dispatch(mailbox, message, worker)


def _agrees_alone(replication: Replication) -> int:
    return max(replication._node.log.persisted, *replication.matched.values())


def _always_up_to_date(log: Log, last_index: int, last_term: int) -> bool:
    del log, last_index, last_term
    return True


BUGS = {
    "vote-before-disk": Bug(
        history.ONE_VOTE,
        Bounds(asks=False, terms=1, crashes=1, slow_disks=True),
        (Replacement(Node, "send_when_stored", Node.send),),
    ),
    "half-a-quorum": Bug(
        history.ELECTION_SAFETY,
        Bounds(asks=False, terms=1),
        (Replacement(Candidate, "_tally", _tallies_half),),
    ),
    "older-term-by-counting": Bug(
        history.LEADER_COMPLETENESS,
        Bounds(asks=False, terms=4, letters=1),
        (Replacement(Leader, "_advance", _commits_any_term),),
        (Election(0, 2, proposals=1), Election(1, 2), Election(0, 2)),
    ),
    "half-a-quorum-commits": Bug(
        history.STATE_MACHINE_SAFETY,
        Bounds(asks=False, terms=2, letters=1),
        (Replacement(Replication, "agreed", _agrees_alone),),
    ),
    "stale-votes": Bug(
        history.ELECTION_SAFETY,
        Bounds(asks=False, terms=2),
        (
            Replacement(Candidate, "on_vote", _counts_any_vote),
            Replacement(Mailbox, "_dispatch", _takes_votes_of_any_term),
        ),
    ),
    "log-not-compared": Bug(
        history.LEADER_COMPLETENESS,
        Bounds(asks=False, terms=2, letters=1),
        (Replacement(Log, "is_up_to_date", _always_up_to_date),),
    ),
}


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Puts a bug into the core, and takes it out again whatever happens."""
    before = [(one.owner, one.name, getattr(one.owner, one.name)) for one in bug.replacements]
    for one in bug.replacements:
        setattr(one.owner, one.name, one.instead)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def hunted(bug: Bug, limit: int, progress: Progress | None = None) -> tuple[World, Found]:
    """Searches within a bug's bounds while it is planted, up to so many states."""
    with planted(bug):
        world = World(bug.bounds)
        return world, Search(world, opened(world, bug.elections)).run(limit, progress)
