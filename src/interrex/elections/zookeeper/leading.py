"""Leading by ZooKeeper: all transactions hold only while the breadcrumb has the version that this
leadership gave it, and this worker's node in the line is there.

So neither a deposed leader nor one whose session has ended writes anything. That a node exists
already which a transaction of unknown outcome makes says that it was done: nobody else makes it.
"""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.leading import Leading, Written
from interrex.elections.coordinated.log import SnapshotHead, pieces, snapshot_id
from interrex.elections.interface import SnapshotTaken
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import (
    ACTIVE,
    SNAPSHOT,
    TIP,
    Crumb,
    Tip,
    log_path,
    part_path,
)
from interrex.elections.zookeeper.reader import Reader
from interrex.elections.zookeeper.settings import ZooKeeperSettings

REMOVED_AT_ONCE = 100


class ZooKeeperLeading(Leading[q.Answer]):
    """One leadership by ZooKeeper.

    Args:
        desk, settings: as for every leadership.
        reader: has read all that stood there when it began.
        crumb: what the breadcrumb says, and ``stat`` its version and the epoch.
        granted_ms: the session's time-out.
        renewed: called with the time of asking (ns) when the ensemble has confirmed it.
        deposed: called with the reason when a guard did not hold.
        gives_up: called with the reason when it must not go on, though its guards hold.
    """

    def __init__(
        self,
        desk: Desk[q.Answer],
        settings: ZooKeeperSettings,
        reader: Reader,
        crumb: Crumb,
        stat: q.Stat,
        granted_ms: int,
        renewed: Callable[[int], None],
        deposed: Callable[[str], None],
        gives_up: Callable[[str], None],
    ) -> None:
        super().__init__(desk, settings, reader.log, stat.modified)
        self._reader = reader
        self._crumb = crumb
        self._version = stat.version
        self._renewed = renewed
        self._deposed = deposed
        self._gives_up = gives_up
        self._guards = (q.Check(ACTIVE, stat.version), q.Check(crumb.node, 0))
        self._renewal = settings.renewal(granted_ms)
        self._next_renewal = 0
        self._tip_version = reader.tip_version
        """Counted here: a reading that is under way may have seen a write whose answer was lost."""
        self._jobs: deque[tuple[q.Operation, ...]] = deque()
        """What is left to do for a snapshot, a transaction each."""

    @property
    def heir(self) -> Crumb | None:
        """What the breadcrumb is to say when it gives up; None while it does not."""
        if not self.handing_over:
            return None
        return msgspec.structs.replace(self._crumb, fenced=True, released=True, heir=self.chosen)

    def _held(self, answer: q.Answer) -> bool | None:
        match answer:
            case q.Transacted():
                return True
            case q.NotHeld(at):
                return at >= len(self._guards)
            case _:
                return None

    def _why(self, answer: q.Answer) -> str:
        why = f"{answer} was not expected"
        if isinstance(answer, q.Failed):
            if not answer.refused:
                return ""
            why = answer.text
        return f"nothing can be written to ZooKeeper: {why}; see to its servers and users"

    def _lost(self, answer: q.Answer) -> None:
        self._deposed("its node is not the active one any more")

    def _guard_question(self) -> q.Transact:
        return q.Transact(self._guards)

    @property
    def _confirm_at(self) -> int | None:
        return self._next_renewal

    def _confirmed_as_of(self, asked: int) -> None:
        self._next_renewal = asked + self._renewal
        self._renewed(asked)

    def _write_batch(self, batch: Sequence[Written]) -> None:
        creates = [q.Create(log_path(one.at), one.entry) for one in batch]
        tip = msgspec.json.encode(Tip(batch[-1].at))
        write = q.Write(TIP, tip, self._tip_version)
        self._ask(q.Transact((*self._guards, *creates, write)), self._wrote)

    def _wrote(self, answer: q.Answer) -> None:
        """A first create that is objected to was done by an attempt whose answer was lost."""
        if isinstance(answer, q.NotHeld) and answer.objection is not q.Objection.EXISTS:
            self._gives_up(f"the log is not as this leader left it: {answer.objection}")
            return
        self._tip_version += 1
        self._batch_done()

    def _write_hand_over(self) -> None:
        write = q.Write(ACTIVE, msgspec.json.encode(self.heir), self._version)
        question = q.Transact((*self._guards, write))
        self._ask(question, lambda answer: self._deposed("it has handed over"))

    # Snapshots

    def _begin_snapshot(self, taken: SnapshotTaken) -> None:
        """Its parts one by one, then its head, with which it holds; then what it replaces goes."""
        parts = pieces(taken.data, self._settings.part_bytes)
        name = snapshot_id(taken.index, self.epoch)
        for number, piece in enumerate(parts):
            self._jobs.append((q.Create(part_path(name, number), piece),))
        head = SnapshotHead(taken.index, name, len(parts), self._log.above)
        old = self._log.head
        write = q.Write(SNAPSHOT, msgspec.json.encode(head), self._reader.head_version)
        self._jobs.append((write,))
        gone = [log_path(index) for index in range(old.index + 1, taken.index + 1)]
        gone += [part_path(old.id, number) for number in range(old.parts)]
        for start in range(0, len(gone), REMOVED_AT_ONCE):
            some = gone[start : start + REMOVED_AT_ONCE]
            self._jobs.append(tuple(q.Remove(path) for path in some))

    @property
    def _has_snapshot(self) -> bool:
        return bool(self._jobs)

    def _write_snapshot(self) -> None:
        self._ask(q.Transact((*self._guards, *self._jobs[0])), self._did_job)

    def _did_job(self, answer: q.Answer) -> None:
        """What is there or gone already was so by an attempt whose answer was lost."""
        job = self._jobs.popleft()
        first = job[0]
        if isinstance(first, q.Write):
            self._log.saw_head(msgspec.json.decode(first.data, type=SnapshotHead))
            self._reader.head_version = first.version + 1
        if len(job) > 1 and isinstance(answer, q.NotHeld):
            # Some of what is to be removed went before: the rest goes one by one.
            self._jobs.extendleft((one,) for one in job)
        if not self._jobs:
            self._snapshot_done()
