"""May a worker with an empty log vote? Only if the whole cluster is as new as it is.

On several hosts each makes its own part of a new cluster, from the same file. A host whose disk
was lost would do that once more, and its empty log would vote under an identity that has voted
before. So a worker that begins with an empty log waits until it has heard from every other first
member: if all of them are as empty, the cluster is new; if one has a log, this worker lost its
own, and comes back under a new identity that the others must let in.

The price: the very first start of a cluster of several hosts needs all of them. On one host the
identities are made together with the cluster and nobody waits.
"""

from collections.abc import Iterable

from interrex.core.ids import WorkerName
from interrex.elections.interface import ElectionEvent, PeerConnected, PeerLost

LOST_LOG = "the cluster has a log, and this worker has none"


class Probation:
    """Who is still to be heard.

    Args:
        others: the other first members.
    """

    def __init__(self, others: Iterable[WorkerName]) -> None:
        self._unheard = set(others)
        self._kept: list[ElectionEvent] = []
        self.lost_log = False

    @property
    def over(self) -> bool:
        """Whether this worker may vote."""
        return not self._unheard and not self.lost_log

    def heard(self, peer: WorkerName, unproven: bool) -> None:
        """A first member said whether its log is empty too."""
        if peer in self._unheard and not unproven:
            self.lost_log = True
        self._unheard.discard(peer)

    def admit(self, event: ElectionEvent) -> list[ElectionEvent]:
        """Keep an event from the election.

        Returns:
            Once the probation is over, what the election must know of the time before it.
        """
        if isinstance(event, PeerConnected | PeerLost):
            self._kept.append(event)
        return self._kept if self.over else []
