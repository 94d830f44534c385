"""Leading by etcd: all transactions hold only while the leader's key is the very one that this
leadership began with."""

from collections.abc import Callable, Sequence

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.leading import Leading, Written
from interrex.elections.coordinated.log import SnapshotHead, pieces, snapshot_id
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.advice import advice, may_pass, words_of
from interrex.elections.etcd.keys import (
    LEADER,
    LOG,
    PARTS,
    SNAPSHOT,
    SUCCESSOR,
    Successor,
    after,
    log_key,
    part_key,
)
from interrex.elections.etcd.settings import EtcdSettings
from interrex.elections.etcd.view import View
from interrex.elections.interface import SnapshotTaken

_LEADER_NOW = (q.Get(LEADER),)


class EtcdLeading(Leading[q.Answer]):
    """One leadership by etcd.

    Args:
        desk, settings: as for every leadership.
        view: what was read; all of it up to the epoch's revision.
        me: this worker.
        epoch: the creation revision of the leader's key.
        deposed: called when the guard did not hold, with the leader's key then, and when that was.
    """

    def __init__(
        self,
        desk: Desk[q.Answer],
        settings: EtcdSettings,
        view: View,
        me: WorkerName,
        epoch: int,
        deposed: Callable[[q.KeyValue | None, int], None],
    ) -> None:
        super().__init__(desk, settings, view.log, epoch)
        self._view = view
        self._me = me
        self._deposed = deposed
        self._guard = q.Compare(LEADER, created=epoch)
        self._snapshot: Snapshot | None = None

    @property
    def heir(self) -> Successor | None:
        """Whom it gives up for; None while it does not."""
        return Successor(self.epoch, self._me, self.chosen) if self.handing_over else None

    def _held(self, answer: q.Answer) -> bool | None:
        if not isinstance(answer, q.Transacted):
            return None
        leader = _leader_in(answer)
        return answer.succeeded or (leader is not None and leader.created == self.epoch)

    def _why(self, answer: q.Answer) -> str:
        if may_pass(answer):
            return ""
        why = words_of(answer)
        return f"nothing can be written to etcd: {why}; {advice(why)}"

    def _lost(self, answer: q.Answer) -> None:
        assert isinstance(answer, q.Transacted)
        self._deposed(_leader_in(answer), answer.revision)

    def _guard_question(self) -> q.Transact:
        return q.Transact((self._guard,), (), _LEADER_NOW)

    def _write_batch(self, batch: Sequence[Written]) -> None:
        puts = tuple(q.Put(log_key(one.at), one.entry) for one in batch)
        question = q.Transact((self._guard,), puts, _LEADER_NOW)
        self._ask(question, lambda answer: self._batch_done())

    def _write_hand_over(self) -> None:
        heir = q.Put(SUCCESSOR, msgspec.json.encode(self.heir))
        question = q.Transact((self._guard,), (q.Delete(LEADER), heir), _LEADER_NOW)

        def handed_over(answer: q.Answer) -> None:
            assert isinstance(answer, q.Transacted)
            self._deposed(None, answer.revision)

        self._ask(question, handed_over)

    # Snapshots

    def _begin_snapshot(self, taken: SnapshotTaken) -> None:
        parts = pieces(taken.data, self._settings.part_bytes)
        name = snapshot_id(taken.index, self.epoch)
        head = SnapshotHead(taken.index, name, len(parts), self._log.above)
        self._snapshot = Snapshot(head, parts)

    @property
    def _has_snapshot(self) -> bool:
        return self._snapshot is not None

    def _write_snapshot(self) -> None:
        assert self._snapshot is not None
        compares, operations = self._snapshot.next_step(self._view.head_revision)
        question = q.Transact((self._guard, *compares), operations, _LEADER_NOW)
        self._ask(question, self._wrote_part)

    def _wrote_part(self, answer: q.Answer) -> None:
        """Where only the head before was another one, an attempt whose answer was lost did it."""
        assert isinstance(answer, q.Transacted)
        assert self._snapshot is not None
        if self._snapshot.step_done():
            if answer.succeeded:
                head, at = self._snapshot.head_put, answer.revision
                self._view.saw_snapshot(q.KeyValue(head.key, head.value, at, at))
            self._snapshot = None
            self._snapshot_done()


def _leader_in(answer: q.Transacted) -> q.KeyValue | None:
    return answer.got[0][0] if answer.got and answer.got[0] else None


class Snapshot:
    """A state on its way into etcd: its parts one by one, then its head, with which it holds.

    The head is written only if the head before is still the one that was seen: an attempt of which
    no answer came could otherwise land late, and put an old head over parts that are gone.
    """

    def __init__(self, head: SnapshotHead, parts: list[bytes]) -> None:
        self._parts = parts
        self._index = head.index
        self._id = head.id
        self._done = 0
        self.head_put = q.Put(SNAPSHOT, msgspec.json.encode(head))

    def next_step(
        self, head_revision: int
    ) -> tuple[tuple[q.Compare, ...], tuple[q.Operation, ...]]:
        """The next transaction's comparisons, of which only the last has one, and operations."""
        if self._done < len(self._parts):
            part = q.Put(part_key(self._id, self._done), self._parts[self._done])
            return (), (part,)
        mine = f"{PARTS}{self._id}/"
        operations = (
            self.head_put,
            q.Delete(LOG, log_key(self._index + 1)),
            q.Delete(PARTS, mine),
            q.Delete(after(mine), after(PARTS)),
        )
        return (q.Compare(SNAPSHOT, modified=head_revision),), operations

    def step_done(self) -> bool:
        """One more is in etcd; returns whether it was the last."""
        self._done += 1
        return self._done > len(self._parts)
