"""What each election promises and what it rests on, side by side, as something code can ask for.

Light to import: it is for those, too, who only read cluster files.
"""

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.spec import COORDINATED, ELECTIONS, ClusterSpec


class Guarantees(msgspec.Struct, frozen=True, kw_only=True):
    """What an election promises as it is configured, and what it rests on.

    ``unique_epochs``: no two leaderships ever have the same epoch, also under partition.
    ``fenced``: besides, of two leaders at one time only the one of the newer epoch can get a
    change acknowledged.
    ``durable``: a change that was acknowledged is never lost while the disks of a majority of the
    workers survive, whatever is cut off or dies.
    ``quorum``: it takes a majority of the workers to lead; otherwise every connected part of the
    cluster has a leader of its own.
    ``coordinated``: a coordination service outside keeps the state, and nobody votes; its disks
    are what ``durable`` rests on, and a single worker may lead.
    ``liveness``: when there will be a leader; ``clocks``: what is assumed of clocks; in words.
    ``caution``: what users have to be told; empty where there is nothing.
    """

    unique_epochs: bool
    fenced: bool
    durable: bool
    quorum: bool
    liveness: str
    clocks: str
    caution: str = ""
    coordinated: bool = False


RAFT = Guarantees(
    unique_epochs=True,
    fenced=True,
    durable=True,
    quorum=True,
    liveness="while a majority of the workers reach each other and their disks answer",
    clocks="none for safety; a deposed leader's belief in itself ends in time where clocks run "
    "apart by less than a tenth",
)

PAXOS = RAFT
"""The same promises, kept by other means."""

BULLY = Guarantees(
    unique_epochs=True,
    fenced=False,
    durable=False,
    quorum=False,
    liveness="in every part of the cluster whose workers reach each other",
    clocks="silence for the election time-out is taken for absence, which may make a second leader",
    caution="where the network falls apart, bully has a leader in each part; when they meet again, "
    "what all but one have acknowledged is lost, and reported. bully.quorum = true lets only a "
    "majority lead",
)
BULLY_WITH_QUORUM = Guarantees(
    unique_epochs=True,
    fenced=True,
    durable=True,
    quorum=True,
    liveness="while a majority of the workers reach each other and their disks answer",
    clocks=RAFT.clocks,
)
ETCD = Guarantees(
    unique_epochs=True,
    fenced=True,
    durable=True,
    quorum=False,
    liveness="while a majority of etcd's members reach each other and a worker reaches them",
    clocks=RAFT.clocks,
    coordinated=True,
)
ZOOKEEPER = Guarantees(
    unique_epochs=True,
    fenced=True,
    durable=True,
    quorum=False,
    liveness="while a majority of ZooKeeper's servers reach each other and a worker reaches them",
    clocks="none for safety; a deposed leader's belief in itself ends after half of its session: "
    "the other half is left to ZooKeeper's ticks and to clocks that run apart",
    coordinated=True,
)
POSTGRESQL = Guarantees(
    unique_epochs=True,
    fenced=False,
    durable=False,
    quorum=False,
    liveness="while the database's primary server answers a member",
    clocks=RAFT.clocks,
    caution="it keeps no changes, and so refuses none: whoever receives a leader's work has to "
    "refuse older epochs. Two primary servers at once elect one leader each",
    coordinated=True,
)
"""For programs only: no cluster file can ask for it, so ``guarantees_of`` never gives it."""


def guarantees_of(spec: ClusterSpec) -> Guarantees:
    """What the election that a cluster file asks for promises, configured as it is there.

    Raises:
        InterrexError: no such election.
    """
    match spec.election:
        case "raft":
            return RAFT
        case "paxos":
            return PAXOS
        case "bully":
            return BULLY_WITH_QUORUM if spec.bully.quorum else BULLY
        case "etcd":
            return ETCD
        case "zookeeper":
            return ZOOKEEPER
        case _:
            known = ", ".join((*ELECTIONS, *COORDINATED))
            raise InterrexError(f"no election is called {spec.election!r}: {known}")


def unmet(spec: ClusterSpec) -> str:
    """What a cluster file requires of its election and does not get, in words; else empty.

    Raises:
        InterrexError: no such election.
    """
    guarantees = guarantees_of(spec)
    if spec.require == "fenced" and not guarantees.fenced:
        return f"{spec.election} is not fenced as it is configured: {guarantees.caution}"
    return ""
