"""The elections that the contract is tested on.

``New`` makes a cluster in memory that is watched by the election's own checkers; its keyword
arguments are settings that every election has.
"""

from collections.abc import Callable
from typing import Any

import pytest

from interrex.elections.paxos import PaxosSettings
from interrex.elections.raft import RaftSettings
from tests.elections.network import Network
from tests.elections.paxos import checkers as paxos_checkers
from tests.elections.paxos import network as paxos_network
from tests.elections.raft import checkers as raft_checkers
from tests.elections.raft import network as raft_network

New = Callable[..., Network[Any]]


def new_raft(size: int = 3, seed: int = 1, **settings: Any) -> Network[Any]:
    network = raft_network.Network(size, settings=RaftSettings(**settings), seed=seed)
    raft_checkers.Checkers(network)
    return network


def new_paxos(size: int = 3, seed: int = 1, **settings: Any) -> Network[Any]:
    network = paxos_network.Network(size, settings=PaxosSettings(**settings), seed=seed)
    paxos_checkers.Checkers(network)
    return network


WITH_A_LOG: dict[str, New] = {"raft": new_raft, "paxos": new_paxos}
"""Those that lead by a majority, and lose nothing that was acknowledged."""


@pytest.fixture(params=list(WITH_A_LOG.values()), ids=list(WITH_A_LOG))
def new(request: pytest.FixtureRequest) -> New:
    """A new network of an election that is durable and needs a quorum."""
    made: New = request.param
    return made
