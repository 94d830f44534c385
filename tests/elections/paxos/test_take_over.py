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
    assert leader.settled == {"a": [(1, "")]}


def test_after_a_proof_of_death_one_round_of_promises_and_one_write_make_a_leader() -> None:
    network = Network(3)
    network.start()
    leader = network.elect()
    network.run(100 * MS)
    killed_at = network.now
    network.kill(leader, notice=200 * US)
    network.elect()
    one_way, write = 100 * US, 500 * US
    assert network.now - killed_at == 200 * US + 3 * one_way + write


def test_a_restarted_server_finds_its_round_and_its_slots() -> None:
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
    assert leader.paxos.epoch == second.paxos.epoch
