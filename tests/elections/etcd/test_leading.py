"""Who leads by etcd, from when on, and until when."""

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import CANDIDATES, LEADER
from interrex.elections.interface import ConfirmRead
from tests.elections.etcd.world import Fate, World

LOST_THERE = Fate(there=None)
LOST_BACK = Fate(back=None)


def is_claim(question: q.Question) -> bool:
    return isinstance(question, q.Transact) and any(
        isinstance(one, q.Put) and one.key == LEADER for one in question.success
    )


def test_the_epoch_is_the_revision_of_the_winning_transaction() -> None:
    world = World()
    leader = world.elect()
    key = world.store.keys[LEADER]
    assert leader.election.epoch == key.created == key.modified
    assert leader.election.leading
    world.run(S)
    assert {server.election.leader for server in world.servers.values()} == {leader.name}
    assert {server.election.epoch for server in world.servers.values()} == {key.created}


def test_nobody_leads_before_its_transaction_is_known_to_have_succeeded() -> None:
    slow = {"w1": 400 * MS}
    world = World(
        1, fate=lambda worker, question: Fate(back=slow[worker] if is_claim(question) else MS)
    )
    world.run_until(lambda: LEADER in world.store.keys)
    world.run(300 * MS)
    assert world.leader is None
    world.run(200 * MS)
    assert world.leader is not None


@pytest.mark.parametrize("fate", [LOST_THERE, LOST_BACK], ids=["not done", "done"])
def test_a_claim_of_unknown_outcome_is_cleared_up(fate: Fate) -> None:
    """Its lease in the leader's key says that it was done after all."""
    losses = iter([fate])
    world = World(
        1, fate=lambda worker, question: (is_claim(question) and next(losses, None)) or Fate()
    )
    leader = world.elect()
    assert leader.election.epoch == world.store.keys[LEADER].created
    assert len(world.epochs) == 1


def test_anothers_transaction_may_come_first() -> None:
    late = {"w1": 50 * MS, "w2": MS}
    world = World(
        2,
        fate=lambda worker, question: Fate(there=late[worker] if is_claim(question) else MS),
        stagger=1,
    )
    assert world.elect().name == "w2"
    world.run(S)
    assert world["w1"].election.leader == "w2"
    assert list(world.epochs.values()) == ["w2"]


def test_a_leader_stops_before_its_unrenewed_lease_runs_out() -> None:
    """Counted from when the last answered keep-alive was asked, by the time that was granted."""
    cut = set[WorkerName]()
    world = World(3, fate=lambda worker, question: LOST_THERE if worker in cut else Fate())
    leader = world.elect()
    world.run(10 * S)
    cut.add(leader.name)
    lease = world.store.keys[LEADER].lease
    world.run_until(lambda: not leader.election.leading)
    assert lease in world.store.leases
    _, end = world.store.leases[lease]
    assert 0 < end - world.now < S
    assert leader.election.leader is None
    successor = world.elect()
    assert successor is not leader
    assert world.now >= end


def test_lost_answers_to_keep_alives_do_not_prolong_a_leadership() -> None:
    """etcd goes on renewing the lease, but its holder does not know that: fault 28."""
    deaf = set[WorkerName]()
    world = World(3, fate=lambda worker, question: LOST_BACK if worker in deaf else Fate())
    leader = world.elect()
    world.run(10 * S)
    began = world.now
    deaf.add(leader.name)
    world.run_until(lambda: not leader.election.leading)
    assert world.now - began <= 5 * S


def test_a_lease_that_ran_out_unseen_ends_a_leadership_at_the_next_step() -> None:
    """A stopped leader wakes after its deadline: whatever it hears first, it does not lead."""
    world = World()
    leader = world.elect()
    world.stop(leader.name)
    world.run(20 * S)
    successor = world.elect()
    assert successor is not leader
    world.propose(successor.name, "a")
    world.go_on(leader.name)
    assert not leader.election.leading
    world.propose(leader.name, "b")
    assert leader.settled["b"] is None
    world.run(10 * S)
    assert world.leader is successor
    assert leader.election.leader == successor.name
    world.check_logs()


def test_proof_of_death_ends_exactly_the_dead_ones_lease() -> None:
    world = World()
    leader = world.elect()
    world.run(10 * S)
    dead = world.store.keys[LEADER].lease
    others = set(world.store.leases) - {dead}
    begin = world.now
    world.kill(leader.name)
    world.elect()
    assert world.now - begin < 10 * MS
    assert set(world.store.leases) == others
    revoked = [(at, one.lease) for at, _, one in world.asked if isinstance(one, q.Revoke)]
    assert [lease for at, lease in revoked if at >= begin] == [dead]


def test_suspicion_alone_waits_for_the_lease() -> None:
    world = World()
    leader = world.elect()
    world.run(10 * S)
    begin = world.now
    lease = world.store.keys[LEADER].lease
    _, end = world.store.leases[lease]
    world.kill(leader.name, proved=False)
    world.elect()
    assert world.now >= end > begin


def test_the_proof_of_an_earlier_process_ends_no_later_ones_lease() -> None:
    """A worker came back and leads already when the news of its first process's death arrives."""
    world = World(2)
    leader = world.elect()
    world.run(S)
    other = next(server for server in world.servers.values() if server is not leader)
    world.stop(other.name)
    world.kill(leader.name)
    world.restart(leader.name)
    world.run_until(lambda: leader.election.leading)
    lease = world.store.keys[LEADER].lease
    world.go_on(other.name)
    world.run(S)
    assert world.store.keys[LEADER].lease == lease
    assert world.leader is leader


def test_an_outage_of_etcd_only_takes_the_leader_away() -> None:
    """And when etcd is back somebody leads in a later epoch: fault 30."""
    away = [False]
    world = World(fate=lambda worker, question: LOST_THERE if away[0] else Fate())
    leader = world.elect()
    world.propose(leader.name, "a")
    world.run(S)
    away[0] = True
    world.run(60 * S)
    assert world.leader is None
    assert {server.election.leader for server in world.servers.values()} == {None}
    away[0] = False
    again = world.elect()
    world.propose(again.name, "b")
    world.run(5 * S)
    assert [server.log for server in world.servers.values()] == [[b"a", b"b"]] * 3
    assert len(world.epochs) == 2


def test_a_deposed_leader_confirms_no_read() -> None:
    """It was taken for dead; it finds out by the read itself."""
    world = World(2)
    leader = world.elect()
    world.run(S)
    leader.watch = None
    world.store.answer(q.Revoke(world.store.keys[LEADER].lease), world.now)
    world.step(leader, ConfirmRead(1))
    world.run(100 * MS)
    assert leader.reads == {1: False}


def test_candidates_stand_under_their_own_leases() -> None:
    world = World()
    world.elect()
    world.run(S)
    standing = {key for key in world.store.keys if key.startswith(CANDIDATES)}
    assert standing == {f"{CANDIDATES}w1", f"{CANDIDATES}w2", f"{CANDIDATES}w3"}
    world.kill("w3", proved=False)
    world.run(10 * S)
    assert f"{CANDIDATES}w3" not in world.store.keys


def test_a_leaders_key_that_no_worker_wrote_is_respected() -> None:
    world = World()
    leader = world.elect()
    world.run(S)
    world.store.answer(q.Transact((), (q.Delete(LEADER),)), world.now)
    world.store.answer(q.Transact((), (q.Put(LEADER, b"\xff"),)), world.now)
    world.run(20 * S)
    assert world.leader is None
    assert not leader.election.leading
    world.store.answer(q.Transact((), (q.Delete(LEADER),)), world.now)
    world.elect()
