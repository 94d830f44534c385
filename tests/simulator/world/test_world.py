"""A whole world: the production cores under the simulator's interpreters."""

import ast
import sys
from collections import deque
from pathlib import Path
from types import MethodType

import msgspec
import pytest

import interrex.runtime.node as runtime_node
import interrex.simulator.world as simulator_world
from interrex.core.errors import InvariantViolation
from interrex.core.ids import WorkerName
from interrex.core.spec import COORDINATED
from interrex.core.state import workers_of
from interrex.core.time import MS, S
from interrex.simulator.chance import Chance
from interrex.simulator.checkers import all_checkers
from interrex.simulator.faults.catalogue import FAMILIES
from interrex.simulator.faults.drawing import draw_plan, usual_spec
from interrex.simulator.observation import (
    Adopted,
    Cause,
    Occurrence,
    ProcessBegan,
    ProcessEnded,
    Step,
    Violation,
    WorkerBegan,
)
from interrex.simulator.plan import Conditions, Fault, FaultPlan, decode_plan, encode_plan
from interrex.simulator.run import ALL, INTERNAL_ERROR, INVARIANT, replay, run_seed
from interrex.simulator.world import World
from interrex.worker.worker import Worker


class Witness:
    """A checker that keeps what it is told."""

    promise = "what happened is told"

    def __init__(self) -> None:
        self.seen: list[tuple[int, Occurrence]] = []
        self.cores: set[type] = set()

    def step(self, step: Step) -> None:
        self.cores.add(type(step.core))

    def occurred(self, at: int, what: Occurrence) -> None:
        self.seen.append((at, what))

    def finish(self, at: int) -> None:
        pass


def world_of(*checkers: Witness, **conditions: int | bool) -> World:
    """A usual fleet that is left alone, and has come up."""
    plan = FaultPlan(
        seed=1,
        spec=usual_spec(),
        conditions=Conditions(asks_every=0, calls_every=0, **conditions),  # type: ignore[arg-type]
        duration=S,
    )
    world = World(plan, checkers)
    world.start()
    settle(world)
    return world


def settle(world: World, within: int = 40 * S) -> None:
    end = world.agenda.now + within
    while world.unsettled():
        assert world.agenda.now < end, world.unsettled()
        world.run_for(50 * MS)


def test_the_simulator_constructs_the_very_class_that_the_runtime_constructs() -> None:
    assert vars(simulator_world)["Worker"] is vars(runtime_node)["Worker"] is Worker
    witness = Witness()
    world_of(witness)
    assert witness.cores == {Worker}


def _arguments(module: object, name: str) -> list[str]:
    """Those of the one call of this name in a module, as they are written there."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    )
    return [ast.unparse(one) for one in (*call.args, *call.keywords)]


def test_both_construct_it_with_the_same_arguments() -> None:
    pairs = [
        ("worker", "worker"),
        ("host", "node.host"),
        ("member", "member"),
        ("os.getpid()", "node.pid"),
        ("state", "genesis(self.spec)"),
        ("opened.stored", "stored"),
        ("election", "election"),
        ("random", "random"),
        ("now_ns()", "node.machine.clock.read(self.agenda.now)"),
        ("_probation(genesis, worker, opened)", "self._probation(worker, first, stored)"),
        ("read_known(layout.known(host))", "node.machine.known"),
    ]
    assert _arguments(runtime_node, "Worker") == [real for real, _ in pairs]
    assert _arguments(simulator_world, "Worker") == [simulated for _, simulated in pairs]


def test_both_make_the_election_with_the_same_arguments_but_when_it_compacts() -> None:
    pairs = [
        ("genesis.spec", "self.spec"),
        ("worker", "worker"),
        ("member", "member"),
        ("opened.stored", "stored"),
        ("opened.first_members", "first"),
        ("random", "random"),
    ]
    assert _arguments(runtime_node, "new_election") == [real for real, _ in pairs]
    *simulated, compacts = _arguments(simulator_world, "new_election")
    assert simulated == [simulated for _, simulated in pairs]
    assert compacts == "compact_after=compact_after"
    for name in ("new_election", "Probation"):
        assert vars(simulator_world)[name] is vars(runtime_node)[name]


def _parts(core: Worker) -> set[type]:
    """The classes of all objects that a core is made of."""
    found: set[type] = set()
    seen: set[int] = set()
    todo: list[object] = [core]
    while todo:
        what = todo.pop()
        if id(what) in seen or isinstance(what, type):
            continue
        seen.add(id(what))
        if isinstance(what, dict):
            todo += [*what.keys(), *what.values()]
        elif isinstance(what, list | tuple | set | deque):
            todo += what
        elif isinstance(what, MethodType):
            todo.append(what.__self__)
        elif type(what).__module__.startswith("interrex."):
            found.add(type(what))
            slots = [name for one in type(what).__mro__ for name in getattr(one, "__slots__", ())]
            fields = getattr(what, "__struct_fields__", ())
            todo += [getattr(what, name, None) for name in (*slots, *fields)]
            todo += getattr(what, "__dict__", {}).values()
    return found


@pytest.mark.parametrize("election", ["", "paxos", "bully", *COORDINATED])
def test_every_part_of_a_simulated_worker_is_productions(election: str) -> None:
    plan = draw_plan(None, 5, S, (), election)
    world = World(plan)
    world.start()
    settle(world)
    leader = world.leader()
    assert leader is not None
    assert leader.core is not None
    parts = _parts(leader.core) - {Chance}  # comes by argument, as a Random does
    packages = {part.__module__.split(".")[1] for part in parts}
    assert packages <= {"core", "elections", "supervision", "orchestration", "balancer", "worker"}
    names = {part.__name__ for part in parts}
    assert {"Worker", "EpochGate", "Supervisor", "Leader", "Healer", "Balancers"} <= names
    assert all(vars(sys.modules[part.__module__])[part.__name__] is part for part in parts)


def test_a_fleet_comes_up_in_about_a_second() -> None:
    assert world_of().agenda.now < 3 * S


def test_a_killed_worker_is_started_again_and_takes_its_replicas_up() -> None:
    witness = Witness()
    world = world_of(witness)
    victim = world.nodes[WorkerName("worker-2")]
    held = [
        slot for slot, held in world.machines[victim.host].held.items() if held.holder is victim
    ]
    assert held
    before = len(witness.seen)
    world.end(victim, Cause.FAULT, "killed")
    world.run_for(MS)
    settle(world)
    told = [what for _, what in witness.seen[before:]]
    assert [w.worker for w in told if isinstance(w, WorkerBegan)] == ["worker-2"]
    assert {w.slot for w in told if isinstance(w, Adopted)} == set(held)
    assert not [w for w in told if isinstance(w, ProcessBegan | ProcessEnded)]


def test_another_leader_is_elected_soon_after_the_leader_was_killed() -> None:
    world = world_of()
    first = world.leader()
    assert first is not None
    world.end(first, Cause.FAULT, "killed")
    began = world.agenda.now
    while world.leader() is None:
        assert world.agenda.now - began < 100 * MS
        world.run_for(MS)


def test_without_any_worker_the_guard_starts_them() -> None:
    world = world_of(systemd=True)
    for node in list(world.nodes.values()):
        world.end(node, Cause.FAULT, "killed")
    world.run_for(MS)
    settle(world)


def test_without_a_guard_nobody_starts_them_before_the_end_of_the_faults() -> None:
    world = world_of(systemd=False)
    for node in list(world.nodes.values()):
        world.end(node, Cause.FAULT, "killed")
    world.run_for(20 * S)
    assert not world.nodes
    world.heal()
    world.run_for(MS)
    settle(world)


def test_a_lost_machine_comes_back_with_its_disks() -> None:
    world = world_of()
    (host,) = world.machines
    world.lose_machine(host)
    assert not world.nodes
    assert not world.machines[host].processes
    world.run_for(5 * S)
    world.return_machine(host)
    world.run_for(MS)
    settle(world)
    assert world.leader() is not None


def test_a_worker_whose_log_is_damaged_comes_back_as_another_member() -> None:
    world = world_of()
    worker = WorkerName("worker-3")
    assert world.harm.allows(worker)
    world.harm.harmed(worker)
    world.disks[worker].damage = "a checksum does not fit"
    world.end(world.nodes[worker], Cause.FAULT, "killed")
    assert not world.harm.allows(WorkerName("worker-1"))
    world.run_for(4 * S)
    settle(world)
    leader = world.leader()
    assert leader is not None
    assert leader.core is not None
    members = {member.worker: member.member for member in leader.core.election.members}
    assert members[worker] == world.identity_of(worker) > 3  # type: ignore[operator]
    assert world.harm.allows(WorkerName("worker-1"))


def test_a_kind_of_fault_is_drawn_where_it_can_happen() -> None:
    drawn: dict[str, list[FaultPlan]] = {}
    for seed in range(1, 120):
        plan = draw_plan(None, seed, 30 * S, ("users", "network"), COORDINATED[0] * (seed % 4 == 0))
        for fault in plan.faults:
            drawn.setdefault(fault.name, []).append(plan)
    assert all(not plan.spec.hosts for plan in drawn["workers"])
    assert all(len(plan.spec.hosts) >= 3 for plan in drawn["abandoned"])
    for name in ("hosts", "move", "abandoned"):
        assert all(plan.spec.hosts and plan.spec.election == "raft" for plan in drawn[name])
    assert all(len(workers_of(plan.spec)) >= 3 for plan in drawn["unwritten"])
    assert all(len(workers_of(plan.spec)) >= 3 for plan in drawn["unlearned"])
    assert all(not plan.spec.hosts for plan in drawn["unlearned"])
    assert all(len(workers_of(plan.spec)) >= 5 for plan in drawn["late-answers"])


KINDS = [(family.name, kind.name) for family in FAMILIES.values() for kind in family.kinds]


def _election(family: str, seed: int) -> str:
    """What a coordination service is for, where its faults are asked for."""
    return COORDINATED[seed % len(COORDINATED)] if family == "coordination" else ""


def _plans_with(kind: tuple[str, str]) -> FaultPlan:
    """The first drawn plan that holds this kind of fault, with it alone."""
    for seed in range(1, 400):
        plan = draw_plan(None, seed, 20 * S, (kind[0],), _election(kind[0], seed))
        for fault in plan.faults:
            if (fault.kind, fault.name) == kind and not fault.when:
                return msgspec.structs.replace(plan, faults=(fault,), duration=12 * S)
    raise AssertionError(f"{kind} is never drawn")


@pytest.mark.parametrize("kind", KINDS, ids="/".join)
def test_a_fleet_survives_each_kind_of_fault_alone(kind: tuple[str, str]) -> None:
    plan = _plans_with(kind)
    outcome = replay(plan, all_checkers(plan.spec))
    assert outcome.broken is None, outcome.broken.text
    assert outcome.converged_in is not None


def test_a_plan_can_be_written_down_and_replayed() -> None:
    plan = draw_plan(None, 4, 5 * S, ALL)
    again = decode_plan(encode_plan(plan))
    assert again == plan
    assert replay(again).events == replay(plan).events


def test_without_faults_nothing_is_planned() -> None:
    assert draw_plan(usual_spec(), 1, 30 * S, ()).faults == ()


def test_a_broken_promise_ends_the_run_and_is_told() -> None:
    class Doubter(Witness):
        promise = "never"

        def step(self, step: Step) -> None:
            if step.at > S:
                raise Violation(self.promise, "it did")

    outcome = run_seed(usual_spec(), 1, 2 * S, (), [Doubter()])
    assert outcome.broken is not None
    assert (outcome.broken.promise, outcome.broken.text) == ("never", "it did")
    assert S < outcome.broken.at < 2 * S
    assert outcome.converged_in is None


def test_whatever_else_is_raised_is_told_with_its_traceback() -> None:
    class Clumsy(Witness):
        def step(self, step: Step) -> None:
            raise KeyError("oops")

    outcome = run_seed(usual_spec(), 1, 2 * S, (), [Clumsy()])
    assert outcome.broken is not None
    assert outcome.broken.promise == INTERNAL_ERROR
    assert "Traceback" in outcome.broken.text
    assert "oops" in outcome.broken.text


def test_a_safety_rule_of_a_core_is_told_as_such() -> None:
    class Core(Witness):
        def step(self, step: Step) -> None:
            raise InvariantViolation("one vote per term")

    outcome = run_seed(usual_spec(), 1, 2 * S, (), [Core()])
    assert outcome.broken is not None
    assert outcome.broken.promise == INVARIANT
    assert "one vote per term" in outcome.broken.text


def test_a_fault_that_does_not_exist_is_an_internal_error() -> None:
    plan = draw_plan(usual_spec(), 1, S, ())
    fault = Fault(number=1, kind="no-such", name="kind", at=1)
    outcome = replay(msgspec.structs.replace(plan, faults=(fault,)))
    assert outcome.broken is not None
    assert outcome.broken.promise == INTERNAL_ERROR
