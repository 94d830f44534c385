"""A cluster that begins again with a state: every log the same, then an ordinary cluster."""

import pytest

from interrex.core.storage import Stored
from interrex.core.time import MS
from interrex.elections import beginning
from interrex.elections.interface import ReplaceMember
from tests.elections.contract.clusters import TIMEOUT, settled
from tests.elections.contract.conftest import WITH_A_LOG
from tests.elections.network import encode_state


@pytest.mark.parametrize("election", beginning.ELECTIONS)
def test_a_cluster_begins_with_a_state_and_goes_on_above_its_epoch(election: str) -> None:
    network = WITH_A_LOG[election](3)
    state = encode_state([(7, b"before")])
    for server in network.servers.values():
        for record in beginning.beginning(election, server.member, network.genesis, state, 9, 40):
            server.disk.write(record)
    for watcher in (network.watchers, network.senders):
        watcher.clear()
    leader = settled(network)
    assert leader.election.epoch == 41
    network.propose(leader, "after")
    network.run(TIMEOUT)
    assert [server.data for server in network.alive()] == [[b"before", b"after"]] * 3


@pytest.mark.parametrize("election", beginning.ELECTIONS)
def test_a_log_tells_its_epoch_how_far_it_reaches_and_who_votes(election: str) -> None:
    network = WITH_A_LOG[election](3, snapshot_after=3, trailing_entries=0)
    empty = network[1].disk.stored()
    assert (beginning.last_epoch(empty), beginning.last_index(empty)) == (0, 0)
    assert beginning.voters(Stored()) is None
    leader = settled(network)
    removed = network.followers(leader)[0]
    network.step(leader, ReplaceMember("r", removed.name, None))  # type: ignore[arg-type]
    network.run(50 * MS)
    for index in range(5):
        network.propose(leader, f"c{index}")
        network.run(5 * MS)
    log = leader.disk.stored()
    found = beginning.voters(log)
    assert found is not None
    assert removed.member not in found[1]
    assert len(found[1]) == 2
    assert beginning.last_epoch(log) == leader.election.epoch
    assert beginning.last_index(log) >= len(leader.data)
