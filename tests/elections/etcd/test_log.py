"""The log in etcd: written once, read in order, and cut off by snapshots."""

import pytest

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS, S
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import LEADER, LOG, PARTS, SNAPSHOT, log_key
from interrex.elections.interface import ReplaceMember, StepDown
from tests.elections.etcd.world import Fate, World

LOST_THERE = Fate(there=None)
LOST_BACK = Fate(back=None)


def puts(question: q.Question, prefix: str) -> bool:
    return isinstance(question, q.Transact) and any(
        isinstance(one, q.Put) and one.key.startswith(prefix) for one in question.success
    )


def test_changes_are_the_same_everywhere() -> None:
    world = World()
    leader = world.elect()
    for number in range(300):
        world.propose(leader.name, f"c{number}")
    world.run(S)
    assert len(leader.settled) == 300
    assert [len(server.log) for server in world.servers.values()] == [300] * 3
    world.check_logs()


def test_several_changes_go_into_one_transaction_up_to_its_limits() -> None:
    world = World(batch_entries=10, batch_bytes=1000)
    leader = world.elect()
    world.run(S)
    world.propose(leader.name, "first")
    for number in range(25):
        world.propose(leader.name, f"c{number}")
    for number in range(4):
        world.propose(leader.name, f"{number}" + "x" * 400)
    world.run(S)
    sizes = [
        len(question.success)
        for _, _, question in world.asked
        if isinstance(question, q.Transact) and puts(question, LOG)
    ]
    assert sizes == [1, 10, 10, 7, 2]
    world.check_logs()


@pytest.mark.parametrize("fate", [LOST_THERE, LOST_BACK], ids=["not done", "done"])
@pytest.mark.parametrize("watching", [True, False])
def test_a_write_of_unknown_outcome_is_settled_once(fate: Fate, watching: bool) -> None:
    losses = iter([fate])
    world = World(
        fate=lambda worker, question: (puts(question, LOG) and next(losses, None)) or Fate()
    )
    if not watching:
        world.news_delay = 3 * S
    leader = world.elect()
    world.propose(leader.name, "a")
    world.propose(leader.name, "b")
    world.run(4 * S)
    assert leader.settled == {"a": 1, "b": 2}
    assert leader.log == [b"a", b"b"]
    world.run(4 * S)
    world.check_logs()


def test_a_deposed_leaders_write_is_not_done_and_not_acknowledged() -> None:
    """It is on its way while another begins to lead: the guard keeps it out."""
    slow = [False]

    def fate(worker: WorkerName, question: q.Question) -> Fate:
        return Fate(there=10 * S) if slow[0] and puts(question, LOG) else Fate()

    world = World(fate=fate)
    leader = world.elect()
    slow[0] = True
    world.propose(leader.name, "late")
    slow[0] = False
    world.store.answer(q.Revoke(world.store.keys[LEADER].lease), world.now)
    world.run(S)
    assert leader.settled["late"] is None
    successor = world.elect()
    world.propose(successor.name, "new")
    world.run(20 * S)
    assert [server.log for server in world.servers.values()] == [[b"new"]] * 3
    world.check_logs()


def test_a_write_that_was_done_just_before_the_end_is_in_the_successors_log() -> None:
    """Whether it was done its leader never learns; whoever leads next has it."""
    lost = [False]

    def fate(worker: WorkerName, question: q.Question) -> Fate:
        return Fate(back=None) if lost[0] and puts(question, LOG) else Fate()

    world = World(fate=fate)
    leader = world.elect()
    lost[0] = True
    world.news_delay = S
    world.propose(leader.name, "a")
    world.run_until(lambda: log_key(1) in world.store.keys)
    world.kill(leader.name)
    successor = world.elect()
    assert successor.log == [b"a"]
    world.propose(successor.name, "b")
    lost[0] = False
    world.run(5 * S)
    world.check_logs()
    assert successor.log == [b"a", b"b"]


def test_a_snapshot_takes_the_place_of_the_log_before_it() -> None:
    world = World(snapshot_after=10, part_bytes=16)
    leader = world.elect()
    for number in range(25):
        world.propose(leader.name, f"change-{number}")
        world.run(20 * MS)
    world.run(S)
    assert SNAPSHOT in world.store.keys
    left = [key for key in world.store.keys if key.startswith(LOG)]
    assert 5 <= len(left) < 10
    parts = {key.split("/")[1] for key in world.store.keys if key.startswith(PARTS)}
    assert len(parts) == 1
    world.kill("w3")
    world.restart("w3")
    world.run(S)
    assert world["w3"].restored == 1
    assert len(world["w3"].log) == 25
    world.check_logs()


@pytest.mark.parametrize("fate", [LOST_THERE, LOST_BACK], ids=["not done", "done"])
def test_a_snapshot_of_unknown_outcome_does_no_harm(fate: Fate) -> None:
    losses = iter([fate] * 3)

    def lossy(worker: WorkerName, question: q.Question) -> Fate:
        is_snapshot = puts(question, SNAPSHOT) or puts(question, PARTS)
        return (next(losses, None) if is_snapshot else None) or Fate()

    world = World(fate=lossy, snapshot_after=5, part_bytes=8)
    leader = world.elect()
    for number in range(40):
        world.propose(leader.name, f"c{number}")
        world.run(300 * MS)
    world.kill("w1")
    world.restart("w1")
    world.run(5 * S)
    assert len(world["w1"].log) == 40
    world.check_logs()


def test_a_late_snapshot_does_not_replace_a_newer_one() -> None:
    """An attempt that was given up lands long after its leader has made another."""
    lates = [Fate(late=8 * S)]

    def fate(worker: WorkerName, question: q.Question) -> Fate:
        return lates.pop() if lates and puts(question, SNAPSHOT) else Fate()

    world = World(fate=fate, snapshot_after=5)
    leader = world.elect()
    for number in range(25):
        world.propose(leader.name, f"c{number}")
        world.run(200 * MS)
    assert not lates
    head = world.store.keys[SNAPSHOT]
    world.run(20 * S)
    assert world.store.keys[SNAPSHOT] == head
    world.kill("w1")
    world.restart("w1")
    world.run(5 * S)
    assert len(world["w1"].log) == 25
    world.check_logs()


def test_a_lost_watch_goes_on_where_it_ended() -> None:
    world = World()
    leader = world.elect()
    world.run(S)
    other = next(server for server in world.servers.values() if server is not leader)
    world.propose(leader.name, "a")
    world.run(S)
    world.lose_watch(other)
    world.propose(leader.name, "b")
    world.run(S)
    assert other.log == [b"a", b"b"]
    assert other.restored == 0


def test_a_watch_whose_past_is_compacted_reads_everything_anew() -> None:
    world = World(snapshot_after=4)
    leader = world.elect()
    world.run(S)
    other = next(server for server in world.servers.values() if server is not leader)
    world.propose(leader.name, "a")
    world.run(S)
    other.watch = None
    world.stop(other.name)
    for number in range(9):
        world.propose(leader.name, f"c{number}")
        world.run(100 * MS)
    world.store.compact()
    world.go_on(other.name)
    world.lose_watch(other, compacted=True)
    other.watch = (0, 0)
    world.lose_watch(other)
    world.run(10 * S)
    assert len(other.log) == 10
    assert other.restored == 1
    world.check_logs()


def test_a_watch_that_is_silently_dead_is_noticed() -> None:
    """Nothing says that it is over; only looking does."""
    world = World()
    leader = world.elect()
    world.run(S)
    other = next(server for server in world.servers.values() if server is not leader)
    other.watch = None
    world.propose(leader.name, "a")
    world.run(10 * S)
    assert other.log == [b"a"]
    world.kill(leader.name, proved=False)
    world.run(20 * S)
    assert world.leader is not None


def test_a_worker_that_starts_reads_what_is_there_before_it_leads() -> None:
    world = World(1)
    leader = world.elect()
    for number in range(30):
        world.propose(leader.name, f"c{number}")
    world.run(S)
    world.kill("w1")
    world.restart("w1")
    world.elect()
    assert len(leader.log) == 30


def test_nobody_leads_while_etcd_lacks_what_was_acknowledged() -> None:
    world = World()
    leader = world.elect()
    for number in range(3):
        world.propose(leader.name, f"c{number}")
    world.run(S)
    kept = dict(world.store.keys)
    for server in world.servers.values():
        server.watch = None
    world.store.answer(q.Transact((), (q.Delete("", "\x7f"),)), world.now)
    world.run(30 * S)
    assert world.leader is None
    assert "etcd has lost changes: 3 were acknowledged, it has 0" in {
        change.reason for server in world.servers.values() for change in server.changes
    }
    back = tuple(q.Put(key, entry.value) for key, entry in kept.items() if key.startswith(LOG))
    world.store.answer(q.Transact((), back), world.now)
    world.elect()
    world.check_logs()


def test_nobody_leads_after_etcd_was_set_back() -> None:
    world = World()
    leader = world.elect()
    world.run(S)
    earlier = (world.store.revision, dict(world.store.keys))
    world.step(leader, StepDown(None))
    successor = world.elect()
    world.run(S)
    world.store.revision, world.store.keys = earlier[0], dict(earlier[1])
    world.store.keys.pop(LEADER)
    world.store.history.clear()
    for server in world.servers.values():
        world.lose_watch(server, compacted=True)
    world.run(200 * MS)
    assert world.leader is None
    assert not successor.election.leading
    assert any("etcd was set back" in change.reason for change in successor.changes)


def test_whoever_is_to_leave_is_no_member_any_more() -> None:
    world = World()
    leader = world.elect()
    world.run(S)
    assert [one.worker for one in leader.election.members] == ["w1", "w2", "w3"]
    other = next(server for server in world.servers.values() if server is not leader)
    world.step(leader, ReplaceMember(ChangeId("m"), other.name, None))
    assert other.name not in [one.worker for one in leader.election.members]
    assert leader.settled["m"] is not None
    world.step(leader, ReplaceMember(ChangeId("n"), other.name, 7))
    assert other.name in [one.worker for one in leader.election.members]
    world.step(leader, ReplaceMember(ChangeId("o"), leader.name, None))
    assert world.elect() is not leader
