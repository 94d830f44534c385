"""Section 6 and thesis chapter 4: cluster membership changes, one server at a time."""

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.storage import Entry
from interrex.core.time import MS
from interrex.elections.interface import ConfirmRead, ReplaceMember
from interrex.elections.raft import RaftSettings
from interrex.elections.raft import messages as m
from interrex.elections.raft.changes import next_configuration
from interrex.elections.replicated.changes import CatchUp, Outcome
from interrex.elections.replicated.payload import Configuration, configuration_data

from .network import Network, Server
from .solo import Solo, change, voters, worker


def replace(network: Network, change: str, name: str, member: int | None) -> Server:
    leader = network.elect()
    network.step(leader, ReplaceMember(ChangeId(change), WorkerName(name), member))
    return leader


def settle(network: Network, leader: Server, change: str) -> int | None:
    network.run_until(lambda: leader.settled.get(ChangeId(change)))
    return leader.settled[ChangeId(change)][0][0]


def names(server: Server) -> list[tuple[str, int]]:
    return [(one.worker, one.member) for one in server.raft.members]


def configuration(index: int, term: int, members: int, learners: int = 0) -> Entry:
    config = Configuration(voters(members), {learners: worker(learners)} if learners else {})
    return Entry(index, term, configuration_data(config))


def test_a_lost_log_is_replaced_by_a_new_member_that_knows_everything() -> None:
    """A worker's name and its member id are two things: a lost log means a new id."""
    network = Network(3)
    network.start()
    leader = network.elect()
    network.propose(leader, "a")
    network.run(50 * MS)
    lost = network.followers(leader)[0]
    network.kill(lost)
    joined = network.join(int(lost.name[1:]), 10)
    assert not joined.raft.members
    network.step(leader, ReplaceMember(ChangeId("r"), lost.name, 10))
    assert settle(network, leader, "r") is not None
    network.run(50 * MS)
    assert joined.data == [b"a"]
    assert (lost.name, 10) in names(leader)
    assert len(names(leader)) == 3
    assert names(joined) == names(leader)


def test_without_genesis_or_configuration_a_server_never_campaigns() -> None:
    """A server that is no member waits to be added (6)."""
    network = Network(1)
    network.start()
    joined = network.join(2, 20)
    network.run(5_000 * MS)
    assert (joined.raft.wake_at, joined.raft.epoch) == (None, 0)


def test_a_new_server_catches_up_before_it_counts() -> None:
    """Thesis 4.2.1: it is a non-voting member until it is close to the leader's log."""
    network = Network(3)
    network.start()
    leader = network.elect()
    network.step(leader, ReplaceMember(ChangeId("r"), WorkerName("w4"), 4))
    network.run(1_000 * MS)
    membership = leader.raft._server.node.membership
    assert (sorted(membership.voters), sorted(membership.current.learners)) == ([1, 2, 3], [4])
    assert leader.settled == {}
    joined = network.join(4, 4)
    assert settle(network, leader, "r") is not None
    assert sorted(leader.raft._server.node.membership.voters) == [1, 2, 3, 4]
    assert joined.raft.leader == leader.name


def test_catching_up_is_judged_by_rounds() -> None:
    """Thesis 4.2.1: a round that took less than an election time-out is short enough."""
    catch_up = CatchUp(target=100, now=0)
    assert not catch_up.is_close(50, 100, 10, timeout=200)
    assert not catch_up.is_close(100, 180, 1_000, timeout=200), "that round took too long"
    assert catch_up.is_close(180, 190, 1_100, timeout=200)


def test_a_new_server_that_never_answers_is_given_up() -> None:
    """Thesis 4.2.1: an unavailable new server must not block the cluster for ever."""
    settings = RaftSettings(catch_up_timeout=500 * MS)
    network = Network(3, settings=settings)
    network.start()
    leader = replace(network, "r", "w4", 4)
    assert settle(network, leader, "r") is None
    network.propose(leader, "a")
    network.run(50 * MS)
    assert leader.settled[ChangeId("a")][0][0] is not None


def test_a_server_uses_the_latest_configuration_in_its_log() -> None:
    """6: it takes effect as soon as it is in the log, committed or not."""
    server = Solo(3)
    server.hear(2, 1, configuration(1, 1, 4))
    assert [one.member for one in server.core.members] == [1, 2, 3, 4]


def test_a_truncated_configuration_falls_out_again() -> None:
    """Thesis 4.1: a server falls back to the previous configuration in its log."""
    server = Solo(3)
    server.hear(2, 1, configuration(1, 1, 4))
    server.hear(3, 2, change(1, 2))
    assert [one.member for one in server.core.members] == [1, 2, 3]


def test_a_configuration_is_found_again_after_a_restart() -> None:
    """Thesis 4.1: configurations live in the log."""
    server = Solo(3)
    server.hear(2, 1, configuration(1, 1, 4))
    again = Solo(3, stored=server.disk.stored())
    assert [one.member for one in again.core.members] == [1, 2, 3, 4]


def test_membership_waits_for_an_entry_of_the_leaders_own_term() -> None:
    """raft-dev, 2015-07-10: without it, changes across a leader change form disjoint quorums."""
    server = Solo(3)
    server.become_leader()
    server.step(ReplaceMember(ChangeId("r"), worker(3), None))
    assert [entry.data for entry in server.disk.entries] == [b""]
    server.commit_noop()
    assert [one.member for one in server.core.members] == [1, 2]


def test_membership_changes_go_one_after_the_other() -> None:
    """Thesis 4.1: the next one only when the one before is committed."""
    server = Solo(5)
    server.become_leader()
    server.commit_noop()
    server.step(ReplaceMember(ChangeId("r4"), worker(4), None))
    server.step(ReplaceMember(ChangeId("r5"), worker(5), None))
    assert [one.member for one in server.core.members] == [1, 2, 3, 5]
    server.accept(2, 2)
    server.accept(3, 2)
    assert server.settled == {"r4": 2}
    assert [one.member for one in server.core.members] == [1, 2, 3]


def test_two_changes_across_a_leader_change_keep_their_quorums_together() -> None:
    """Fault 12, the schedule of raft-dev 2015-07-10 on four servers.

    S1 appends the removal of S4 and is cut off; S2 leads with S3 and S4 and removes S1. The rule
    of the own term makes S2 commit an entry first, so S1's removal of S4 can never be committed.
    """
    network = Network(4)
    network.start()
    first = network.elect()
    others = network.followers(first)
    numbers = [int(server.name[1:]) for server in others]
    network.partition([int(first.name[1:])], numbers)
    network.step(first, ReplaceMember(ChangeId("x"), others[2].name, None))
    network.run(1_000 * MS)
    second = network.leader()
    assert second is not None
    assert second is not first
    network.step(second, ReplaceMember(ChangeId("y"), first.name, None))
    assert settle(network, second, "y") is not None
    network.heal()
    network.run(1_000 * MS)
    assert first.settled[ChangeId("x")][0][0] is None
    leaders = [server for server in network.alive() if server.raft.leading]
    assert len(leaders) == 1
    assert first.name not in [name for name, _ in names(leaders[0])]


def test_a_leader_that_removes_itself_steps_down_once_that_is_committed() -> None:
    """Thesis 4.2.2: it manages the cluster meanwhile without counting itself."""
    network = Network(3)
    network.start()
    leader = network.elect()
    old_name = leader.name
    network.step(leader, ReplaceMember(ChangeId("r"), leader.name, None))
    assert settle(network, leader, "r") is not None
    assert not leader.raft.leading
    rest = network.followers(leader)
    network.run_until(lambda: any(server.raft.leading for server in rest))
    assert network.now < 1_000 * MS, "it handed over instead of leaving a gap"
    assert all(old_name not in dict(names(server)) for server in rest)


def test_a_leader_does_not_count_itself_towards_its_own_removal() -> None:
    """Thesis 4.2.2: the majority is one of the new configuration."""
    server = Solo(3)
    server.become_leader()
    server.commit_noop()
    server.step(ReplaceMember(ChangeId("r"), worker(1), None))
    server.accept(2, 2)
    assert server.settled == {}
    server.accept(3, 2)
    assert server.settled == {"r": 2}


def test_a_server_whose_removal_is_not_committed_still_stands() -> None:
    """Thesis 4.2.2: the entry may be on its disk only, then nobody else can win."""
    network = Network(2)
    network.start()
    leader = network.elect()
    network.run(50 * MS)
    other = network.followers(leader)[0]
    network.cut.add((leader.name, other.name))
    network.step(leader, ReplaceMember(ChangeId("r"), leader.name, None))
    network.run(5 * MS)
    network.kill(leader)
    network.boot(leader)
    network.heal()
    network.run(3_000 * MS)
    assert other.raft.leading
    assert names(other) == [(other.name, other.member)]


def test_a_removed_server_that_keeps_campaigning_is_ignored() -> None:
    """6, fault 11: servers that hear a leader leave disruptive candidates unanswered."""
    network = Network(4)
    network.start()
    leader = network.elect()
    removed = network.followers(leader)[0]
    network.cut |= {(server.name, removed.name) for server in network.alive()}
    network.step(leader, ReplaceMember(ChangeId("r"), removed.name, None))
    assert settle(network, leader, "r") is not None
    term = leader.raft.epoch
    network.run(10_000 * MS)
    assert (leader.raft.leading, leader.raft.epoch) == (True, term)
    assert removed.raft.epoch == term


def test_a_candidate_outside_the_own_configuration_may_get_a_vote() -> None:
    """Thesis 4.1: the voter may be the one that has not learned of the new server yet."""
    assert Solo(2).ask(3, 5)


def test_a_vote_of_a_stranger_does_not_count() -> None:
    """Only members of the candidate's configuration make its majority."""
    server = Solo(3)
    request = server.become_candidate()
    for stranger in (7, 8, 9):
        server.receive(m.Vote(1, stranger, 1, request.round, granted=True))
    assert server.role == "candidate"


def test_mail_for_another_member_id_is_not_ours() -> None:
    """A worker that came back under a new id does not answer for its old one."""
    server = Solo(3, member=1)
    server.take()
    server.receive(m.RequestVote(99, 2, 5, 7, 99, 99, 0))
    assert (server.take(), server.core.epoch) == ([], 0)


def test_mail_under_a_strange_name_is_not_a_members() -> None:
    """A member id belongs to the worker that the configuration names."""
    from interrex.elections.interface import PayloadReceived

    server = Solo(3)
    payload = m.encode(m.RequestVote(1, 2, 5, 7, 99, 99, 0))
    server.step(PayloadReceived(WorkerName("w3"), payload))
    assert server.core.epoch == 0


def test_the_last_voter_cannot_be_removed() -> None:
    server = Solo(1)
    server.step(ReplaceMember(ChangeId("r"), worker(1), None))
    assert server.settled == {"r": None}
    assert [one.member for one in server.core.members] == [1]


def test_a_member_id_of_another_worker_is_refused() -> None:
    server = Solo(3)
    server.become_leader()
    server.commit_noop()
    server.step(ReplaceMember(ChangeId("r"), worker(3), 2))
    assert server.settled == {"r": None}


def test_more_than_seven_voters_are_refused() -> None:
    server = Solo(7)
    server.become_leader()
    server.commit_noop()
    server.step(ReplaceMember(ChangeId("r"), worker(8), 8))
    assert server.settled == {"r": None}


def test_a_change_that_is_already_so_is_settled_at_once() -> None:
    server = Solo(3)
    server.become_leader()
    server.commit_noop()
    server.step(ReplaceMember(ChangeId("r"), worker(3), 3))
    assert server.settled == {"r": 0}


def test_every_step_adds_or_removes_at_most_one_voter() -> None:
    """Thesis 4.1, over the whole way of a replacement."""
    now = Configuration(voters(3))
    steps = []
    while True:
        step = next_configuration(now, worker(3), 30, caught_up=True)
        if isinstance(step, Outcome):
            break
        assert len(step.voters.keys() ^ now.voters.keys()) <= 1
        steps.append((sorted(step.voters), sorted(step.learners)))
        now = step
    assert step is Outcome.DONE
    assert steps == [([1, 2, 3], [30]), ([1, 2], [30]), ([1, 2, 30], [])]


def test_a_deposed_leader_says_that_it_cannot_tell() -> None:
    server = Solo(3)
    server.become_leader()
    server.commit_noop()
    server.propose("a")
    server.step(ReplaceMember(ChangeId("r"), worker(3), None))
    server.step(ConfirmRead(5))
    server.hear(2, 9)
    assert server.settled == {"a": None, "r": None}
