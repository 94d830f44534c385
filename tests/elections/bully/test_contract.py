"""The contract of elections with a log, held by Bully with a quorum.

What it does otherwise is listed in ``DIFFERENT``, with the reason; each is a test that must fail.
What it does not promise without a quorum is declared by its ``Guarantees``.
"""

from typing import Any

import pytest

from interrex.core.time import MS
from interrex.elections.bully import BullySettings
from interrex.elections.bully.epochs import STRIDE
from interrex.elections.guarantees import BULLY, BULLY_WITH_QUORUM, RAFT
from interrex.elections.interface import PeerLost
from tests.elections.bully.network import BullyNetwork
from tests.elections.checkers import Checkers
from tests.elections.contract.clusters import TIMEOUT, number, only_links, settled
from tests.elections.contract.conftest import New
from tests.elections.contract.test_leading import *  # noqa: F403
from tests.elections.contract.test_log import *  # noqa: F403
from tests.elections.contract.test_members import *  # noqa: F403

EPOCHS = "the next epoch is not one more: it ends in the seat of the worker that made it"
DIFFERENT = {
    "test_a_leader_that_hears_but_cannot_send_is_replaced_without_churn": EPOCHS,
    "test_a_death_that_was_none_costs_at_most_one_epoch": EPOCHS,
    "test_the_only_one_that_reaches_a_quorum_leads_within_four_timeouts": (
        "six time-outs: those above it are asked, and answer, until they have found out that they "
        "reach no majority"
    ),
    "test_without_genesis_or_configuration_a_server_never_campaigns": (
        "it does not, but whoever is connected is given the copy, and so follows"
    ),
}


@pytest.fixture
def new(request: pytest.FixtureRequest) -> New:
    """A new network of Bully workers that need a quorum."""
    name = request.function.__name__
    if name in DIFFERENT:
        request.applymarker(pytest.mark.xfail(strict=True, reason=DIFFERENT[name]))

    def make(size: int = 3, seed: int = 1, **settings: Any) -> BullyNetwork:
        settings.pop("inflight_batches", None)  # it always sends one at a time
        options = BullySettings(quorum=True, preempt=False, **settings)
        network = BullyNetwork(size, settings=options, seed=seed)
        Checkers(network)
        return network

    return make


def rounds(epoch: int) -> int:
    """How many epochs there have been, however few of them were led."""
    return epoch // STRIDE


def test_a_leader_that_only_hears_is_replaced_once(new: New) -> None:
    network = new()
    leader = settled(network)
    epoch = leader.election.epoch
    network.cut = {(leader.name, other.name) for other in network.followers(leader)}
    network.run(10_000 * MS)
    second = network.leader()
    assert second is not None
    assert second is not leader
    assert rounds(second.election.epoch) == rounds(epoch) + 1


def test_a_false_death_costs_one_epoch(new: New) -> None:
    network = new()
    leader = settled(network)
    epoch = leader.election.epoch
    for other in network.followers(leader):
        network.step(other, PeerLost(leader.name, proved_dead=True))
    network.run(5 * TIMEOUT)
    assert network.agree()
    assert rounds(leader.election.epoch) == rounds(epoch) + 1


@pytest.mark.parametrize("seed", range(3))
def test_the_only_one_that_reaches_a_majority_leads_within_six_timeouts(
    new: New, seed: int
) -> None:
    network = new(5, seed)
    hub = network.followers(settled(network))[0]
    spokes = [server for server in network.alive() if server is not hub]
    only_links(network, *[(number(hub), number(server)) for server in spokes])
    network.run_until(lambda: hub.election.leading, 6 * TIMEOUT)
    epoch = hub.election.epoch
    network.run(10_000 * MS)
    assert (hub.election.leading, hub.election.epoch) == (True, epoch)


def test_without_genesis_or_a_copy_a_worker_never_stands(new: New) -> None:
    network = new(1)
    network.run(10 * MS)
    joined = network.join(2, 20)
    network.run(5_000 * MS)
    assert (joined.election.wake_at, joined.election.epoch) == (None, 0)


def test_with_a_quorum_bully_promises_what_raft_does() -> None:
    promises = ("unique_epochs", "fenced", "durable", "quorum")
    assert all(
        getattr(BULLY_WITH_QUORUM, promise) == getattr(RAFT, promise) for promise in promises
    )


def test_without_one_it_promises_unique_epochs_and_nothing_else_and_says_so() -> None:
    assert BULLY.unique_epochs
    assert (BULLY.fenced, BULLY.durable, BULLY.quorum) == (False, False, False)
    assert BULLY.caution
