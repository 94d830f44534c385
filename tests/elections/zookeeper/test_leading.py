"""Who leads by ZooKeeper, from when on, and until when; and the log."""

import os
from itertools import pairwise

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.elections.interface import (
    Ask,
    Noticed,
    PeerLost,
    StepDown,
    Told,
    WakeUp,
)
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import ACTIVE, LINE, LOG, SNAPSHOT, TIP
from interrex.elections.zookeeper.settings import ZooKeeperSettings
from interrex.elections.zookeeper.zookeeper import ZooKeeper
from tests.elections.zookeeper.world import Fate, World

SEEDS = int(os.environ.get("ZOOKEEPER_SEEDS", "60"))
LOST_THERE, LOST_BACK = Fate(there=None), Fate(back=None)


def writes(question: q.Question, path: str) -> bool:
    return isinstance(question, q.Transact) and any(
        isinstance(one, q.Write | q.Create) and one.path.startswith(path)
        for one in question.operations
    )


def test_the_epoch_is_the_zxid_of_the_winning_write() -> None:
    world = World()
    leader = world.elect()
    assert leader.election.epoch == world.store.nodes[ACTIVE].modified
    world.run(S)
    assert {server.election.leader for server in world.servers.values()} == {leader.name}
    assert {server.election.epoch for server in world.servers.values()} == {leader.election.epoch}


def test_each_candidate_watches_of_the_line_only_the_one_before_it() -> None:
    """So that a place that falls vacant wakes one worker, however many there are."""
    world = World(workers=7)
    world.elect()
    world.run(20 * S)
    line = sorted(
        (path for path in world.store.nodes if path.startswith(f"{LINE}/")),
        key=lambda path: path.rpartition("~")[2],
    )
    watching = {
        path: [name for name, server in world.servers.items() if path in server.watched]
        for path in line
    }
    names = [world.servers[WorkerName(path.split("~")[2])].name for path in line]
    first = names.index(world.elect().name)
    order = [first, *(at for at in range(7) if at != first)]
    for one, after in pairwise(order):
        assert watching[line[one]] == [names[after]]
    assert watching[line[order[-1]]] == []


@pytest.mark.parametrize("fate", [LOST_THERE, LOST_BACK], ids=["not done", "done"])
@pytest.mark.parametrize("path", [LINE, ACTIVE, LOG, SNAPSHOT])
def test_a_write_of_unknown_outcome_is_cleared_up(path: str, fate: Fate) -> None:
    """A place in the line by its GUID, a claim by the breadcrumb, a change by its node."""
    losses = iter([fate])
    world = World(
        fate=lambda worker, question: (writes(question, path) and next(losses, None)) or Fate(),
        snapshot_after=3,
    )
    leader = world.elect()
    for number in range(8):
        world.propose(leader.name, f"c{number}")
        world.run(500 * MS)
    world.run(5 * S)
    assert leader.settled == {f"c{number}": number + 1 for number in range(8)}
    places = [node for node in world.store.nodes if node.startswith(f"{LINE}/")]
    assert len(places) == 3
    world.kill("w2")
    world.restart("w2")
    world.run(5 * S)
    assert len(world["w2"].log) == 8
    world.check_logs()


def test_a_leader_that_is_cut_off_stops_before_its_session_runs_out() -> None:
    world = World()
    leader = world.elect()
    world.run(10 * S)
    session, leader.cut = leader.session, True
    world.run_until(lambda: not leader.election.leading)
    assert session in world.store.sessions
    successor = world.elect()
    assert successor is not leader
    leader.cut = False
    world.run(10 * S)
    assert leader.election.leader == successor.name


def test_a_session_that_ran_out_unseen_ends_a_leadership() -> None:
    """A stopped leader wakes after its deadline: whatever it hears first, it does not lead."""
    world = World()
    leader = world.elect()
    world.stop(leader.name)
    world.run(20 * S)
    successor = world.elect()
    world.propose(successor.name, "a")
    world.go_on(leader.name)
    assert not leader.election.leading
    world.propose(leader.name, "b")
    assert leader.settled["b"] is None
    world.run(10 * S)
    assert world.leader is successor
    world.check_logs()


def test_proof_of_death_deletes_exactly_the_dead_ones_node() -> None:
    world = World()
    leader = world.elect()
    world.run(10 * S)
    places = {node for node in world.store.nodes if node.startswith(f"{LINE}/")}
    begin = world.now
    world.kill(leader.name)
    world.elect()
    assert world.now - begin < 30 * MS
    (gone,) = places - set(world.store.nodes)
    assert f"~{leader.name}~" in gone


def test_suspicion_alone_waits_for_the_session() -> None:
    world = World()
    leader = world.elect()
    world.run(10 * S)
    session = leader.session
    world.kill(leader.name, proved=False)
    world.elect()
    assert session not in world.store.sessions


def test_a_deposed_leaders_late_write_is_not_done() -> None:
    """It was taken for dead wrongly, its session lives, and its write is on its way."""
    slow = [False]

    def fate(worker: WorkerName, question: q.Question) -> Fate:
        return Fate(there=500 * MS) if slow[0] and writes(question, LOG) else Fate()

    world = World(fate=fate)
    leader = world.elect()
    world.run(S)
    slow[0] = True
    world.propose(leader.name, "late")
    slow[0] = False
    others = [server for server in world.servers.values() if server is not leader]
    world.proofs_are_true = False
    for other in others:
        world.step(other, PeerLost(leader.name, proved_dead=True))
    world.run(200 * MS)
    assert any(other.election.leading for other in others)
    assert leader.session in world.store.sessions
    world.run(S)
    assert not leader.election.leading
    assert leader.settled["late"] is None
    assert not [node for node in world.store.nodes if node.startswith(f"{LOG}/")]


def test_an_outage_only_takes_the_leader_away() -> None:
    world = World()
    leader = world.elect()
    world.propose(leader.name, "a")
    world.run(S)
    for server in world.servers.values():
        server.cut = True
    world.run(60 * S)
    assert {server.election.leader for server in world.servers.values()} == {None}
    for server in world.servers.values():
        server.cut = False
    again = world.elect()
    world.propose(again.name, "b")
    world.run(10 * S)
    assert [server.log for server in world.servers.values()] == [[b"a", b"b"]] * 3


def test_a_snapshot_takes_the_place_of_the_log_before_it() -> None:
    world = World(snapshot_after=10, part_bytes=16)
    leader = world.elect()
    for number in range(35):
        world.propose(leader.name, f"change-{number}")
        world.run(50 * MS)
    world.run(S)
    left = [node for node in world.store.nodes if node.startswith(f"{LOG}/")]
    assert len(left) < 10
    world.kill("w3")
    world.restart("w3")
    world.run(5 * S)
    assert world["w3"].restored == 1
    assert len(world["w3"].log) == 35
    world.check_logs()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_that_was_acknowledged_is_lost_under_random_faults(seed: int) -> None:
    world = World(workers=[1, 2, 3, 5][seed % 4], seed=seed, snapshot_after=[5, 1000][seed % 2])
    random = world.random
    loss = random.choice([0.0, 0.05, 0.2])
    calm = [False]

    def fate(worker: WorkerName, question: q.Question) -> Fate:
        if calm[0] or random.random() >= loss:
            return Fate()
        return random.choice([LOST_THERE, LOST_BACK])

    world.fate = fate
    proposed = 0
    for _ in range(40):
        server = random.choice(list(world.servers.values()))
        match random.randrange(5):
            case 0 if server.core is not None:
                world.kill(server.name, proved=random.random() < 0.7)
            case 0:
                world.restart(server.name)
            case 1 if server.core is not None:
                (world.stop if server.runs else world.go_on)(server.name)
            case 2:
                server.cut = not server.cut
            case 3 if world.leader is not None:
                world.step(world.leader, StepDown(None))
            case _ if world.leader is not None:
                for _ in range(random.randrange(1, 10)):
                    if world.leader is not None:
                        proposed += 1
                        world.propose(world.leader.name, f"c{proposed}")
        world.run(random.choice([0, 10 * MS, S, 5 * S, 12 * S]))
        world.check_logs()
    calm[0] = True
    for server in world.servers.values():
        server.cut = False
        if server.core is None:
            world.restart(server.name)
        elif not server.runs:
            world.go_on(server.name)
    world.run(40 * S)
    assert world.leader is not None, "with all in order somebody leads"
    world.propose(world.leader.name, "last")
    world.run(10 * S)
    logs = [server.log for server in world.servers.values()]
    assert all(log == logs[0] for log in logs)
    assert logs[0][-1] == b"last"
    world.check_logs()


def test_a_leader_that_is_cut_off_does_not_ask_to_be_woken_for_what_it_cannot_read() -> None:
    """It would be woken at once, again and again, until it is connected or its deadline is over."""
    world = World()
    leader = world.elect()
    world.stop(leader.name)
    core, now = leader.election, world.now
    effects = core.step(Noticed(q.Connected(leader.session, 4000)), now)
    core.step(Noticed(q.Suspended()), now)
    for effect in effects:
        if isinstance(effect, Ask):
            core.step(Told(effect.request, q.Failed(may_be_done=True, text="lost")), now)
    later = now + 500 * MS
    core.step(WakeUp(), later)
    assert core.leading
    assert core.wake_at is not None
    assert core.wake_at > later


def test_a_write_that_was_read_before_its_answer_was_lost_counts_once() -> None:
    """The tip's version guards the next write: counted twice it would end the leadership."""
    lost = [True]

    def fate(worker: WorkerName, question: q.Question) -> Fate:
        return Fate(back=None) if writes(question, LOG) and lost[0] else Fate()

    world = World(fate=fate)
    leader = world.elect()
    epoch = leader.election.epoch
    world.propose(leader.name, "a")
    lost[0] = False
    world.run(5 * MS)
    world.step(leader, Noticed(q.Connected(leader.session, 4000)))
    world.run(1500 * MS)
    world.propose(leader.name, "b")
    world.run(100 * MS)
    assert (leader.settled["a"], leader.settled["b"]) == (1, 2)
    assert (world.leader, leader.election.epoch) == (leader, epoch)


def test_a_leader_whose_log_was_touched_by_others_leaves_its_place() -> None:
    """Its node and the breadcrumb stand as they did: nobody could lead while its session lives."""
    world = World()
    leader = world.elect()
    epoch, session = leader.election.epoch, leader.session
    world.store.transact(session, (q.Write(TIP, world.store.nodes[TIP].data, -1),))
    world.propose(leader.name, "a")
    world.run_until(lambda: world.leader is None)
    successor = world.elect()
    assert successor.election.epoch > epoch
    assert session not in world.store.sessions


def test_nobody_leads_by_sessions_that_are_too_short_to_stop_in_time() -> None:
    world = World(sessions_s=dict.fromkeys(("w1", "w2", "w3"), 0.399))
    world.run(10 * S)
    assert world.leader is None
    for server in world.servers.values():
        core = server.election
        assert isinstance(core, ZooKeeper)
        assert "grants a session of 0.399 s, of which a leader counts on 0.1995 s" in core.hindrance


def test_the_shortest_session_leaves_time_for_an_answer_and_for_stopping() -> None:
    settings = ZooKeeperSettings()
    assert settings.believed(400) - settings.renewal(400) == 150 * MS
    world = World(sessions_s=dict.fromkeys(("w1", "w2", "w3"), 0.4))
    assert world.elect().election.leading
