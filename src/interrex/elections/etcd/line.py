"""Who comes next when nobody leads, and when it is this worker's turn.

A matter of speed only: the transaction that makes a leader is what excludes a second one. A wrong
order costs time, never safety.
"""

from collections import deque

from interrex.core.ids import WorkerName
from interrex.elections.etcd.settings import EtcdSettings
from interrex.elections.etcd.view import View

REMEMBERED_LEASES = 64
"""Of processes that are dead: the key of a leadership may be heard of after its leader's death."""


class Line:
    """The order of the candidates, and since when nobody leads.

    A leadership is vacant when its key is gone, when its process is proved dead, or when it is this
    very worker's from a life or a lease before: this worker is the only one of its name.
    """

    def __init__(self, me: WorkerName, settings: EtcdSettings, view: View) -> None:
        self._me = me
        self._settings = settings
        self._view = view
        self._dead: set[WorkerName] = set()
        self._dead_leases: deque[int] = deque(maxlen=REMEMBERED_LEASES)
        self._since: int | None = None
        self._is_my_own_old_one = False

    def is_dead(self, worker: WorkerName, lease: int | None) -> None:
        """A worker's process is proved dead, and with it whoever had this lease."""
        self._dead.add(worker)
        if lease is not None:
            self._dead_leases.append(lease)

    def is_back(self, worker: WorkerName) -> None:
        """There is a new process of this name."""
        self._dead.discard(worker)

    @property
    def is_vacant(self) -> bool:
        """Whether nobody leads, or nobody who lives."""
        held = self._view.leader
        return held is None or held.lease in self._dead_leases

    def look(self, mine: int | None, now: int) -> None:
        """Notice since when (ns) nobody leads; ``mine`` is this worker's lease."""
        held = self._view.leader
        self._is_my_own_old_one = (
            held is not None and held.worker == self._me and held.lease != mine
        )
        if not (self.is_vacant or self._is_my_own_old_one):
            self._since = None
        elif self._since is None:
            self._since = now

    @property
    def claim_at(self) -> int | None:
        """When it is this worker's turn (ns); None while somebody leads."""
        if self._since is None:
            return None
        if self._is_my_own_old_one:
            return self._since
        return self._since + self._wait()

    def _wait(self) -> int:
        """How long (ns) this worker lets others go first."""
        settings, view = self._settings, self._view
        heir = view.successor
        if heir is None or heir.epoch != view.epoch:
            return self._rank(None) * settings.stagger
        if heir.chosen == self._me:
            return 0
        chosen = heir.chosen in view.candidates and heir.chosen not in self._dead
        if heir.left == self._me or chosen:
            return settings.transfer_patience + self._rank(None) * settings.stagger
        return self._rank(heir.left) * settings.stagger

    def _rank(self, left: WorkerName | None) -> int:
        """How many stand before this worker."""
        standings = self._view.candidates
        order = sorted(
            standings,
            key=lambda worker: (
                -standings[worker].candidate.priority,
                standings[worker].since,
                worker,
            ),
        )
        before = order[: order.index(self._me)] if self._me in order else order
        return sum(worker != left and worker not in self._dead for worker in before)
