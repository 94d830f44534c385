"""How an embedded election begins, and when it has to begin again: pure rules.

A member votes under an identity of its own, a random number. It keeps it with its log; where there
is no directory, or the log is lost, it comes with a new one: no voter ever forgets a vote, so none
is given twice. Hence:

- an election *is founded* once: the member in the first place does it, when all that are listed
  are connected and none has a genesis. The genesis names their identities, the first voters;
- whoever has the genesis gives it to those whose identity it names;
- a member whose identity is not among the voters is let in by the leader, in place of the one that
  it was before;
- when so many voters have come back with new identities that a majority is gone for good, nobody
  can ever lead again: everybody forgets the genesis, and the election is founded anew. Its epochs
  begin above every epoch that any of the founders knows, and above the founder's clock.

Not guaranteed: when all members have lost their memory *and* the founder's clock was set back, the
epochs of the new election may be lower than earlier ones. A state directory excludes it.
"""

from collections.abc import Mapping

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.quorum import majority


class Genesis(msgspec.Struct, frozen=True, array_like=True):
    """``members`` maps identities to members; epochs count from ``base``; ``id`` is random."""

    id: int
    base: int
    members: dict[int, WorkerName]


def found(members: Mapping[WorkerName, int], random_id: int, newest: int, clock_us: int) -> Genesis:
    """The genesis of an election.

    Args:
        members: the identity of each of those that are listed, all of them new.
        newest: the newest epoch that any of them knows.
        clock_us: the founder's wall clock, microseconds since 1970.
    """
    identities = {identity: name for name, identity in sorted(members.items())}
    return Genesis(random_id, max(newest, clock_us), identities)


def is_over(voters: Mapping[int, WorkerName], present: Mapping[WorkerName, int]) -> bool:
    """Whether a majority of the voters is gone for good.

    Args:
        voters: identities and members, as the election knows them.
        present: the identities with which members are connected, this one included.
    """
    gone = [one for one, name in voters.items() if present.get(name, one) != one]
    return len(voters) - len(gone) < majority(len(voters))
