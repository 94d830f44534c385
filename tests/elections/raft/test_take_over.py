"""The heart of the product: from a leader's death to a new leader that everybody knows."""

from interrex.core.time import MS, US

from .network import Network


def test_three_servers_elect_a_leader_and_replicate() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    network.propose(leader, "a")
    network.run(5 * MS)
    assert [server.data for server in network.alive()] == [[b"a"]] * 3
    assert leader.settled == {"a": [(2, "")]}


def test_after_a_proof_of_death_one_round_of_votes_and_one_write_make_a_leader() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    network.run(100 * MS)
    killed_at = network.now
    network.kill(leader, notice=200 * US)
    network.elect()
    one_way, write = 100 * US, 500 * US
    assert network.now - killed_at == 200 * US + 3 * one_way + write


def test_a_write_that_waited_for_a_leader_does_not_wait_for_its_first_entry_as_well() -> None:
    network = Network(3)
    network.start()
    network.kill(network.elect(), notice=200 * US)
    second = network.elect()  # who lives knows it, so one trip has passed
    asked_at = network.now
    network.propose(second, "a")
    network.run_until(lambda: "a" in second.settled)
    one_way, write = 100 * US, 500 * US
    assert network.now - asked_at == 2 * write + one_way


def test_several_writes_that_waited_for_a_leader_go_behind_its_first_entry() -> None:
    network = Network(3)
    network.start()
    network.kill(network.elect(), notice=200 * US)
    second = network.elect()
    asked_at = network.now
    for change in "abc":
        network.propose(second, change)
    network.run_until(lambda: second.settled.keys() >= {"a", "b", "c"})
    one_way, write = 100 * US, 500 * US
    assert network.now - asked_at == 2 * write + one_way


def test_an_heir_is_who_stands_or_has_been_voted_for_until_somebody_leads() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    network.run(100 * MS)
    assert [server.raft.heir for server in network.alive()] == [None] * 3
    network.kill(leader, notice=200 * US)
    one, other = network.alive()
    network.run_until(lambda: one.raft.heir is not None and other.raft.heir is not None)
    heir = one.raft.heir
    assert other.raft.heir == heir
    assert network.elect().name == heir
    network.run(100 * MS)
    assert [server.raft.heir for server in network.alive()] == [None] * 2


def test_a_restarted_server_finds_its_term_and_its_log() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    network.propose(leader, "a")
    network.run(100 * MS)
    network.kill(leader, notice=200 * US)
    second = network.elect()
    network.propose(second, "b")
    network.run(100 * MS)
    network.boot(leader)
    network.run(100 * MS)
    assert [server.data for server in network.alive()] == [[b"a", b"b"]] * 3
    assert leader.raft.epoch == second.raft.epoch
