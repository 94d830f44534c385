"""The assertions of "Elections in a Distributed Computing System", Garcia-Molina, one by one."""

from collections.abc import Sequence

import pytest

from interrex.core.ids import WorkerName
from interrex.core.time import MS
from interrex.elections.bully import BullySettings
from interrex.elections.bully.candidate import Candidate
from interrex.elections.bully.coordinator import Leading
from interrex.elections.bully.messages import Answer, Coordinator, Election, Halt, Halted, decode
from interrex.elections.bully.order import Order
from interrex.elections.interface import ElectionEffect, ElectionEvent, SendPayload
from tests.elections.bully.network import BullyNetwork, BullyServer


def leaders_of(network: BullyNetwork) -> set[WorkerName | None]:
    return {server.bully.leader for server in network.alive()}


def spoken(network: BullyNetwork) -> list[tuple[WorkerName, WorkerName, object]]:
    """Collects (sender, receiver, message) of all that is said from now on."""
    said: list[tuple[WorkerName, WorkerName, object]] = []

    def hear(server: BullyServer, effect: SendPayload) -> None:
        said.append((server.name, effect.to, decode(effect.payload)))

    network.senders.append(hear)
    return said


@pytest.mark.parametrize("seed", range(10))
def test_assertion_1_two_nodes_that_are_normal_have_the_same_coordinator(seed: int) -> None:
    """Section III: at any instant, if two nodes are in state Normal (or Reorganization), they have
    the same coordinator. Held per epoch, which is section V's Assertion 3 with its group numbers:
    section IV's version of it needs that no message is ever late."""
    network = BullyNetwork(5, seed=seed)
    known: dict[int, WorkerName] = {}

    def watch(server: BullyServer, _event: ElectionEvent, _e: Sequence[ElectionEffect]) -> None:
        leader = server.bully.leader
        if leader is not None:
            assert known.setdefault(server.bully.epoch, leader) == leader

    network.watchers.append(watch)
    network.start()
    for victim in (5, 4, 3):
        network.elect()
        network.die(victim)
        network.run_for(1)
    network.boot(network[5])
    network.elect()
    assert len(known) >= 4


@pytest.mark.parametrize("dead", [(), (5,), (5, 4), (1, 3, 5), (2, 3, 4, 5)])
def test_assertion_2_all_nodes_that_are_up_end_normal_under_one_of_them(dead: tuple[int]) -> None:
    """Section III: if no failures occur during the election, the protocol transforms the system
    from any state to one where a node is coordinator, and all other live ones follow it."""
    network = BullyNetwork(5)
    network.start()
    network.run_for(12)
    network.die(*dead)
    leader = network.elect()
    highest = max(number for number in range(1, 6) if number not in dead)
    assert leader is network[highest]
    assert leaders_of(network) == {leader.name}


def test_assertion_2_the_coordinators_task_is_everybodys() -> None:
    """Section III, part two of Assertion 1: nodes in state Normal have the same definition of the
    task, S(i).d; here that is the copy."""
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.write("a")
    network.run_for(60)
    assert [server.data for server in network.alive()] == [[b"a"]] * 3


def test_the_node_with_the_highest_identification_number_becomes_coordinator() -> None:
    """Section IV: "the node with the highest identification number ... forces" its election."""
    network = BullyNetwork(4)
    network.start()
    assert network.elect() is network[4]


def test_a_node_asks_those_above_it_whether_they_are_up_and_leaves_it_to_them() -> None:
    """Section IV, procedure Election, step 1: if a node with a higher number responds to AreYouUp,
    this node stops, and waits for a coordinator."""
    network = BullyNetwork(3)
    network.start()
    network.elect()
    said = spoken(network)
    network.kill(network[3])  # without a word: silence
    network.run_until(lambda: network[2].bully.leading)
    assert ("w1", "w2") in {(a, b) for a, b, message in said if isinstance(message, Election)} or (
        "w2",
        "w1",
    ) in {(a, b) for a, b, message in said if isinstance(message, Election)}
    halts = {a for a, _, message in said if isinstance(message, Halt)}
    assert halts == {"w2"}
    above = {(a, b) for a, b, message in said if isinstance(message, Answer) and message.above}
    assert above <= {("w2", "w1")}


def test_lower_nodes_are_halted_before_anybody_is_coordinator() -> None:
    """Section IV, step 2: Halt is sent to all lower nodes; only those that answered are in ``Up``,
    and hear NewCoordinator afterwards."""
    network = BullyNetwork(3)
    said = spoken(network)
    network.start()
    network.elect()
    order = [type(message) for a, b, message in said if "w3" in (a, b) and "w1" in (a, b)]
    assert order.index(Halt) < order.index(Halted) < order.index(Coordinator)


def test_a_halted_node_obeys_only_who_halted_it() -> None:
    """Section IV: a node records who halted it (S(i).h) and ignores NewCoordinator of others."""
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.die(3)
    network.run_until(lambda: isinstance(network[2].bully._server.role, Candidate))
    epoch = network[2].bully.epoch
    network.run_until(lambda: network[1].bully.epoch == epoch)
    assert network[1].bully.leader is None
    network.elect()
    assert network[1].bully.leader == "w2"


def test_a_recovered_node_starts_an_election_if_it_is_the_highest() -> None:
    """Section IV, procedure Recovery."""
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.die(3)
    assert network.elect() is network[2]
    network.boot(network[3])
    network.run_until(lambda: network[3].bully.leading)
    assert network.elect() is network[3]


def test_a_node_that_finds_its_coordinator_silent_starts_an_election() -> None:
    """Section IV, procedure Timeout: the coordinator does not answer AreYouUp for T."""
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.kill(network[3])
    before = network.now
    network.run_until(lambda: network[2].bully.leading)
    assert network.settings.election_timeout <= network.now - before + network.settings.heartbeat


def test_a_coordinator_that_halts_nobody_reachable_leads_alone() -> None:
    """Section IV: ``Up`` may be empty; the paper's node is then its own coordinator."""
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.die(2, 3)
    assert network.elect() is network[1]
    network.write("alone")
    assert network[1].data == [b"alone"]


def test_assertion_4_groups_that_can_reach_each_other_merge_into_one() -> None:
    """Section V: coordinators look for others, and merge with them: eventually all nodes that can
    communicate are one group."""
    network = BullyNetwork(5)
    network.start()
    network.elect()
    network.divide([1, 2], [3], [4, 5])
    network.run_for(1000)
    leading = {server.name for server in network.alive() if server.bully.leading}
    assert leading == {"w2", "w3", "w5"}
    network.unite()
    network.run_until(network.agree)
    assert network.leader() is network[5]


def test_group_numbers_are_never_used_twice() -> None:
    """Section V: a group number is made of the node's number and a counter in stable storage."""
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.divide([1], [2], [3])
    network.run_for(1000)
    epochs = [server.bully.epoch for server in network.alive()]
    assert sorted(epoch % 1000 for epoch in epochs) == [1, 2, 3]
    assert len(set(epochs)) == 3


def test_priority_goes_before_identity() -> None:
    order = Order({WorkerName("w1"): 5, WorkerName("w2"): -1})
    workers = [WorkerName(name) for name in ("w1", "w2", "worker-9", "worker-10", "zeta")]
    assert sorted(workers, key=order.rank) == ["w2", "worker-9", "worker-10", "zeta", "w1"]
    network = BullyNetwork(3, settings=BullySettings(priority={WorkerName("w2"): 3}))
    network.start()
    assert network.elect() is network[2]


def test_an_idle_cluster_only_beats() -> None:
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.run_for(500)
    said = spoken(network)
    network.run(500 * MS)
    kinds = {type(message).__name__ for _, _, message in said}
    assert kinds == {"Beat", "BeatAnswer"}
    assert isinstance(network[3].bully._server.role, Leading)
