"""Extended paper, sections 5.3 and 5.4: log replication and its safety. One rule a test."""

import msgspec
import pytest

from interrex.core.errors import InvariantViolation
from interrex.core.storage import AppendEntries, Stored
from interrex.core.time import MS
from interrex.elections.interface import Persist, Persisted
from interrex.elections.raft import messages as m
from interrex.elections.raft.node import VOTE, StoredVote

from .network import Network
from .solo import Solo, change, stored


def leader(size: int = 3, disk: Stored | None = None, *, persists: bool = True) -> Solo:
    server = Solo(size, stored=disk)
    server.become_leader()
    server.commit_noop()
    server.persists = persists
    return server


def appends(server: Solo) -> list[tuple[int, int, int, list[int]]]:
    return [
        (one.target, one.prev_index, one.prev_term, [entry.index for entry in one.entries])
        for one in server.taken(m.AppendEntries)
    ]


def test_a_proposal_is_appended_stored_and_sent_to_all_in_parallel() -> None:
    """5.3: the leader appends the command as a new entry and issues AppendEntries in parallel;
    each holds index and term of the entry right before."""
    server = leader(persists=False)
    server.propose("a")
    assert appends(server) == [(2, 1, 1, [2]), (3, 1, 1, [2])]
    records = server.said(Persist)[-1].records
    assert [one for one in records if isinstance(one, AppendEntries)]


@pytest.mark.parametrize(
    ("size", "acknowledged", "committed"),
    [(3, [], False), (3, [2], True), (5, [2], False), (5, [2, 3], True), (7, [2, 3, 4], True)],
)
def test_an_entry_is_committed_on_a_majority(
    size: int, acknowledged: list[int], committed: bool
) -> None:
    """5.3: committed once the leader that created it has replicated it on a majority."""
    server = leader(size)
    server.propose("a")
    for member in acknowledged:
        server.accept(member, 2)
    assert server.settled.get("a") == (2 if committed else None)
    assert bool(server.committed) is committed


def test_a_leader_counts_itself_only_when_its_own_disk_has_the_entry() -> None:
    """5.3 with thesis 10.2.1: replicated in parallel with its own write, never counted before."""
    server = leader(5, persists=False)
    server.propose("a")
    server.accept(2, 2)
    server.accept(3, 2)
    assert server.settled == {}
    server.write()
    assert server.settled == {"a": 2}


def test_an_entry_may_be_committed_without_the_leaders_own_disk() -> None:
    """Thesis 10.2.1: a majority of followers is a majority."""
    server = leader(3, persists=False)
    server.propose("a")
    server.accept(2, 2)
    server.accept(3, 2)
    assert server.settled == {"a": 2}


def test_committing_an_entry_commits_all_before_it_also_of_older_leaders() -> None:
    """5.3: this also commits all preceding entries, those of previous leaders included."""
    server = Solo(stored=stored(1, 1, 2))
    server.become_leader()
    assert server.committed == []
    server.commit_noop()
    assert server.committed == [b"1.1", b"2.1", b"3.2"]


def test_followers_learn_what_is_committed_and_apply_it_in_order() -> None:
    """5.3: once a follower learns that an entry is committed, it applies it, in log order."""
    server = Solo()
    server.hear(2, 1, change(1, 1), change(2, 1), change(3, 1))
    assert server.committed == []
    server.hear(2, 1, prev=3, commit=2)
    assert server.committed == [b"1.1", b"2.1"]


def test_the_leader_tells_idle_followers_the_commit_index() -> None:
    """5.3: it includes the highest committed index so that others find out (here at once)."""
    server = leader()
    server.propose("a")
    server.accept(2, 2)
    server.accept(3, 2)
    told = {one.target: one.commit for one in server.taken(m.Advance)}
    assert told == {2: 2, 3: 2}


def test_a_lost_append_is_sent_again_for_ever() -> None:
    """5.3: if messages are lost, the leader retries indefinitely."""
    server = leader()
    server.propose("a")
    server.take()
    for number in range(3, 8):
        server.pass_time(server.settings.heartbeat)
        beats = [one for one in server.taken(m.Heartbeat) if one.target == 2]
        if not beats:
            continue
        server.receive(m.HeartbeatAnswer(1, 2, 1, beats[-1].round, 1, 1))
        server.receive(m.HeartbeatAnswer(1, 3, 1, beats[-1].round, 1, 1))
        assert (2, 1, 1, [2]) in appends(server), f"not in round {number}"


def test_a_follower_that_doubted_its_leader_learns_what_is_committed_without_news() -> None:
    """5.3: it may commit only what it has verified, and began anew with that in the same term."""
    server = leader()
    server.propose("a")
    server.accept(2, 2)
    server.accept(3, 2)
    server.pass_time(server.settings.heartbeat)
    (beat,) = [one for one in server.taken(m.Heartbeat) if one.target == 2]
    server.receive(m.HeartbeatAnswer(1, 2, 1, beat.round, 2, 2))
    assert appends(server) == []
    server.pass_time(server.settings.heartbeat)
    (beat,) = [one for one in server.taken(m.Heartbeat) if one.target == 2]
    server.receive(m.HeartbeatAnswer(1, 2, 1, beat.round, 1, 1))
    assert (2, 2, 1, []) in appends(server)


def test_a_follower_refuses_what_does_not_fit_its_log() -> None:
    """5.3: no entry with the same index and term before the new ones: it refuses them."""
    server = Solo(stored=stored(1, 1))
    server.receive(m.AppendEntries(1, 2, 3, 5, 2, 0, (), (change(6, 3),)))
    assert [(one.prev_index, one.hint_index) for one in server.taken(m.AppendRefused)] == [(5, 2)]
    assert server.log == [(1, 1), (2, 1)]


def test_conflicting_entries_are_deleted_with_all_that_follow() -> None:
    """5.3, figure 7: the leader forces followers' logs to duplicate its own."""
    server = Solo(stored=stored(1, 1, 2, 2, 2))
    server.hear(2, 3, change(3, 3), prev=2)
    assert server.log == [(1, 1), (2, 1), (3, 3)]


def test_entries_that_are_there_already_are_left_alone() -> None:
    """5.3: only conflicts truncate; a repeated or overtaken AppendEntries takes nothing away."""
    server = Solo()
    entries = [change(index, 1) for index in (1, 2, 3)]
    server.hear(2, 1, *entries)
    server.hear(2, 1, entries[0])
    server.hear(2, 1)
    assert server.log == [(1, 1), (2, 1), (3, 1)]


@pytest.mark.parametrize(
    "terms",
    [
        (1, 1, 1, 4, 4, 5, 5, 6, 6),
        (1, 1, 1, 4),
        (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
        (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
        (1, 1, 1, 4, 4, 4, 4),
        (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
    ],
)
def test_every_follower_of_figure_7_is_brought_into_line(terms: tuple[int, ...]) -> None:
    """5.3, figure 7, followers (a) to (f)."""
    network = Network(3)
    ours = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
    for number, log, member in ((1, ours, 1), (2, terms, 2), (3, ours[:5], 3)):
        found = stored(*log, term=7, member=member)
        network[number].disk.facts.update(found.facts)
        network[number].disk.entries = list(found.entries)
    network.partition([1, 3], [2])
    network.start()
    network.run_until(lambda: network[1].raft.leading or network[3].raft.leading)
    assert network[1].raft.leading
    sent = len(network[2].disk.entries)
    network.heal()
    network.run(300 * MS)
    logs = [[(one.index, one.epoch) for one in network[n].disk.entries] for n in (1, 2, 3)]
    assert logs[0] == logs[1] == logs[2]
    assert sent == len(terms)


def test_a_refused_append_goes_back_a_whole_term_at_once() -> None:
    """5.3: with the conflicting term in the answer, one message per term is enough."""
    disk = stored(1, 1, *[3] * 50)
    server = Solo(stored=disk)
    server.become_leader()
    server.take()
    server.receive(m.AppendRefused(1, 2, 4, 52, 40, 2))
    assert appends(server) == [(2, 2, 1, list(range(3, 54)))]


def test_a_follower_skips_terms_that_cannot_match() -> None:
    """5.3, the same from the follower's side."""
    server = Solo(stored=stored(1, 3, 4, 4, 4, 5, 5))
    server.receive(m.AppendEntries(1, 2, 7, 6, 3, 0, (), ()))
    assert [(one.hint_index, one.hint_term) for one in server.taken(m.AppendRefused)] == [(2, 3)]


def test_a_leader_never_overwrites_its_own_log() -> None:
    """5.3: leader append-only."""
    disk = stored(1, 2, 2)
    server = Solo(stored=disk)
    server.become_leader()
    server.propose("a")
    server.receive(m.AppendRefused(1, 2, 3, 3, 0, 0))
    assert server.log[:3] == [(1, 1), (2, 2), (3, 2)]


@pytest.mark.parametrize(
    ("last", "last_term", "granted"),
    [(3, 2, True), (9, 2, True), (1, 3, True), (2, 2, False), (99, 1, False), (0, 0, False)],
)
def test_a_vote_goes_only_to_a_log_that_is_as_up_to_date(
    last: int, last_term: int, granted: bool
) -> None:
    """5.4.1: the later last term is more up to date; with the same term, the longer log."""
    server = Solo(stored=stored(1, 2, 2, term=4))
    assert server.ask(2, 5, last, last_term) is granted


def test_a_request_for_votes_says_where_the_log_ends() -> None:
    """5.4.1: RequestVote includes information about the candidate's log."""
    request = Solo(stored=stored(1, 2, 2)).become_candidate()
    assert (request.last_index, request.last_term) == (3, 2)


def test_entries_of_older_terms_are_not_committed_by_counting() -> None:
    """5.4.2: only entries of the leader's current term are committed by counting replicas."""
    server = Solo(5, stored=stored(1, 2))
    server.become_leader()
    server.accept(2, 2)
    server.accept(3, 2)
    assert server.committed == []
    server.accept(2, 3)
    server.accept(3, 3)
    assert server.committed == [b"1.1", b"2.2"]


def test_figure_8_an_old_entry_on_a_majority_may_still_be_overwritten() -> None:
    """5.4.2, figure 8, (a) to (d): what was not reported committed may go, and only that."""
    logs = {1: (1, 2, 4), 2: (1, 2), 3: (1, 2), 4: (1,), 5: (1, 3)}
    servers = {}
    for member, terms in logs.items():
        found = stored(*terms, term=4, member=member)
        servers[member] = Solo(5, stored=found, member=member)
    for member in (2, 3, 4):
        assert servers[member].ask(5, 5, 2, 3), "S5 wins with the later last term"
        servers[member].hear(5, 5, change(2, 3), prev=1)
        assert servers[member].log == [(1, 1), (2, 3)]


def test_what_is_committed_is_never_truncated() -> None:
    """Figure 3, state machine safety: a leader that asks for it stops the node instead."""
    server = Solo()
    server.hear(2, 1, change(1, 1), commit=1)
    node = server.core._server.node
    with pytest.raises(InvariantViolation, match="never truncated"):
        node.truncate(1)


def test_an_acknowledgement_waits_for_the_disk() -> None:
    """Figure 2: what an answer promises is on stable storage."""
    server = Solo(persists=False)
    server.hear(2, 1, change(1, 1))
    assert server.taken(m.AppendAccepted) == []
    server.write()
    assert [one.matched for one in server.taken(m.AppendAccepted)] == [1]


def test_one_answer_acknowledges_all_that_arrived_during_a_write() -> None:
    """Group commit on the follower's side: bounded answers."""
    server = Solo(persists=False)
    for index in range(1, 20):
        server.hear(2, 1, change(index, 1), prev=index - 1)
    server.write()
    assert [one.matched for one in server.taken(m.AppendAccepted)] == [1, 19]
    assert len(server.said(Persist)) == 2


def test_an_older_writes_answer_is_not_taken_for_newer_entries() -> None:
    """A truncation between a write and its answer: the answer is about other entries."""
    server = Solo(persists=False)
    server.hear(2, 1, change(1, 1), change(2, 1), change(3, 1))
    server.hear(3, 2, change(2, 2), change(3, 2), prev=1)
    persist = server.writing.pop(0)
    for record in persist.records:
        server.disk.write(record)
    server.take()
    server.step(Persisted(persist.token))
    assert all(one.matched <= 1 for one in server.taken(m.AppendAccepted))
    server.write()
    assert server.taken(m.AppendAccepted)[-1].matched == 3


def test_proposals_during_a_write_leave_in_the_next_one() -> None:
    """Group commit on the leader's side: one write and one message for many proposals."""
    server = leader(persists=False)
    for number in range(64):
        server.propose(f"c{number}")
    assert len(server.writing) == 1
    assert [len(one[3]) for one in appends(server)] == [1, 1]
    server.accept(2, 2)
    assert [len(one[3]) for one in appends(server)] == [63]
    server.write()
    assert len(server.disk.entries) == 65


def test_a_follower_crash_loses_nothing_that_was_acknowledged() -> None:
    """5.5: servers restart from what is on their disks; messages may be repeated safely."""
    server = Solo(persists=False)
    server.hear(2, 1, change(1, 1))
    server.write()
    server.hear(2, 1, change(2, 1), prev=1)
    again = Solo(stored=server.disk.stored())
    assert again.log == [(1, 1)]
    again.hear(2, 1, change(1, 1), change(2, 1))
    assert again.log == [(1, 1), (2, 1)]


def test_a_disk_of_another_member_is_refused() -> None:
    """A log votes under the id that it was written under, and no other."""
    fact = msgspec.msgpack.encode(StoredVote(9, 3, 0))
    with pytest.raises(InvariantViolation, match="member 9's"):
        Solo(stored=Stored({VOTE: fact}))


def test_a_vote_that_cannot_be_read_stops_the_server() -> None:
    """Fault 24: it refuses to vote and says so."""
    with pytest.raises(InvariantViolation, match="cannot be read"):
        Solo(stored=Stored({VOTE: b"\xff"}))
