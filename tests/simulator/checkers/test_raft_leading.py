"""What a leader may do when, and who may be elected while there is one, seen from outside."""

import pytest

from interrex.core.ids import ChangeId, SlotName, WorkerName
from interrex.core.messages import ElectionMail, Routes, encode
from interrex.core.routes import RouteTable
from interrex.core.state import Change, Place, Placement, encode_change
from interrex.core.storage import AppendEntries, Entry, SaveSnapshot, Snapshot, TruncateFrom
from interrex.core.time import MS
from interrex.elections.raft import messages as m
from interrex.elections.replicated.payload import Configuration, change_data, configuration_data
from interrex.simulator.checkers.raft_elected import Elected
from interrex.simulator.checkers.raft_knowledge import Knowledge
from interrex.simulator.checkers.raft_membership import OneMembershipAtATime
from interrex.simulator.checkers.raft_placing import Placing
from interrex.simulator.checkers.raft_stickiness import Stickiness
from interrex.simulator.checkers.raft_truncation import Truncation
from interrex.worker.interface import Answer, MessageReceived, PeerJoined, PeerLeft, ReadAsked, Send

from .histories import (
    HOST,
    WEB_0,
    Told,
    handed_out,
    mail,
    number_of,
    refuses,
    show,
    step,
    three,
    written,
)
from .test_raft import beat, vote_fact, votes


def log(*terms: int, data: bytes = b"", first: int = 1) -> AppendEntries:
    """Entries of these terms, from the first index on."""
    return AppendEntries(
        tuple(Entry(index, term, data) for index, term in enumerate(terms, start=first))
    )


def hears(worker: str, leader: int, term: int, round: int = 1, now: int = 0) -> Told:
    me = number_of(worker)
    return mail(worker, m.HeartbeatAnswer(leader, me, term, round, 0, 0), now=now)


# Elected


def test_who_has_a_majority_s_votes_may_lead() -> None:
    show(Elected(), [*three(), votes("worker-2", 1, 4), beat("worker-1", 4)])


UNELECTED: dict[str, list[Told]] = {
    "nobody's votes but its own": [],
    "a vote in another term": [votes("worker-2", 1, 3)],
    "a vote for somebody else": [votes("worker-2", 3, 4)],
    "a refusal": [votes("worker-2", 1, 4, granted=False)],
}


@pytest.mark.parametrize("history", UNELECTED.values(), ids=UNELECTED)
def test_who_leads_without_a_majority_is_seen(history: list[Told]) -> None:
    refuses(Elected(), [*three(), *history, beat("worker-1", 4)], r"with the votes of \[1\]")


# Knowledge

LEADS: list[Told] = [*three(), handed_out("worker-1", log(1)), beat("worker-1", 1, commit=1)]
ASKED = step("worker-1", event=ReadAsked(7))
ANSWERED = step("worker-1", Answer(7, True, "", 1))
ROUTES = Send(WorkerName("worker-2"), Routes(RouteTable(1, 1, ())))


def test_a_read_is_answered_after_a_round_that_was_sent_later() -> None:
    round_after = [beat("worker-1", 1, commit=1, round=2), hears("worker-2", 1, 1, round=2)]
    show(Knowledge(), [*LEADS, ASKED, *round_after, ANSWERED, step("worker-1", ROUTES)])


def test_a_read_that_could_not_be_confirmed_needs_nothing() -> None:
    show(Knowledge(), [*three(), ASKED, step("worker-1", Answer(7, False, "does not lead"))])


UNPROVED: dict[str, list[Told]] = {
    "answered at once": [ASKED, ANSWERED],
    "by a round sent before": [ASKED, hears("worker-2", 1, 1), ANSWERED],
    "by a round that nobody answered": [ASKED, beat("worker-1", 1, commit=1, round=2), ANSWERED],
}


@pytest.mark.parametrize("history", UNPROVED.values(), ids=UNPROVED)
def test_a_read_without_its_round_is_seen(history: list[Told]) -> None:
    refuses(Knowledge(), [*LEADS, *history], "answered a read of")


def test_a_command_before_an_entry_of_the_own_term_is_committed_is_seen() -> None:
    history: list[Told] = [handed_out("worker-1", log(1, 2)), beat("worker-1", 2, commit=1)]
    refuses(Knowledge(), [*three(), *history, step("worker-1", ROUTES)], "only 1 of term 1")


# One change of membership at a time


def configuration(index: int, *voters: int) -> Entry:
    names = {number: WorkerName(f"worker-{number}") for number in voters}
    return Entry(index, 1, configuration_data(Configuration(names)))


FIRST = AppendEntries((configuration(1, 1, 2),))
SECOND = AppendEntries((configuration(2, 1, 2, 3),))


def test_a_configuration_that_waits_for_the_one_before_is_fine() -> None:
    stored = [written(worker, FIRST) for worker in ("worker-1", "worker-2")]
    history: list[Told] = [handed_out("worker-1", FIRST), *stored, handed_out("worker-1", SECOND)]
    show(OneMembershipAtATime(), [*three(), beat("worker-1", 1), *history])


def test_two_configurations_at_once_are_seen() -> None:
    history: list[Told] = [handed_out("worker-1", FIRST), written("worker-1", FIRST)]
    refuses(
        OneMembershipAtATime(),
        [*three(), beat("worker-1", 1), *history, handed_out("worker-1", SECOND)],
        "has the one at 1 not on disk yet",
    )


# Placing


def places(worker: str, slot: SlotName = WEB_0) -> AppendEntries:
    placement = Placement(slot, WorkerName(worker), HOST, 21000, 1, 1)
    change = Change(ChangeId("leader-1-1"), 1, (Place(placement),))
    return AppendEntries((Entry(1, 1, change_data(change.id, encode_change(change))),))


JOINED = step("worker-1", event=PeerJoined(WorkerName("worker-2"), HOST, 2))
LEFT = step("worker-1", event=PeerLeft(WorkerName("worker-2"), False))


def test_slots_go_to_connected_workers_and_to_the_leader_itself() -> None:
    history = [
        handed_out("worker-1", places("worker-2")),
        handed_out("worker-1", places("worker-1")),
    ]
    show(Placing(), [*three(), beat("worker-1", 1), JOINED, *history])


def test_a_slot_may_stay_with_a_worker_that_is_away() -> None:
    again = [LEFT, handed_out("worker-1", places("worker-2"))]
    show(
        Placing(),
        [*three(), beat("worker-1", 1), JOINED, handed_out("worker-1", places("worker-2")), *again],
    )


def test_entries_may_have_waited_for_the_disk_since_a_worker_was_there() -> None:
    history = [JOINED, LEFT, handed_out("worker-1", places("worker-2"))]
    show(Placing(), [*three(), beat("worker-1", 1), *history])


def test_a_snapshot_amid_what_waited_parts_nothing() -> None:
    snapshot = SaveSnapshot(Snapshot(0, 0, b""), 0)
    waited = handed_out("worker-1", log(1), snapshot, places("worker-2"))
    show(Placing(), [*three(), beat("worker-1", 1), JOINED, LEFT, waited])


def test_a_slot_for_a_worker_that_left_is_seen() -> None:
    history = [
        JOINED,
        LEFT,
        handed_out("worker-1", log(1)),
        handed_out("worker-1", places("worker-2")),
    ]
    refuses(Placing(), [*three(), beat("worker-1", 1), *history], "places web.0 on worker-2")


# Stickiness


def asked(worker: str, question: m.PreVote | m.RequestVote, *answers: m.Message, now: int) -> Told:
    """It takes a question from a candidate, and sends these answers in the same step."""
    sender = WorkerName(f"worker-{question.source}")
    payload = encode(ElectionMail(m.encode(question)))
    sent = [Send(sender, ElectionMail(m.encode(answer))) for answer in answers]
    return step(worker, *sent, event=MessageReceived(sender, payload), now=now)


def would_vote(worker: str, candidate: int, term: int, now: int, ended: int = 0) -> Told:
    me = number_of(worker)
    question = m.PreVote(me, candidate, term, 1, 0, 0, ended)
    return asked(worker, question, m.PreVoteAnswer(candidate, me, term, 1, True), now=now)


HELPS: dict[str, list[Told]] = {
    "who hears nobody": [would_vote("worker-2", 3, 2, now=0)],
    "who heard the leader long ago": [
        hears("worker-2", 1, 1),
        would_vote("worker-2", 3, 2, now=250 * MS),
    ],
    "whose connection to it closed": [
        hears("worker-2", 1, 1),
        step("worker-2", event=PeerLeft(WorkerName("worker-1"), False), now=MS),
        would_vote("worker-2", 3, 2, now=2 * MS),
    ],
    "who is told that it is gone": [
        hears("worker-2", 1, 1),
        would_vote("worker-2", 3, 2, now=MS, ended=1),
    ],
    "a candidate that a majority would vote for": [
        would_vote("worker-2", 3, 2, now=0),
        mail("worker-3", m.RequestVote(1, 3, 2, 1, 0, 0, 0)),
    ],
    "a candidate that knows the leader to be gone": [
        mail("worker-3", m.RequestVote(1, 3, 2, 1, 0, 0, 1))
    ],
}


@pytest.mark.parametrize("history", HELPS.values(), ids=HELPS)
def test_candidates_are_helped_by(history: list[Told]) -> None:
    show(Stickiness(), [*three(), *history])


def test_a_pre_vote_of_who_hears_the_leader_is_seen() -> None:
    history = [hears("worker-2", 1, 1), would_vote("worker-2", 3, 2, now=100 * MS)]
    refuses(Stickiness(), [*three(), *history], "hears the leader of term 1, and would vote")


def test_who_follows_a_candidate_although_it_hears_the_leader_is_seen() -> None:
    question = m.RequestVote(2, 3, 2, 1, 0, 0, 0)
    taken = asked("worker-2", question, now=100 * MS)
    follows = handed_out("worker-2", vote_fact(2, 2, 0))
    taken.effects.extend(follows.effects)  # type: ignore[union-attr]
    refuses(Stickiness(), [*three(), hears("worker-2", 1, 1), taken], "follows member 3 into 2")


def test_who_stands_for_election_unasked_is_seen() -> None:
    history = [mail("worker-3", m.RequestVote(1, 3, 2, 1, 0, 0, 0))]
    refuses(Stickiness(), [*three(), *history], r"asked were by then only \[3\]")


# Truncation

CUT = TruncateFrom(2)
LED = [
    *three(),
    handed_out("worker-1", log(1, 2)),
    beat("worker-1", 2),
    handed_out("worker-2", vote_fact(2, 2, 0)),
]


def test_what_conflicts_with_the_leader_s_log_is_cut_off() -> None:
    show(Truncation(), [*LED, handed_out("worker-2", log(1, 1)), handed_out("worker-2", CUT)])


def test_cutting_off_what_the_leader_has_too_is_seen() -> None:
    history = [*LED, handed_out("worker-2", log(1, 2)), handed_out("worker-2", CUT)]
    refuses(Truncation(), history, "cuts off 2 of term 2, which worker-1")
