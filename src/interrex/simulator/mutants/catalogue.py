"""Every planted bug there is."""

from interrex.simulator.mutants.commands import COMMANDS
from interrex.simulator.mutants.coordinated import OF_ETCD, OF_ZOOKEEPER
from interrex.simulator.mutants.embedded import OF_BULLY, OF_PAXOS
from interrex.simulator.mutants.entries import ENTRIES
from interrex.simulator.mutants.fleet import FLEET
from interrex.simulator.mutants.leadership import LEADERSHIP
from interrex.simulator.mutants.mutant import Mutant
from interrex.simulator.mutants.replicas import REPLICAS
from interrex.simulator.mutants.votes import VOTES

AREAS: dict[str, tuple[Mutant, ...]] = {
    "Votes": VOTES,
    "The log": ENTRIES,
    "Leading": LEADERSHIP,
    "Commands, changes and healing": COMMANDS,
    "Replicas": REPLICAS,
    "The fleet": FLEET,
    "Paxos": OF_PAXOS,
    "Bully": OF_BULLY,
    "The election by etcd": OF_ETCD,
    "The election by ZooKeeper": OF_ZOOKEEPER,
}

MUTANTS: dict[str, Mutant] = {mutant.name: mutant for area in AREAS.values() for mutant in area}
"""By name."""
