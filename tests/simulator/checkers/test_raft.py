"""Raft's promises, seen from outside: each checker accepts some histories, and refuses others."""

import msgspec
import pytest

from interrex.core.ids import WorkerName
from interrex.core.storage import (
    AppendEntries,
    Entry,
    SaveSnapshot,
    SetFact,
    Snapshot,
    Stored,
    TruncateFrom,
)
from interrex.elections.raft import messages as m
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.simulator.checkers.raft_append_only import AppendOnly
from interrex.simulator.checkers.raft_election_safety import ElectionSafety
from interrex.simulator.checkers.raft_leader_completeness import LeaderCompleteness
from interrex.simulator.checkers.raft_log_matching import LogMatching
from interrex.simulator.checkers.raft_promises import Promises
from interrex.simulator.checkers.raft_state_machine import StateMachineSafety
from interrex.simulator.checkers.raft_votes import Votes
from interrex.simulator.observation import DiskHarmed

from .histories import (
    Told,
    began,
    ended,
    handed_out,
    mail,
    number_of,
    refuses,
    show,
    three,
    written,
)


def beat(worker: str, term: int, commit: int = 0, round: int = 1, life: int = 0) -> Told:
    """A leader's heartbeat to another worker."""
    me = number_of(worker)
    other = me % 3 + 1
    return mail(worker, m.Heartbeat(other, me, term, round, commit, 200, 0, ()), life=life)


def votes(worker: str, candidate: int, term: int, granted: bool = True, life: int = 0) -> Told:
    return mail(worker, m.Vote(candidate, number_of(worker), term, 1, granted), life=life)


def accepts(worker: str, leader: int, term: int, matched: int) -> Told:
    return mail(worker, m.AppendAccepted(leader, number_of(worker), term, matched))


def vote_fact(member: int, term: int, vote: int) -> SetFact:
    return SetFact(VOTE, msgspec.msgpack.encode(StoredVote(member, term, vote)))


def stores_vote(worker: str, term: int, vote: int, life: int = 0) -> Told:
    return written(worker, vote_fact(number_of(worker), term, vote), life=life)


def entries(*named: tuple[int, int], data: bytes = b"") -> AppendEntries:
    """Entries by index and term."""
    return AppendEntries(tuple(Entry(index, term, data) for index, term in named))


def elects(worker: str, term: int) -> list[Told]:
    """It votes for itself, on disk, and leads."""
    return [stores_vote(worker, term, number_of(worker)), beat(worker, term)]


def harm(worker: str) -> DiskHarmed:
    return DiskHarmed(WorkerName(worker), "an older copy")


# Election Safety


def test_leaders_of_different_terms_are_fine() -> None:
    show(
        ElectionSafety(), [*three(), beat("worker-1", 1), beat("worker-2", 2), beat("worker-1", 1)]
    )


TWO_LEADERS: dict[str, list[Told]] = {
    "both send heartbeats": [beat("worker-1", 4), beat("worker-2", 4)],
    "one appends": [
        beat("worker-1", 4),
        mail("worker-3", m.AppendEntries(1, 3, 4, 0, 0, 0, (), ())),
    ],
    "one sends a snapshot": [
        beat("worker-1", 4),
        mail("worker-3", m.InstallSnapshot(1, 3, 4, 1, 1, 0, 0, b"")),
    ],
    "one hands over": [beat("worker-1", 4), mail("worker-2", m.TimeoutNow(3, 2, 4))],
    "one in its next life": [
        beat("worker-1", 4),
        ended("worker-1"),
        began("worker-1", life=8),
        beat("worker-1", 4, life=8),
    ],
}


@pytest.mark.parametrize("history", TWO_LEADERS.values(), ids=TWO_LEADERS)
def test_two_leaders_of_a_term_are_seen(history: list[Told]) -> None:
    refuses(ElectionSafety(), [*three(), *history], "leads term 4, which member")


# One vote per term

ONE_VOTE: dict[str, list[Told]] = {
    "one answer each term": [votes("worker-1", 2, 1), votes("worker-1", 3, 2)],
    "the same answer twice": [votes("worker-1", 2, 1), votes("worker-1", 2, 1)],
    "granted to one, refused to another": [
        votes("worker-1", 2, 1),
        votes("worker-1", 3, 1, granted=False),
    ],
    "a term without a vote, then its vote": [
        stores_vote("worker-1", 3, 0),
        stores_vote("worker-1", 3, 2),
    ],
    "asking for votes is no vote": [
        mail("worker-1", m.RequestVote(2, 1, 5, 1, 0, 0, 0)),
        votes("worker-1", 3, 5),
    ],
    "a new member of the same name": [
        votes("worker-1", 2, 5),
        ended("worker-1"),
        began("worker-1", life=9, member=99),
        mail("worker-1", m.Vote(3, 99, 5, 1, True), life=9),
    ],
    "after its disk was harmed": [
        stores_vote("worker-1", 5, 2),
        harm("worker-1"),
        stores_vote("worker-1", 4, 3),
    ],
}

TWO_VOTES: dict[str, list[Told]] = {
    "two answers": [votes("worker-1", 2, 5), votes("worker-1", 3, 5)],
    "two on disk": [stores_vote("worker-1", 5, 2), stores_vote("worker-1", 5, 3)],
    "one on disk, one answered": [stores_vote("worker-1", 5, 2), votes("worker-1", 3, 5)],
    "across a restart": [
        votes("worker-1", 2, 5),
        ended("worker-1"),
        began("worker-1", life=9),
        votes("worker-1", 3, 5, life=9),
    ],
    "it voted for another, and leads": [votes("worker-1", 2, 5), beat("worker-1", 5)],
}


@pytest.mark.parametrize("history", ONE_VOTE.values(), ids=ONE_VOTE)
def test_one_vote_per_term_is_fine(history: list[Told]) -> None:
    show(Votes(), [*three(), *history])


@pytest.mark.parametrize("history", TWO_VOTES.values(), ids=TWO_VOTES)
def test_two_votes_in_a_term_are_seen(history: list[Told]) -> None:
    refuses(Votes(), [*three(), *history], "member 1 votes in term 5 for")


FALLING: dict[str, list[Told]] = {
    "written": [stores_vote("worker-1", 5, 2), stores_vote("worker-1", 4, 0)],
    "found after a restart": [
        stores_vote("worker-1", 5, 2),
        ended("worker-1"),
        began("worker-1", life=9, stored=Stored({VOTE: vote_fact(1, 4, 0).value})),
    ],
}


@pytest.mark.parametrize("history", FALLING.values(), ids=FALLING)
def test_a_term_that_falls_on_disk_is_seen(history: list[Told]) -> None:
    refuses(Votes(), [*three(), *history], "falls from 5 to 4")


# What is promised is on disk first

KEPT: dict[str, list[Told]] = {
    "the vote was written": [stores_vote("worker-1", 5, 2), votes("worker-1", 2, 5)],
    "a newer term was written since": [stores_vote("worker-1", 6, 0), votes("worker-1", 2, 5)],
    "a refusal promises nothing": [votes("worker-1", 2, 5, granted=False)],
    "the entries were written": [
        written("worker-1", entries((1, 1), (2, 1))),
        accepts("worker-1", 2, 1, 2),
    ],
    "a snapshot was": [
        written("worker-1", SaveSnapshot(Snapshot(7, 1, b""), 7, discard_log=True)),
        accepts("worker-1", 2, 1, 7),
    ],
    "a leader's own vote was": elects("worker-1", 3),
    "nothing is asked of a harmed disk": [harm("worker-1"), votes("worker-1", 2, 5)],
}

BROKEN: dict[str, tuple[list[Told], str]] = {
    "a vote": ([votes("worker-1", 2, 5)], "its vote on disk is 0 in 0"),
    "a vote, handed out only": (
        [handed_out("worker-1", vote_fact(1, 5, 2)), votes("worker-1", 2, 5)],
        "its vote on disk is 0 in 0",
    ),
    "a vote for another": (
        [stores_vote("worker-1", 5, 3), votes("worker-1", 2, 5)],
        "its vote on disk is 3 in 5",
    ),
    "entries": (
        [written("worker-1", entries((1, 1))), accepts("worker-1", 2, 1, 2)],
        "its disk ends at 1",
    ),
    "entries that were dropped": (
        [
            written("worker-1", entries((1, 1), (2, 1))),
            written("worker-1", TruncateFrom(2)),
            accepts("worker-1", 2, 1, 2),
        ],
        "its disk ends at 1",
    ),
    "entries, in the answer to a heartbeat": (
        [mail("worker-1", m.HeartbeatAnswer(2, 1, 1, 1, 3, 3))],
        "its disk ends at 0",
    ),
    "entries of another term than the leader's": (
        [
            *elects("worker-2", 3),
            handed_out("worker-2", entries((1, 3))),
            written("worker-1", entries((1, 2))),
            accepts("worker-1", 2, 3, 1),
        ],
        "its entry is of term 2, the leader's of 3",
    ),
    "leading without its own vote": ([beat("worker-1", 3)], "leads term 3, its vote on disk is 0"),
}


@pytest.mark.parametrize("history", KEPT.values(), ids=KEPT)
def test_promises_that_rest_on_the_disk_are_fine(history: list[Told]) -> None:
    show(Promises(), [*three(), *history])


@pytest.mark.parametrize(("history", "words"), BROKEN.values(), ids=BROKEN)
def test_a_promise_before_it_is_on_disk_is_seen(history: list[Told], words: str) -> None:
    refuses(Promises(), [*three(), *history], words)


# Leader Append-Only

APPENDING: dict[str, list[Told]] = {
    "a leader appends": [*elects("worker-1", 2), handed_out("worker-1", entries((1, 2), (2, 2)))],
    "a follower drops": [handed_out("worker-1", entries((1, 1)), TruncateFrom(1))],
    "deposed, it drops": [
        *elects("worker-1", 2),
        handed_out("worker-1", entries((1, 2)), vote_fact(1, 3, 0), TruncateFrom(1)),
    ],
    "a leader compacts": [
        *elects("worker-1", 2),
        handed_out("worker-1", entries((1, 2)), SaveSnapshot(Snapshot(1, 2, b""), 1)),
    ],
}

DROPPING: dict[str, list[Told]] = {
    "it drops": [handed_out("worker-1", entries((1, 2)), TruncateFrom(1))],
    "it discards": [
        handed_out("worker-1", SaveSnapshot(Snapshot(1, 2, b""), 1, discard_log=True)),
    ],
    "it overwrites": [handed_out("worker-1", entries((1, 1)), entries((1, 2)))],
    "it drops what it has sent": [
        mail("worker-1", m.AppendEntries(2, 1, 2, 0, 0, 0, (), (Entry(1, 2, b""),))),
        handed_out("worker-1", vote_fact(1, 2, 1), TruncateFrom(1)),
    ],
}


@pytest.mark.parametrize("history", APPENDING.values(), ids=APPENDING)
def test_leaders_that_append_are_fine(history: list[Told]) -> None:
    show(AppendOnly(), [*three(), *history])


@pytest.mark.parametrize("history", DROPPING.values(), ids=DROPPING)
def test_a_leader_that_changes_its_log_is_seen(history: list[Told]) -> None:
    refuses(AppendOnly(), [*three(), *elects("worker-1", 2), *history], "leader of term 2")


# Log Matching

MATCHING: dict[str, list[Told]] = {
    "the same everywhere": [
        handed_out("worker-1", entries((1, 1), (2, 1))),
        handed_out("worker-2", entries((1, 1)), entries((2, 1))),
    ],
    "different terms at an index": [
        handed_out("worker-1", entries((1, 1), (2, 1))),
        handed_out("worker-2", entries((1, 1), (2, 2))),
    ],
    "dropped, and overwritten": [
        handed_out("worker-1", entries((1, 1), (2, 1)), TruncateFrom(2), entries((2, 3))),
        handed_out("worker-2", entries((1, 1), (2, 3))),
    ],
    "behind a snapshot": [
        handed_out("worker-1", entries((1, 1), (2, 2), (3, 2))),
        handed_out(
            "worker-2", SaveSnapshot(Snapshot(2, 2, b""), 2, discard_log=True), entries((3, 2))
        ),
    ],
    "after a restart": [
        handed_out("worker-1", entries((1, 1), (2, 1))),
        ended("worker-2"),
        began("worker-2", life=9, stored=Stored(entries=(Entry(1, 1, b""),))),
        handed_out("worker-2", entries((2, 1)), life=9),
    ],
}

NOT_MATCHING: dict[str, tuple[list[Told], str]] = {
    "other bytes": (
        [
            handed_out("worker-1", entries((1, 1), data=b"a")),
            handed_out("worker-2", entries((1, 1), data=b"b")),
        ],
        "entry 1 of term 1 differs",
    ),
    "another entry before": (
        [
            handed_out("worker-1", entries((1, 1), (2, 3))),
            handed_out("worker-2", entries((1, 2), (2, 3))),
        ],
        "before entry 2 of term 3",
    ),
    "another entry before, in another record": (
        [
            handed_out("worker-1", entries((1, 1), (2, 3))),
            handed_out("worker-2", entries((1, 2))),
            handed_out("worker-2", entries((2, 3))),
        ],
        "before entry 2 of term 3",
    ),
    "another snapshot before": (
        [
            handed_out("worker-1", entries((1, 1), (2, 2), (3, 2))),
            handed_out(
                "worker-2", SaveSnapshot(Snapshot(2, 1, b""), 2, discard_log=True), entries((3, 2))
            ),
        ],
        "before entry 3 of term 2",
    ),
}


@pytest.mark.parametrize("history", MATCHING.values(), ids=MATCHING)
def test_logs_that_match_are_fine(history: list[Told]) -> None:
    show(LogMatching(), [*three(), *history])


@pytest.mark.parametrize(("history", "words"), NOT_MATCHING.values(), ids=NOT_MATCHING)
def test_logs_that_do_not_match_are_seen(history: list[Told], words: str) -> None:
    refuses(LogMatching(), [*three(), *history], words)


# Leader Completeness

COMMITTED: list[Told] = [
    *three(),
    *elects("worker-1", 2),
    handed_out("worker-1", entries((1, 2), (2, 2))),
    beat("worker-1", 2, commit=2),
]

COMPLETE: dict[str, list[Told]] = {
    "a leader with all of it": [
        handed_out("worker-2", entries((1, 2), (2, 2), (3, 2))),
        *elects("worker-2", 3),
    ],
    "a leader with a snapshot of it": [
        handed_out("worker-2", SaveSnapshot(Snapshot(5, 2, b""), 5, discard_log=True)),
        *elects("worker-2", 3),
    ],
    "the same leader": [beat("worker-1", 2, commit=2)],
    "a leader of an older term, heard late": elects("worker-3", 1),
}

INCOMPLETE: dict[str, list[Told]] = {
    "without any": elects("worker-2", 3),
    "without the last": [handed_out("worker-2", entries((1, 2))), *elects("worker-2", 3)],
    "with another in its place": [
        handed_out("worker-2", entries((1, 2), (2, 1))),
        *elects("worker-2", 3),
    ],
    "two leaders later": [
        handed_out("worker-3", entries((1, 2), (2, 2))),
        *elects("worker-3", 3),
        *elects("worker-2", 4),
    ],
}


@pytest.mark.parametrize("history", COMPLETE.values(), ids=COMPLETE)
def test_a_leader_with_all_that_is_committed_is_fine(history: list[Told]) -> None:
    show(LeaderCompleteness(), [*COMMITTED, *history])


@pytest.mark.parametrize("history", INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_leader_without_a_committed_entry_is_seen(history: list[Told]) -> None:
    refuses(LeaderCompleteness(), [*COMMITTED, *history], "without the committed entry 2 of term 2")


# State Machine Safety


def leads_with(*log: tuple[int, int], term: int = 1) -> list[Told]:
    return [*three(), handed_out("worker-1", entries(*log)), beat("worker-1", term)]


STORED: dict[str, list[Told]] = {
    "two of three have it": [
        *leads_with((1, 1)),
        written("worker-1", entries((1, 1))),
        written("worker-2", entries((1, 1))),
        beat("worker-1", 1, commit=1),
    ],
    "two followers have it, the leader not yet": [
        *leads_with((1, 1)),
        written("worker-3", entries((1, 1))),
        written("worker-2", entries((1, 1))),
        beat("worker-1", 1, commit=1),
    ],
    "a harmed disk had it": [
        *leads_with((1, 1)),
        written("worker-1", entries((1, 1))),
        harm("worker-2"),
        beat("worker-1", 1, commit=1),
    ],
    "said again by the next leader": [
        *leads_with((1, 1)),
        written("worker-1", entries((1, 1))),
        written("worker-2", entries((1, 1))),
        beat("worker-1", 1, commit=1),
        handed_out("worker-2", entries((1, 1), (2, 2))),
        beat("worker-2", 2, commit=1),
    ],
}

NOT_STORED: dict[str, tuple[list[Told], str]] = {
    "only the leader has it": (
        [
            *leads_with((1, 1)),
            written("worker-1", entries((1, 1))),
            beat("worker-1", 1, commit=1),
        ],
        "which a majority of",
    ),
    "others have another one there": (
        [
            *leads_with((1, 1)),
            written("worker-1", entries((1, 1))),
            written("worker-2", entries((1, 0))),
            written("worker-3", entries((1, 0))),
            beat("worker-1", 1, commit=1),
        ],
        "which a majority of",
    ),
    "handed out, not written": (
        [
            *leads_with((1, 1)),
            handed_out("worker-2", entries((1, 1))),
            beat("worker-1", 1, commit=1),
        ],
        "which a majority of",
    ),
    # Paper, figure 8: an entry of an older term is not committed by counting replicas.
    "of an older term": (
        [
            *leads_with((1, 2), term=4),
            written("worker-1", entries((1, 2))),
            written("worker-2", entries((1, 2))),
            beat("worker-1", 4, commit=1),
        ],
        "committed by nobody",
    ),
    "replaced later": (
        [
            *leads_with((1, 1)),
            written("worker-1", entries((1, 1))),
            written("worker-2", entries((1, 1))),
            beat("worker-1", 1, commit=1),
            handed_out("worker-3", entries((1, 3))),
            beat("worker-3", 3, commit=1),
        ],
        "it was of term 1",
    ),
}


@pytest.mark.parametrize("history", STORED.values(), ids=STORED)
def test_what_a_majority_holds_is_committed(history: list[Told]) -> None:
    show(StateMachineSafety(), history)


@pytest.mark.parametrize(("history", "words"), NOT_STORED.values(), ids=NOT_STORED)
def test_what_is_called_committed_too_early_is_seen(history: list[Told], words: str) -> None:
    refuses(StateMachineSafety(), history, words)
