"""May a worker with an empty log vote? Only one whose log was never written, and was never another.

On several hosts each makes its own part of a new cluster, from the same file. A host whose disk
was lost would do that once more, and its empty log would vote under an identity that has voted
before. So each part has a birthmark, drawn when it is made, and a worker that begins with an empty
log is on probation: its election does not begin until

1. it has heard the birthmark of every other first member, and has them all, its own too, on disk;
2. every other first member has said that the same birthmarks are on its disk, or one of them that
   it has heard so, since it is on probation no more.

Who finds that another one remembers another birthmark of it has lost its own log: it comes back
under a new identity that the others must let in. So does who has no birthmarks on its disk and
finds one that has a log and remembers none: that one lost its own and was let in again, by others
that remember; or hears that one was removed, which the cluster did after it had begun. Who has them
on disk learns nothing from that, unless all others are like that: then nobody can end its probation
any more. Who dies meanwhile is back with the same birthmark, and goes on.

Invariant: the birthmarks that a log holds never change. So an empty log votes under an old
identity only after every first member's log that knew the one before is gone.

The price: the very first start of a cluster of several hosts needs all of them, and so does a
worker that died within its first writes. On one host the identities are made together with the
cluster, and nobody waits.
"""

from collections.abc import Iterable

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.messages import Founded
from interrex.core.storage import SetFact, Stored
from interrex.elections.interface import ElectionEvent, PeerConnected, PeerLost
from interrex.worker.gate import ASSIGNMENT_FACT, EPOCH_FACT

LOST_LOG = "the cluster remembers another log than the empty one that this worker has"
FOUNDERS_FACT = "founders"

_decoder = msgspec.msgpack.Decoder(dict[WorkerName, int])


def is_unwritten(stored: Stored) -> bool:
    """Whether a log holds at most the birthmarks, and what a leader commanded: nothing that an
    election could rely upon."""
    others = stored.facts.keys() - {FOUNDERS_FACT, EPOCH_FACT, ASSIGNMENT_FACT}
    return not others and not stored.entries and stored.snapshot is None


class Probation:
    """What a worker of several hosts says of its cluster's founding, and what it still waits for.

    Args:
        me, birthmark: this worker, and what was drawn for its part of the cluster.
        others: the other first members; None for a worker that did not begin with the cluster.
        stored: what its disk holds.
    """

    def __init__(
        self,
        me: WorkerName,
        birthmark: int,
        others: Iterable[WorkerName] | None,
        stored: Stored,
    ) -> None:
        self._me = me
        self._birthmark = birthmark
        self._others = frozenset(others or ())
        fact = stored.facts.get(FOUNDERS_FACT)
        self._founders = {} if fact is None else _decoder.decode(fact)
        self._on_disk = fact is not None
        self._handed_out = self._on_disk
        self._heard: dict[WorkerName, int] = {}
        self._agreeing: set[WorkerName] = set()
        self._forgetful: set[WorkerName] = set()
        self._kept: list[ElectionEvent] = []
        self.lost_log = False
        self.waits = others is not None and is_unwritten(stored)
        """Whether this worker may not vote yet."""

    @property
    def over(self) -> bool:
        """Whether all that is waited for is there."""
        return self._on_disk and not self.lost_log and self._agreeing >= self._others

    def word(self) -> Founded:
        """What to say to whoever joins, and to all once the birthmarks are on disk."""
        return Founded(self._birthmark, self._founders if self._on_disk else {}, self.waits)

    def heard(self, peer: WorkerName, word: Founded) -> None:
        """A peer says what it knows of the founding."""
        if not self.waits or peer not in self._others:
            return
        if not word.founders:
            if not word.waits:
                self._forget({peer})
            if not self._founders:
                self._heard[peer] = word.birthmark
        elif word.founders.get(self._me) != self._birthmark:
            self.lost_log = True
        else:
            self._founders = self._founders or word.founders
            if word.founders == self._founders:
                self._agreeing |= {peer} if word.waits else self._others

    def named(self, workers: Iterable[WorkerName]) -> None:
        """A cluster that has begun asks for these workers, and for no others."""
        if gone := self._others.difference(workers):
            self._forget(gone)

    def _forget(self, others: Iterable[WorkerName]) -> None:
        """These remember nothing, and the cluster has begun."""
        self._forgetful.update(others)
        self.lost_log |= not self._on_disk or self._forgetful >= self._others

    def record(self) -> SetFact | None:
        """What is to be stored now: the birthmarks, once all are known."""
        if self._handed_out or not self.waits or self.lost_log:
            return None
        if not self._founders and self._heard.keys() >= self._others:
            self._founders = {**self._heard, self._me: self._birthmark}
        self._handed_out = bool(self._founders)
        value = msgspec.msgpack.encode(self._founders, order="deterministic")
        return SetFact(FOUNDERS_FACT, value) if self._founders else None

    def stored(self) -> None:
        """The record is on disk."""
        self._on_disk = True

    def admit(self, event: ElectionEvent) -> list[ElectionEvent]:
        """Keep an event from the election.

        Returns:
            Once the probation is over, what the election must know of the time before it.
        """
        if isinstance(event, PeerConnected | PeerLost):
            self._kept.append(event)
        if not self.over:
            return []
        self.waits = False
        return self._kept
