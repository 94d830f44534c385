"""What a log has to hold for a cluster to begin (again) with a state instead of nothing."""

from collections.abc import Mapping

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Record, SaveSnapshot, SetFact, Snapshot, Stored
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.elections.raft.payload import (
    Configuration,
    configuration_of,
    snapshot_data,
    snapshot_parts,
)

ELECTIONS = ("raft",)
"""Those whose clusters can begin with a state."""


def beginning(
    member: int, members: Mapping[int, WorkerName], state: bytes, index: int, epoch: int
) -> tuple[Record, ...]:
    """The first records of a member's empty log, the same for all members but for their identity.

    Args:
        member: the identity that the log is for; ``members`` are all of the first voters.
        state: encoded, as it is after the change at ``index``.
        epoch: the first leadership's is higher.
    """
    vote = msgspec.msgpack.encode(StoredVote(member, epoch, 0))
    snapshot = Snapshot(index, epoch, snapshot_data(Configuration(dict(members)), state))
    return SetFact(VOTE, vote), SaveSnapshot(snapshot, keep_after=index)


def last_epoch(stored: Stored) -> int:
    """The epoch of the latest vote or entry in a log."""
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
        parts = snapshot_parts(stored.snapshot.data)
        found = stored.snapshot.index, parts.configuration.voters
    for entry in stored.entries:
        configuration = configuration_of(entry)
        if configuration is not None:
            found = entry.index, configuration.voters
    return found
