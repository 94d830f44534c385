"""The heart of the product: from a leader's death to a new leader that everybody knows."""

from interrex.core.time import MS, US
from interrex.elections.interface import PeerConnected, PeerLost
from interrex.elections.paxos import messages as m

from .network import Network
from .solo import Solo, worker


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


def test_an_acceptor_that_was_not_connected_is_asked_as_soon_as_it_is() -> None:
    """The messages of phase 1 may be lost: here it is known when they were."""
    server = Solo(3)
    asked = server.become_candidate()
    server.step(PeerLost(worker(2), proved_dead=False))
    server.step(PeerConnected(worker(2), 2))
    assert server.taken(m.Prepare) == [asked[2]]
    server.promised(asked[2])
    assert server.role == "leader"
