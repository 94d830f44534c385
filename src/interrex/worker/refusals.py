"""Whether this worker is still wanted, by what those say who refuse it.

Whoever was removed while nobody could tell it learns of it so: otherwise it would live on for ever,
refused by all. Only a refusal by one that follows a leader counts: whoever follows none may be cut
off, and its state long past. And only one by a state that is as new as all that was heard here:

- This worker's own state names it: a newer one that does not is enough.
- Its own state does not name it, either: it joins just now, has lost its log, has begun anew and
  not been told yet what of it is agreed, or has read there that it is removed. Then it waits until
  it has been refused so, again and again, for as long as a lost host is waited for. Peers that
  still know it change nothing of that, or those that were removed with it would keep it for ever;
  but what they know counts: who is behind them and refuses it has not heard yet that it joins.

While it is refused so it starts no other worker of its host, either. There is a leader, which does
that where it is asked for; and two that nobody asks for would start each other for ever.
"""

from interrex.core.ids import WorkerName
from interrex.core.messages import Known
from interrex.core.state import ClusterState
from interrex.core.time import seconds
from interrex.worker.interface import NotKnown


class Refusals:
    """What was heard of this worker not being known.

    Args:
        me: the worker.
    """

    def __init__(self, me: WorkerName) -> None:
        self._me = me
        self._told: dict[WorkerName, int] = {}
        """As of which state each connected peer has said whom there is."""
        self._first: int | None = None
        self._last: int | None = None

    def told(self, peer: WorkerName, known: Known) -> None:
        """A peer, which knows this worker, says whom there is."""
        self._told[peer] = known.index

    def lost(self, peer: WorkerName) -> None:
        """A peer is connected no more."""
        self._told.pop(peer, None)

    def stand(self, state: ClusterState, now: int) -> bool:
        """Whether this worker counts as refused, as of ``now`` (ns)."""
        return self._last is not None and now - self._last < seconds(state.spec.timing.lost_host)

    def are_enough(self, refusal: NotKnown, state: ClusterState, now: int) -> bool:
        """Whether this worker is not wanted, now (ns) that it is refused once more."""
        if not refusal.led:
            return False
        if self._me in state.workers:
            return refusal.index > state.index
        if refusal.index < max(state.index, 1, *self._told.values()):
            return False
        if self._first is None or not self.stand(state, now):
            self._first = now
        self._last = now
        return now - self._first >= seconds(state.spec.timing.lost_host)
