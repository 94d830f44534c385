"""Which election a cluster file's word names. Only that one is loaded: a worker is kept small."""

from collections.abc import Mapping
from random import Random

from msgspec.structs import replace

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.storage import Stored
from interrex.elections.guarantees import guarantees_of, unmet
from interrex.elections.inside import Inside
from interrex.elections.interface import Election
from interrex.elections.replicated.payload import committed_data, snapshot_parts


def new_election(
    spec: ClusterSpec,
    worker: WorkerName,
    member: int,
    stored: Stored,
    genesis: Mapping[int, WorkerName] | None,
    random: Random,
    compact_after: int | None = None,
    *,
    stands_at_once: bool = False,
) -> Election:
    """The election core that a cluster file asks for.

    Args:
        spec: names the election and its times.
        worker: this worker; ``member`` is the identity under which its log votes.
        stored: what its disk holds.
        genesis: the first voters, None for a worker that must be let in by the others.
        random: the only source of chance.
        compact_after: after how many changes the log is compacted; None: after so many that it
            seldom is.
        stands_at_once: where members wait for a time-out before the first election, this one does
            not: for one of those that begin together.

    Raises:
        InterrexError: no such election, one that does not promise what the file requires, or
            times that contradict each other.
    """
    missing = unmet(spec)
    if missing:
        raise InterrexError(missing)
    match spec.election:
        case "paxos":
            from interrex.elections.paxos import settings as paxos
            from interrex.elections.paxos.paxos import Paxos

            slots = paxos.settings_from(spec.timing, compact_after)
            slots = replace(slots, stands_at_once=stands_at_once)
            return Paxos(worker, member, stored, slots, genesis, random)
        case "bully":
            from interrex.elections.bully import Bully
            from interrex.elections.bully import settings as bully

            options = bully.settings_from(spec.timing, spec.bully, compact_after)
            return Bully(worker, member, stored, options, genesis, random)
        case "etcd":
            from interrex.elections.etcd import settings as etcd
            from interrex.elections.etcd.etcd import Etcd

            leased = etcd.settings_from(spec.etcd, worker, compact_after)
            return Etcd(worker, member, leased, random, stored=stored)
        case "zookeeper":
            from interrex.elections.zookeeper import settings as zookeeper
            from interrex.elections.zookeeper.zookeeper import ZooKeeper

            lined = zookeeper.settings_from(spec.zookeeper, worker, compact_after)
            return ZooKeeper(worker, member, lined, random, stored=stored)
        case _:
            from interrex.elections.raft import settings as raft
            from interrex.elections.raft.raft import Raft

            settings = raft.settings_from(spec.timing, compact_after)
            settings = replace(settings, stands_at_once=stands_at_once)
            return Raft(worker, member, stored, settings, genesis, random)


def inside_of(spec: ClusterSpec) -> Inside:
    """How a trace looks into the election that a cluster file asks for."""
    match spec.election:
        case "paxos":
            from interrex.elections.paxos import inside as paxos

            return paxos.INSIDE
        case "bully":
            from interrex.elections.bully import inside as bully

            return bully.INSIDE
        case "etcd":
            from interrex.elections.etcd import inside as etcd

            return etcd.INSIDE
        case "zookeeper":
            from interrex.elections.zookeeper import inside as zookeeper

            return zookeeper.INSIDE
        case _:
            from interrex.elections.raft import inside as raft

            return raft.INSIDE


def times_problem(spec: ClusterSpec) -> str:
    """Why the election that a cluster file names cannot go by its times; empty when it can."""
    try:
        _try_times(spec)
    except InterrexError as error:
        return str(error)
    return ""


def _try_times(spec: ClusterSpec) -> None:
    match spec.election:
        case "etcd" | "zookeeper":
            pass  # they go by their sessions, which cannot be changed while workers run
        case "paxos":
            from interrex.elections.paxos import settings as paxos

            paxos.settings_from(spec.timing)
        case "bully":
            from interrex.elections.bully import settings as bully

            bully.settings_from(spec.timing, spec.bully)
        case _:
            from interrex.elections.raft import settings as raft

            raft.settings_from(spec.timing)


def contents(spec: ClusterSpec, stored: Stored) -> tuple[bytes | None, list[tuple[int, bytes]]]:
    """What the log of an election holds, for those who only read.

    Returns:
        The state in its snapshot, None where there is none yet; and the index and the bytes of
        each change after it, acknowledged or not.

    Raises:
        InterrexError: no such election.
        msgspec.DecodeError: the log is none of this election's.
    """
    if guarantees_of(spec).coordinated:
        return None, []  # the coordination service has it
    snapshot = None if stored.snapshot is None else _state_in(spec, stored.snapshot.data)
    floor = 0 if stored.snapshot is None else stored.snapshot.index
    later = ((entry.index, committed_data(entry.data)) for entry in stored.entries)
    return snapshot, [(at, change) for at, change in later if change is not None and at > floor]


def _state_in(spec: ClusterSpec, data: bytes) -> bytes:
    match spec.election:
        case "paxos":
            from interrex.elections.paxos import snapshots

            return snapshots.snapshot_parts(data).data
        case "bully":
            from interrex.elections.bully.payload import whole_parts

            return whole_parts(data).data
        case _:
            return snapshot_parts(data).data
