"""What a log has to hold for a cluster to begin (again) with a state instead of nothing.

Which election a log is of, it says itself: each keeps a fact of its own in it.
"""

from collections.abc import Mapping

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Record, SaveSnapshot, SetFact, Snapshot, Stored
from interrex.elections.paxos.node import PROMISE, StoredPromise
from interrex.elections.paxos.snapshots import snapshot_data as paxos_snapshot_data
from interrex.elections.paxos.snapshots import snapshot_parts as paxos_snapshot_parts
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.elections.replicated.payload import (
    Configuration,
    configuration_of,
    snapshot_data,
    snapshot_parts,
)

ELECTIONS = ("raft", "paxos")
"""Those whose clusters can begin with a state."""


def beginning(
    election: str,
    member: int,
    members: Mapping[int, WorkerName],
    state: bytes,
    index: int,
    epoch: int,
) -> tuple[Record, ...]:
    """The first records of a member's empty log, the same for all members but for their identity.

    Args:
        election: one of ``ELECTIONS``.
        member: the identity that the log is for; ``members`` are all of the first voters.
        state: encoded, as it is after the change at ``index``.
        epoch: the first leadership's is higher.
    """
    configuration = Configuration(dict(members))
    if election == "paxos":
        fact = SetFact(PROMISE, msgspec.msgpack.encode(StoredPromise(member, epoch, 0)))
        data = paxos_snapshot_data(((0, configuration),), state)
    else:
        fact = SetFact(VOTE, msgspec.msgpack.encode(StoredVote(member, epoch, 0)))
        data = snapshot_data(configuration, state)
    return fact, SaveSnapshot(Snapshot(index, epoch, data), keep_after=index)


def last_epoch(stored: Stored) -> int:
    """The epoch of the latest vote or entry in a log."""
    promise = stored.facts.get(PROMISE)
    if promise is not None:
        return msgspec.msgpack.decode(promise, type=StoredPromise).round
    vote = stored.facts.get(VOTE)
    return 0 if vote is None else msgspec.msgpack.decode(vote, type=StoredVote).term


def last_index(stored: Stored) -> int:
    """How far a log reaches."""
    if stored.entries:
        return stored.entries[-1].index
    return 0 if stored.snapshot is None else stored.snapshot.index


def voters(stored: Stored) -> tuple[int, Mapping[int, WorkerName]] | None:
    """The index of the latest change of membership in a log, and who votes since; None if none."""
    found = None
    if stored.snapshot is not None:
        found = stored.snapshot.index, _configuration(stored, stored.snapshot.data).voters
    for entry in stored.entries:
        configuration = configuration_of(entry)
        if configuration is not None:
            found = entry.index, configuration.voters
    return found


def _configuration(stored: Stored, snapshot: bytes) -> Configuration:
    """The newest configuration in a snapshot."""
    if PROMISE in stored.facts:
        return paxos_snapshot_parts(snapshot).history[-1][1]
    return snapshot_parts(snapshot).configuration
