"""A member's key among the candidates, where it is not always one.

Invariant: it is made only where there is none of this name, and removed only if it is the one that
was made: so a member never takes another's, and nothing that arrives late takes a newer one.
"""

from collections import deque

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.time import earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.candidacy import Rival, Who
from interrex.elections.coordinated.desk import Desk
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import Candidate, candidate_key
from interrex.elections.etcd.session import Session
from interrex.elections.etcd.settings import EtcdSettings

REMEMBERED_LEASES = 64


class Place:
    """Where one member stands.

    Args:
        desk: where etcd is asked.
        settings: priority and delays.
        me: this member.
        who: its process, for people.
        session: its lease.
        rival: is told of another of this name.
    """

    def __init__(
        self,
        desk: Desk[q.Answer],
        settings: EtcdSettings,
        me: WorkerName,
        who: str,
        session: Session,
        rival: Rival,
    ) -> None:
        self._desk = desk
        self._settings = settings
        self._me = me
        self._who = who
        self._session = session
        self._rival = rival
        self._key = candidate_key(me)
        self._created = 0
        self._lease = 0
        self._leases: deque[int] = deque(maxlen=REMEMBERED_LEASES)
        self._busy = False
        self._backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self.wanted = False
        """Whether it is to be there."""

    @property
    def stands(self) -> bool:
        """Whether it is wanted, and its key is in etcd under the lease that is relied on."""
        return self.wanted and self._has_key

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left to remove."""
        return not self.wanted and not self._has_key and not self._busy

    @property
    def _has_key(self) -> bool:
        return self._created > 0 and self._lease == self._session.lease

    @property
    def wake_at(self) -> int | None:
        """When something is asked (ns)."""
        wants = self.wanted != self._has_key and self._session.lease is not None
        return earliest(self._backoff.at if wants and not self._busy else None)

    def go_on(self) -> None:
        """Ask what can be asked now."""
        lease = self._session.lease
        if lease is None or self._busy or self.wanted == self._has_key:
            return
        if not self._backoff.is_due(self._desk.now):
            return
        self._busy = True
        if self.wanted:
            if lease not in self._leases:
                self._leases.append(lease)
            who = Who(self._who, self._session.lasts)
            candidate = Candidate(self._me, self._settings.priority, who)
            put = q.Put(self._key, msgspec.json.encode(candidate), lease)
            question = q.Transact((q.Compare(self._key, created=0),), (put,), (q.Get(self._key),))
            self._desk.ask(question, lambda answer: self._put(lease, answer))
        else:
            mine = q.Compare(self._key, created=self._created)
            question = q.Transact((mine,), (q.Delete(self._key),))
            self._desk.ask(question, self._removed)

    def _put(self, lease: int, answer: q.Answer) -> None:
        self._busy = False
        if isinstance(answer, q.LeaseGone):
            self._session.gone(lease, "etcd has let its lease run out")
        elif not isinstance(answer, q.Transacted):
            self._rival.unsure()
            self._backoff.failed(self._desk.now)
        elif answer.succeeded:
            self._has(answer.revision, lease)
        else:
            found = answer.got[0][0] if answer.got[0] else None
            if found is None:
                self._rival.unsure()
            elif found.lease == lease:
                self._has(found.created, lease)  # by an attempt whose answer was lost
            else:
                self._met(found)

    def _has(self, created: int, lease: int) -> None:
        self._backoff.succeeded()
        self._rival.unsure()
        self._created, self._lease = created, lease

    def _met(self, found: q.KeyValue) -> None:
        """There is one of this name: from this process's own earlier lease, or another's."""
        self._backoff.failed(self._desk.now)
        if found.lease in self._leases:
            self._desk.ask(q.Revoke(found.lease), lambda answer: None)
            return
        try:
            who = msgspec.json.decode(found.value, type=Candidate).who
        except msgspec.MsgspecError:
            who = None
        lasts = Who("something that is no candidate", self._session.lasts)
        self._rival.saw((found.lease, found.created), who or lasts, self._desk.now)

    def _removed(self, answer: q.Answer) -> None:
        self._busy = False
        if isinstance(answer, q.Transacted):
            self._backoff.succeeded()
            self._created = 0
        else:
            self._backoff.failed(self._desk.now)
