"""Whole clusters for tests of the contract, and their faults."""

from typing import Any

from interrex.core.spec import Timing
from interrex.core.time import seconds
from tests.elections.network import Network, Server

TIMEOUT = seconds(Timing().election_timeout)
"""The election time-out that every election begins with."""


def settled(network: Network[Any], new_leader: bool = True) -> Server:
    """Starts a network and waits until everybody knows the leader."""
    if new_leader:
        network.start()
    leader: Server = network.elect()
    network.run(TIMEOUT)
    return leader


def number(server: Server) -> int:
    return int(server.name[1:])


def only_links(network: Network[Any], *links: tuple[int, int]) -> None:
    """Everything is cut but these links, which work both ways."""
    names = list(network.servers)
    kept = {(network[a].name, network[b].name) for a, b in links}
    network.cut = {
        (a, b) for a in names for b in names if (a, b) not in kept and (b, a) not in kept
    }
