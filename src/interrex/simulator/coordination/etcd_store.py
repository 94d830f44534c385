"""etcd in memory: keys with revisions, leases that run out, watches that begin at a revision."""

from typing import assert_never

from interrex.core.time import S
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import LEADER

LEAST_TTL_S = 2
BUMP = 1_000_000_000
"""By so much revisions are raised as a backup is restored, so that none comes twice."""


class EtcdStore:
    """One etcd cluster as its clients see it. Times are ns of its own clock."""

    def __init__(self, least_ttl_s: int = LEAST_TTL_S) -> None:
        self.revision = 1
        self.keys: dict[str, q.KeyValue] = {}
        self.leases: dict[int, tuple[int, int]] = {}
        """What was granted (s), and when it ends."""
        self.history: list[q.Event] = []
        self.compacted = 0
        self._least_ttl_s = least_ttl_s

    def answer(self, question: q.Question, now: int) -> q.Answer:
        """Do what is asked, now."""
        self.expire(now)
        match question:
            case q.Grant(lease, ttl_s):
                if lease in self.leases:
                    return q.Failed(q.Certainty.REFUSED, "etcdserver: lease already exists")
                granted = max(ttl_s, self._least_ttl_s)
                self.leases[lease] = (granted, now + granted * S)
                return q.Granted(lease, granted)
            case q.KeepAlive(lease):
                if lease not in self.leases:
                    return q.LeaseGone()
                ttl_s, _ = self.leases[lease]
                self.leases[lease] = (ttl_s, now + ttl_s * S)
                return q.Kept(ttl_s)
            case q.Revoke(lease):
                self._end(lease)
                return q.Revoked()
            case q.Transact():
                return self._transact(question)
            case q.Watch():
                return q.Watching()
            case _:
                assert_never(question)

    @property
    def ends(self) -> list[int]:
        """When each lease runs out."""
        return [end for _, end in self.leases.values()]

    def expire(self, now: int) -> list[int]:
        """Let leases run out that are due.

        Returns:
            The epochs whose leaders held one of them.
        """
        held = self.keys.get(LEADER)
        due = [lease for lease, (_, end) in self.leases.items() if now >= end]
        for lease in due:
            self._end(lease)
        return [held.created] if held is not None and held.lease in due else []

    def renew_all(self, now: int) -> None:
        """Another member leads: every lease runs its whole time from now on."""
        for lease, (ttl_s, _) in self.leases.items():
            self.leases[lease] = (ttl_s, now + ttl_s * S)

    def since(self, revision: int) -> tuple[q.Event, ...]:
        """All changes from a revision on."""
        first = len(self.history)
        while first and self.history[first - 1].modified >= revision:
            first -= 1
        return tuple(self.history[first:])

    def compact(self) -> None:
        """Forget all history."""
        self.compacted = self.revision
        self.history.clear()

    def put_back(self) -> None:
        """Restored as a backup is, with ``--bump-revision`` and ``--mark-compacted``."""
        self.revision += BUMP
        self.compact()

    def _end(self, lease: int) -> None:
        if self.leases.pop(lease, None) is None:
            return
        gone = [key for key, entry in self.keys.items() if entry.lease == lease]
        if gone:
            self.revision += 1
            for key in gone:
                self._delete(key, self.revision)

    def _delete(self, key: str, revision: int) -> None:
        if self.keys.pop(key, None) is not None:
            self.history.append(q.Event(key, None, 0, revision))

    def _transact(self, question: q.Transact) -> q.Answer:
        held = all(self._holds(compare) for compare in question.compares)
        operations = question.success if held else question.failure
        for operation in operations:
            if isinstance(operation, q.Put) and operation.lease not in {0, *self.leases}:
                return q.LeaseGone()
        got = []
        revision = self.revision + 1
        for operation in operations:
            match operation:
                case q.Put(key, value, lease):
                    old = self.keys.get(key)
                    created = revision if old is None else old.created
                    self.keys[key] = q.KeyValue(key, value, created, revision, lease)
                    self.history.append(q.Event(key, value, created, revision, lease))
                    self.revision = revision
                case q.Delete(key, end):
                    for found in self._within(key, end):
                        self._delete(found, revision)
                        self.revision = revision
                case q.Get():
                    got.append(self._get(operation))
                case _:
                    assert_never(operation)
        return q.Transacted(held, self.revision, tuple(got))

    def _holds(self, compare: q.Compare) -> bool:
        entry = self.keys.get(compare.key)
        if compare.created is not None:
            return compare.created == (0 if entry is None else entry.created)
        return compare.modified == (0 if entry is None else entry.modified)

    def _within(self, key: str, end: str) -> list[str]:
        if not end:
            return [key] if key in self.keys else []
        return sorted(name for name in self.keys if key <= name < end)

    def _get(self, get: q.Get) -> tuple[q.KeyValue, ...]:
        found = [self.keys[name] for name in self._within(get.key, get.end)]
        found = [entry for entry in found if entry.modified > get.after]
        return tuple(found[: get.limit or None])
