"""Every receiver of a command refuses an older leader's, also after a restart."""

from collections.abc import Callable

import msgspec
import pytest

from interrex.core.ids import ChangeId, ServiceName, SlotName, WorkerName
from interrex.core.messages import (
    Assignment,
    Command,
    Dismiss,
    KillWorker,
    LaunchWorker,
    Routes,
    encode,
    epoch_of,
)
from interrex.core.replicas import ReplicaState
from interrex.core.routes import RouteTable
from interrex.core.state import Restart
from interrex.core.time import MS, S
from interrex.worker.gate import ASSIGNMENT_FACT, EPOCH_FACT, EpochGate
from interrex.worker.interface import ChangeAsked, HandOverAsked, MessageReceived, Send
from tests.worker.town import Town, cluster, service

pytestmark = pytest.mark.usefixtures("each_election")

COMMANDS: dict[str, Callable[[int], Command]] = {
    "assignment": lambda epoch: Assignment(epoch, 99, ()),
    "routes": lambda epoch: Routes(RouteTable(epoch, 99, ())),
    "launch": lambda epoch: LaunchWorker(epoch, WorkerName("worker-9")),
    "kill": lambda epoch: KillWorker(epoch, WorkerName("worker-1")),
    "dismiss": lambda epoch: Dismiss(epoch),
}


def deposed_town() -> tuple[Town, WorkerName, int]:
    """A fleet whose second leader has given its first commands, and the first one's epoch."""
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    first, epoch = town.leader(), town.workers[town.leader()].epoch
    town.kill(first)
    town.run_for(10 * MS)
    town.run_until(town.all_ready)
    town.run_for(S)
    receiver = next(name for name in town.workers if name not in (town.leader(), first))
    return town, receiver, epoch


@pytest.mark.parametrize("kind", sorted(COMMANDS))
@pytest.mark.parametrize("restarted", [False, True])
def test_the_last_leaders_last_command_is_refused_after_the_new_leaders_first(
    kind: str, restarted: bool
) -> None:
    town, receiver, old_epoch = deposed_town()
    if restarted:
        town.kill(receiver)
        town.boot(receiver)
        town.run_for(10 * MS)
    before, tables = town.pids(), dict(town.tables)
    launched = list(town.launched)
    sender = next(name for name in town.workers if name != receiver)
    command = COMMANDS[kind](old_epoch)
    town.post(receiver, MessageReceived(sender, encode(command)))
    town.run_for(S)
    refusals = [note for _, by, note in town.notes if note.kind == "command.refused"]
    assert len(refusals) == 1
    assert f"epoch {old_epoch}" in refusals[0].text
    assert town.pids() == before
    assert {slot: table.epoch for slot, table in town.tables.items()} == {
        slot: table.epoch for slot, table in tables.items()
    }
    assert "worker-9" not in town.launched
    assert len(town.workers) == 3
    assert town.launched[: len(launched)] == launched


def test_replicas_are_told_the_epoch_that_started_them() -> None:
    town, _, old_epoch = deposed_town()
    slot = SlotName("web.0")
    host = next(iter(town.hosts.values()))
    assert host.processes[slot].epoch == old_epoch
    town.kill_replica(slot)
    town.run_for(10 * MS)
    town.run_until(town.all_ready)
    assert host.processes[slot].epoch > old_epoch


def test_the_newest_epoch_is_on_disk_before_its_first_command_is_obeyed() -> None:
    gate = EpochGate({})
    command = LaunchWorker(7, WorkerName("worker-2"))
    assert gate.admits(command)
    (record,) = gate.take(command, token=1)
    assert (record.key, record.value) == (EPOCH_FACT, b"7")
    assert gate.release(0) == []
    assert gate.release(1) == [command]


def test_commands_behind_one_that_waits_for_the_disk_keep_their_order() -> None:
    gate = EpochGate({})
    first, second = LaunchWorker(7, WorkerName("a")), LaunchWorker(7, WorkerName("b"))
    gate.take(first, token=1)
    assert gate.take(second, token=2) == ()
    assert gate.must_wait
    assert gate.release(0) == []
    assert gate.release(1) == [first, second]


def test_the_gate_waits_for_the_leader_where_another_version_wrote_the_assignment() -> None:
    facts = {EPOCH_FACT: b"5", ASSIGNMENT_FACT: msgspec.msgpack.encode(Assignment(5, 3, ()))}
    gate = EpochGate(facts)
    assert (gate.highest, gate.assignment) == (5, None)
    assert gate.admits(Assignment(5, 1, ()))


def test_the_gate_remembers_over_a_restart() -> None:
    assignment = Assignment(5, 3, ())
    facts = {EPOCH_FACT: b"5", ASSIGNMENT_FACT: encode(assignment)}
    gate = EpochGate(facts)
    assert gate.assignment == assignment
    assert not gate.admits(Assignment(4, 9, ()))
    assert not gate.admits(Assignment(5, 3, ()))
    assert gate.admits(Assignment(5, 4, ()))


def test_a_commands_epoch_is_the_leaderships_that_gave_it() -> None:
    assert {kind: epoch_of(make(4)) for kind, make in COMMANDS.items()} == dict.fromkeys(
        COMMANDS, 4
    )


def test_a_leader_that_leads_on_in_its_epoch_is_obeyed_like_before() -> None:
    """Late for a moment but not replaced, it is announced again in the same epoch."""
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    leader, epoch = town.leader(), town.workers[town.leader()].epoch
    town.lead_on(leader)
    town.run_until(lambda: town.workers[leader].oversight.lead is not None)
    assert town.workers[leader].epoch == epoch
    before = town.pids()
    ask = ChangeAsked(1, ChangeId("restart"), (Restart(ServiceName("web")),))
    town.post(leader, ask)
    town.run_until(
        lambda: (
            town.all_ready()
            and all(town.pids().get(slot, 0) > before[slot] for slot in town.running("web"))
        )
    )


@pytest.mark.parametrize(("late", "commands"), [(-1, True), (0, False), (300 * MS, False)])
def test_a_leader_that_was_stopped_gives_no_command_after_its_deadline(
    late: int, commands: bool
) -> None:
    """What it hears first is a report that lay in its socket: the election hears nothing of it."""
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    town.run_for(S)
    name = town.leader()
    leader, peer = town.workers[name], next(one for one in town.workers if one != name)
    deadline = leader.election.deadline
    assert deadline is not None
    known = leader.fleet().workers[peer].report
    assert known is not None
    down = [msgspec.structs.replace(one, state=ReplicaState.WAITING) for one in known.replicas]
    report = msgspec.structs.replace(known, version=10**6, replicas=tuple(down))
    effects = leader.step(MessageReceived(peer, encode(report)), deadline + late)
    given = [e for e in effects if isinstance(e, Send) and isinstance(e.message, Command)]
    assert bool(given) is commands


by_bully = pytest.mark.parametrize("each_election", ["bully", "bully-quorum"], indirect=True)
"""Of any other election an epoch is on a majority's disks, or agreed outside, before a command."""


def a_command_of_somebody_gone(town: Town) -> Command:
    """Of a newer epoch, by a leader that nobody will ever hear of again; nothing comes of it."""
    epoch = town.workers[town.leader()].epoch + 1000
    return LaunchWorker(epoch, town.leader())


def is_led_above(town: Town, epoch: int) -> bool:
    return town.all_ready() and town.workers[town.leader()].election.epoch > epoch


@by_bully
@pytest.mark.parametrize("by_its_own_worker", [True, False])
def test_a_leader_is_obeyed_again_where_a_newer_epoch_was_obeyed(by_its_own_worker: bool) -> None:
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    followers = [name for name in sorted(town.workers) if name != town.leader()]
    receiver, sender = [town.leader(), followers[0]] if by_its_own_worker else followers
    command = a_command_of_somebody_gone(town)
    town.post(receiver, MessageReceived(sender, encode(command)))
    town.run_until(lambda: is_led_above(town, epoch_of(command)))
    before = town.pids()
    ask = ChangeAsked(1, ChangeId("restart"), (Restart(ServiceName("web")),))
    town.post(town.leader(), ask)
    town.run_until(
        lambda: (
            town.all_ready()
            and all(town.pids().get(slot, 0) > before[slot] for slot in town.running("web"))
        )
    )


@by_bully
def test_what_was_obeyed_before_a_crash_the_next_lifes_election_hears_of() -> None:
    """The epoch is on disk, and the election's promise, which is written after it, is not."""
    town = Town(cluster(service("web", 3, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    receiver = next(name for name in sorted(town.workers) if name != town.leader())
    epoch = epoch_of(a_command_of_somebody_gone(town))
    town.kill(receiver)
    town.run_for(10 * MS)
    town.disks[receiver].facts[EPOCH_FACT] = b"%d" % epoch
    town.boot(receiver)
    town.run_until(lambda: is_led_above(town, epoch))


def test_the_journal_names_the_epoch_of_the_leadership_that_begins_or_ends() -> None:
    town = Town(cluster(service("web", 3, port=8080)))
    for disk in town.disks.values():
        disk.facts[EPOCH_FACT] = b"7"
    town.start()
    town.run_until(lambda: len(town.leaders()) == 1)
    town.run_for(S)
    town.post(town.leader(), HandOverAsked(1, None))
    town.run_for(S)
    noted = [(by, note) for _, by, note in town.notes if note.kind.startswith("leader.")]
    begun = [(by, note.epoch) for by, note in noted if note.kind == "leader.elected"]
    ended = [(by, note.epoch) for by, note in noted if note.kind == "leader.ended"]
    assert all(f"epoch {note.epoch}," in note.text for _, note in noted if note.worker is not None)
    assert len(begun) >= 2
    assert begun[0] in ended
    assert set(ended) <= set(begun)
