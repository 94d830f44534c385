"""Whole simulated fleets on each election, with every family of faults that can befall them."""

import msgspec
import pytest

from interrex.core.ids import ServiceName
from interrex.core.spec import COORDINATED, Bully
from interrex.core.state import Scale
from interrex.core.time import MS, S
from interrex.simulator.chance import Chance
from interrex.simulator.checkers import all_checkers, all_watches
from interrex.simulator.checkers.watch import Panel, Watch
from interrex.simulator.faults.catalogue import FAMILIES, families_of
from interrex.simulator.faults.drawing import draw_plan, usual_spec
from interrex.simulator.faults.electing import DRAWN_ELECTIONS, draw_coordination, draw_election
from interrex.simulator.observation import Answered
from interrex.simulator.plan import Conditions, FaultPlan, decode_plan, encode_plan
from interrex.simulator.run import ALL, replay
from interrex.simulator.world import World

OTHERS = [name for name in DRAWN_ELECTIONS if name != usual_spec().election]


def plan_of(election: str, seed: int) -> FaultPlan:
    return draw_plan(None, seed, 10 * S, ALL, election)


class Answers(Watch):
    """What users are told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Answered] = []
        self.occurrences = {Answered: self._take}

    def _take(self, at: int, answered: Answered) -> None:
        self.heard.append(answered)


def quiet_world(election: str) -> tuple[World, list[Answered]]:
    """A fleet that is left alone, has come up and elected so; and what users are told."""
    chance, answers = Chance(1), Answers()
    spec = draw_election(usual_spec(), election, chance)
    rests_on = draw_coordination(chance)
    conditions = Conditions(asks_every=0, calls_every=0, coordination=rests_on)
    plan = FaultPlan(seed=1, spec=spec, conditions=conditions, duration=S)
    world = World(plan, [Panel([answers])])
    world.start()
    end = world.agenda.now + 40 * S
    while world.unsettled():
        assert world.agenda.now < end, world.unsettled()
        world.run_for(50 * MS)
    return world, answers.heard


def names(plan: FaultPlan) -> set[str]:
    return {type(watch).__name__ for watch in all_watches(plan.spec)}


@pytest.mark.parametrize("election", OTHERS)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_every_promise_holds_and_all_comes_together(election: str, seed: int) -> None:
    plan = plan_of(election, seed)
    found = replay(plan, all_checkers(plan.spec))
    assert found.broken is None, f"{found.broken.promise}: {found.broken.text}"
    assert found.converged_in is not None


@pytest.mark.parametrize("election", COORDINATED)
def test_the_services_faults_happen(election: str) -> None:
    happened: set[str] = set()
    for seed in (1, 2, 3):
        plan = draw_plan(None, seed, 20 * S, ("coordination",), election)
        happened |= set(replay(plan).faults)
    assert len(happened) > 5


def test_a_services_faults_befall_only_those_who_rest_on_one() -> None:
    assert "coordination" not in families_of(usual_spec())
    assert set(families_of(plan_of("etcd", 1).spec)) == set(FAMILIES)
    drawn = {fault.kind for seed in range(20) for fault in plan_of("paxos", seed).faults}
    assert "coordination" not in drawn


@pytest.mark.parametrize("election", OTHERS)
def test_a_plan_of_any_election_can_be_written_down_and_replayed(election: str) -> None:
    plan = plan_of(election, 5)
    assert decode_plan(encode_plan(plan)) == plan
    assert replay(plan).events == replay(decode_plan(encode_plan(plan))).events


def test_the_usual_seeds_stand_for_what_they_did() -> None:
    plan = draw_plan(None, 3, 10 * S, ALL)
    without = draw_plan(None, 3, 10 * S, [name for name in ALL if name != "coordination"])
    assert plan == without
    assert plan.spec.election == usual_spec().election


def test_bully_has_a_quorum_in_some_of_its_fleets_and_wherever_that_is_asked_for() -> None:
    some, all_of_them = (
        {plan_of(name, seed).spec.bully.quorum for seed in range(20)}
        for name in ("bully", "bully-quorum")
    )
    assert some == {True, False}
    assert all_of_them == {True}
    assert plan_of("bully-quorum", 1).spec.election == "bully"


def test_each_is_held_to_what_it_promises() -> None:
    plans = {election: plan_of(election, 1) for election in OTHERS}
    spec = plans["bully"].spec
    of_parts = msgspec.structs.replace(spec, bully=Bully(quorum=False))
    of_majority = msgspec.structs.replace(spec, bully=Bully(quorum=True))
    apart = {type(watch).__name__ for watch in all_watches(of_parts)}
    together = {type(watch).__name__ for watch in all_watches(of_majority)}
    assert {"LossesTold", "OneLeaderAPart", "RemovalsApart"} == apart - together
    assert {"Applied", "Acknowledged", "Linearizable", "Removals"} == together - apart
    assert "RaftWatch" in {type(watch).__name__ for watch in all_watches(usual_spec())}
    assert "RaftWatch" not in names(plans["paxos"])
    assert {"Sessions", "Away", "Emptied"} == names(plans["etcd"]) - names(plans["paxos"])


@pytest.mark.parametrize("election", DRAWN_ELECTIONS)
def test_a_change_that_was_lost_with_the_connection_to_the_leader_is_sent_again(
    election: str,
) -> None:
    """Also where the same worker leads on: who asked was told after 30 s that nobody took it."""
    world, heard = quiet_world(election)
    leader = world.leader()
    assert leader is not None
    asked = next(node for node in world.running() if node is not leader)
    for way in ((asked.worker, leader.worker), (leader.worker, asked.worker)):
        world.network.cut(*way)
    world.clients.change(0, asked, (Scale(ServiceName("web"), 4),))
    world.run_for(10 * MS)
    world.network.reset(asked.worker, leader.worker)
    for way in ((asked.worker, leader.worker), (leader.worker, asked.worker)):
        world.network.mend(*way)
    world.run_for(10 * S)
    assert [answer.ok for answer in heard] == [True], heard
