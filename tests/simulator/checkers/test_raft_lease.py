"""Until when a leader may believe in itself, as its followers have proved it."""

import pytest

from interrex.core.ids import WorkerName
from interrex.core.spec import Timing
from interrex.core.storage import Entry
from interrex.core.time import seconds
from interrex.elections.interface import Member
from interrex.elections.raft import messages as m
from interrex.elections.replicated.payload import Configuration, configuration_data
from interrex.simulator.checkers.raft_lease import Leases

from .histories import Core, Election, Told, mail, number_of, refuses, show, three

ANYBODY = WorkerName("worker-9")
TIMEOUT = seconds(Timing().election_timeout) * 9 // 10
"""The default election time-out less a tenth: what a vote is worth."""


def asks_for_votes(now: int) -> Told:
    return mail("worker-1", m.RequestVote(2, 1, 1, 1, 0, 0, 0), now=now)


def beats(
    now: int, round: int, deadline: int, timeout: int = 1111, voters: int = 3, others: int = 0
) -> Told:
    """Its heartbeats to the voters, or to others too."""
    members = tuple(Member(WorkerName(f"worker-{n}"), n, 0) for n in range(1, voters + 1))
    election = Election(leading=True, deadline=deadline, members=members)
    messages = [
        m.Heartbeat(n, 1, 1, round, 0, timeout, 0, ()) for n in range(2, max(voters, others) + 1)
    ]
    return mail("worker-1", *messages, now=now, core=Core(election=election))


def answers(worker: str, round: int) -> Told:
    return mail(worker, m.HeartbeatAnswer(1, number_of(worker), 1, round, 0, 0))


def reconfigures(*configurations: tuple[int, ...], term: int = 1) -> Told:
    """It sends these configurations as entries of a term."""
    sent = tuple(
        Entry(index, term, configuration_data(Configuration(dict.fromkeys(voters, ANYBODY))))
        for index, voters in enumerate(configurations, start=1)
    )
    return mail("worker-1", m.AppendEntries(2, 1, 1, 0, 0, 0, (), sent))


PROVED: dict[str, list[Told]] = {
    "by itself, the only voter for a moment between two heartbeats": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT, voters=2),
        reconfigures((1,), (1, 3)),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1000, voters=2),
    ],
    "by fewer who voted for a moment": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT, voters=4),
        answers("worker-2", 1),
        reconfigures((1, 2, 3), (1, 2, 3, 5)),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1000, voters=4),
    ],
    "by votes": [asks_for_votes(5), beats(10, 1, 5 + TIMEOUT)],
    "by one answer of two": [
        asks_for_votes(0),
        beats(TIMEOUT - 5, 1, TIMEOUT),
        answers("worker-2", 1),
        beats(TIMEOUT + 50, 2, TIMEOUT - 5 + 1000),
    ],
    "by a later round": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT),
        beats(TIMEOUT + 50, 2, TIMEOUT),
        answers("worker-3", 2),
        beats(TIMEOUT + 90, 3, TIMEOUT + 1050),
    ],
    "by itself, the only voter": [
        asks_for_votes(0),
        beats(9 * TIMEOUT, 50, 10 * TIMEOUT, voters=1, others=2),
        beats(9 * TIMEOUT + 50, 51, 10 * TIMEOUT, voters=2),
    ],
    "by one who was a voter then": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT),
        answers("worker-3", 1),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1000, voters=2),
    ],
}

UNPROVED: dict[str, list[Told]] = {
    "as fewer did who voted under an earlier leader": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT, voters=4),
        answers("worker-2", 1),
        reconfigures((1, 2, 3), (1, 2, 3, 5), term=0),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1000, voters=4),
    ],
    "as fewer did who voted before the last heartbeat but one": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT, voters=4),
        reconfigures((1, 2, 3), (1, 2, 3, 5)),
        beats(TIMEOUT + 50, 2, TIMEOUT, voters=4),
        answers("worker-2", 2),
        beats(TIMEOUT + 90, 3, TIMEOUT + 1050, voters=4),
    ],
    "longer than its votes": [asks_for_votes(5), beats(10, 1, 6 + TIMEOUT)],
    "from when the answer came": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT),
        answers("worker-2", 1),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1050),
    ],
    "without an answer": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1000),
    ],
    "as the only voter did, once there is another": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, 2 * TIMEOUT, voters=1, others=2),
        beats(TIMEOUT + 50, 2, 2 * TIMEOUT, voters=2),
        beats(TIMEOUT + 90, 3, 3 * TIMEOUT, voters=2),
    ],
    "one answer of four": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT, voters=5),
        answers("worker-2", 1),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1000, voters=5),
    ],
    "as long as it told them to wait, as if clocks ran alike": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT),
        answers("worker-2", 1),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1111),
    ],
    "longer than it told them to wait": [
        asks_for_votes(0),
        beats(TIMEOUT, 1, TIMEOUT),
        answers("worker-2", 1),
        beats(TIMEOUT + 50, 2, TIMEOUT + 1001),
    ],
}


@pytest.mark.parametrize("history", PROVED.values(), ids=PROVED)
def test_a_deadline_within_the_followers_patience_is_fine(history: list[Told]) -> None:
    show(Leases(), [*three(), *history])


@pytest.mark.parametrize("history", UNPROVED.values(), ids=UNPROVED)
def test_a_deadline_that_nobody_waits_for_is_seen(history: list[Told]) -> None:
    refuses(Leases(), [*three(), *history], "believes in itself until")
