"""This worker's lease: granted, kept alive, and given up by this worker's own clock.

Invariant: ``deadline`` counts from when the question was *asked* that etcd answered last, by the
time that etcd *granted*, less what clocks may differ: while it has not passed, etcd has not let the
lease run out. After it the lease is never used again; a new one is granted.
"""

from collections.abc import Callable
from typing import NamedTuple

from interrex.core.time import earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.advice import words_of
from interrex.elections.etcd.settings import EtcdSettings

KEEP_ALIVES = 4
"""So many times a lease is renewed while it would last."""


class Lease(NamedTuple):
    """``deadline`` and ``next_renewal`` in ns; ``ttl_s`` as etcd granted it."""

    id: int
    ttl_s: int
    deadline: int
    next_renewal: int


class Session:
    """Keeps one lease at a time.

    Args:
        desk: where etcd is asked.
        settings: times.
        began: called when a lease was granted.
        ended: called with the reason when it is over, or has to be taken for it.
    """

    def __init__(
        self,
        desk: Desk[q.Answer],
        settings: EtcdSettings,
        began: Callable[[], None],
        ended: Callable[[str], None],
    ) -> None:
        self._desk = desk
        self._settings = settings
        self._began = began
        self._ended = ended
        self._lease: Lease | None = None
        self._asking = False
        self._backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self.problem = ""
        """Why there is no lease, where the last attempt failed."""

    @property
    def lease(self) -> int | None:
        """The lease's id while it can be relied on."""
        lease = self._lease
        return lease.id if lease is not None and self._desk.now < lease.deadline else None

    @property
    def deadline(self) -> int:
        """Until when (ns) the lease can be relied on unless renewed; 0 without one."""
        return 0 if self._lease is None else self._lease.deadline

    @property
    def lasts(self) -> int:
        """For how long (ns) the lease that was granted is relied on; 0 without one."""
        return 0 if self._lease is None else self._settings.believed(self._lease.ttl_s)

    @property
    def wake_at(self) -> int | None:
        """When there is something to do (ns)."""
        lease = self._lease
        if lease is not None:
            renewal = None if self._asking else max(lease.next_renewal, self._backoff.at)
            return earliest(lease.deadline, renewal)
        return None if self._asking else self._backoff.at

    def on_time(self) -> None:
        """Do what is due: give the lease up, renew it, ask for one."""
        now = self._desk.now
        if self._lease is not None and now >= self._lease.deadline:
            self.give_up("etcd has not renewed its lease in time")
        if self._asking or not self._backoff.is_due(now):
            return
        if self._lease is None:
            self._asking = True
            number = self._desk.random.getrandbits(62) | 1
            self._desk.ask(q.Grant(number, self._settings.ttl_s), lambda a: self._granted(now, a))
        elif now >= self._lease.next_renewal:
            self._asking = True
            number = self._lease.id
            self._desk.ask(q.KeepAlive(number), lambda a: self._kept(number, now, a))

    def give_up(self, reason: str) -> None:
        """End the lease, at etcd too as soon as etcd hears of it."""
        lease = self._lease
        if lease is not None:
            self._lease = None
            self._desk.ask(q.Revoke(lease.id), lambda answer: None)
            self._ended(reason)

    def gone(self, lease: int, reason: str) -> None:
        """Etcd says that there is no such lease."""
        if self._lease is not None and self._lease.id == lease:
            self._lease = None
            self._ended(reason)

    def _granted(self, asked: int, answer: q.Answer) -> None:
        self._asking = False
        if not isinstance(answer, q.Granted):
            self._failed(answer)
            return
        self._renewed(answer.lease, answer.ttl_s, asked if answer.asked is None else answer.asked)
        if self.lease is not None:
            self._began()

    def _kept(self, lease: int, asked: int, answer: q.Answer) -> None:
        self._asking = False
        if self._lease is None or self._lease.id != lease:
            return
        match answer:
            case q.Kept(ttl_s, earlier):
                self._renewed(lease, ttl_s, asked if earlier is None else earlier)
            case q.LeaseGone():
                self.gone(lease, "etcd has let its lease run out")
            case _:
                self._failed(answer)

    def _renewed(self, lease: int, ttl_s: int, asked: int) -> None:
        believed = self._settings.believed(ttl_s)
        self._lease = Lease(lease, ttl_s, asked + believed, asked + believed // KEEP_ALIVES)
        self._backoff.succeeded()
        self.problem = ""

    def _failed(self, answer: q.Answer) -> None:
        self._backoff.failed(self._desk.now)
        self.problem = words_of(answer)
