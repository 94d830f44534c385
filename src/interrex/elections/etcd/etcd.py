"""Election by an etcd cluster, as a pure state machine behind the election's contract.

Each worker holds a lease. Whoever creates the key ``leader`` under its lease leads, and the
revision of that transaction is the epoch. The log is keys that only the leader writes, each
transaction guarded by the leader's key. A leader stops by its own clock before its lease can have
run out at etcd (``session.py``). When a leader's *process* is proved dead, the next in line
revokes exactly the lease that this process had, and does not wait for it to run out.

Guaranteed, while etcd keeps what it acknowledged: one leader per epoch, epochs that rise, changes
in the same order everywhere, no acknowledged change lost, none acknowledged by a deposed leader.

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); a deadline that is right where clocks run apart by more than
a tenth, or where a deposed leader *of etcd* still answers keep-alives. After etcd has lost what it
acknowledged nobody leads (``coordinated/memory.py``).

Source: etcd's API reference; "Learning etcd: client architecture"; C. Gray and D. Cheriton,
"Leases", 1989. Differs from etcd's own election recipe (concurrency.Election): one key instead of
a queue of them, so that a leadership begins with a single transaction; the order of candidates is a
matter of speed only.
"""

from random import Random

import msgspec

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.core.time import earliest
from interrex.elections.coordinated.anew import new_beginning
from interrex.elections.coordinated.election import CoordinatedElection
from interrex.elections.coordinated.script import Script
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.advice import advice
from interrex.elections.etcd.keys import (
    LEADER,
    LOG,
    SNAPSHOT,
    Candidate,
    Holder,
    after,
    candidate_key,
    log_key,
)
from interrex.elections.etcd.leading import EtcdLeading, Snapshot
from interrex.elections.etcd.line import EtcdLine, mark_of
from interrex.elections.etcd.place import Place
from interrex.elections.etcd.reader import Reader
from interrex.elections.etcd.session import Session
from interrex.elections.etcd.settings import EtcdSettings
from interrex.elections.etcd.view import UNREADABLE, Held, View
from interrex.elections.guarantees import ETCD
from interrex.elections.interface import SnapshotTaken


class Etcd(CoordinatedElection[q.Answer]):
    """One worker of an election by etcd. Implements ``interrex.elections.interface.Election``."""

    guarantees = ETCD
    _holds = "holds the leader's key in etcd"
    _way_out = (
        "put back what stood there, from a newer backup, or go on without it: interrex up FILE "
        '--anew (docs/etcd.md, "When etcd has lost data")'
    )

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        settings: EtcdSettings,
        random: Random,
        who: str = "",
        stored: Stored | None = None,
    ) -> None:
        """As every coordinated election; see ``CoordinatedElection``."""
        super().__init__(worker, member, settings, random, who, stored)
        self._settings = settings
        self._view = View(self._log)
        self._session = Session(self._desk, settings, self._began, self._end)
        self._reader = Reader(self._desk, settings, self._view)
        self._candidates = EtcdLine(worker, settings, self._view)
        self._place: Place | None = None
        self._is_mending = False
        if who:
            self._place = Place(self._desk, settings, worker, who, self._session, self._rival)

    @property
    def epoch(self) -> int:
        """The newest epoch this worker has seen."""
        return self._log.above + self._view.epoch

    @property
    def _line(self) -> EtcdLine:
        return self._candidates

    @property
    def _unserved(self) -> str:
        why = self._session.problem or "it has not answered yet"
        return f"etcd gives no session: {why}; {advice(why)}"

    @property
    def _problem(self) -> str:
        held, words = self._view.leader, super()._problem
        if words or held is None or self._leading is not None:
            return words
        if held.lease and held.worker != UNREADABLE:
            return ""
        return (
            f"the key {LEADER} in etcd was written by somebody who is no worker, and does not end "
            "by itself: delete it (etcdctl del PREFIX/NAME/ID/leader)"
        )

    @property
    def _refusal(self) -> str:
        return super()._refusal or ("" if self._reader.may_pass else self._reader.trouble)

    @property
    def hindrance(self) -> str:
        return super().hindrance or self._reader.trouble

    @property
    def _is_served(self) -> bool:
        return self._session.lease is not None

    @property
    def _trusted_until(self) -> int:
        return self._session.deadline

    @property
    def _mark(self) -> str:
        lease = self._session.lease
        return "" if lease is None else mark_of(lease)

    @property
    def _can_claim(self) -> bool:
        stands = self._place is None or self._place.stands
        return stands and self._session.lease is not None and self._reader.has_read

    @property
    def _has_place(self) -> bool:
        return self._place is None or not self._place.is_settled

    @property
    def session(self) -> int:
        return self._session.lasts if self._reader.has_read else 0

    def _next_wake(self) -> int | None:
        return earliest(
            self._session.wake_at,
            self._reader.wake_at,
            self._claim_at(),
            self._leading.wake_at if self._leading is not None else None,
            self._place.wake_at if self._place is not None else None,
        )

    def _keep_time(self) -> None:
        self._session.on_time()

    def _noticed(self, news: msgspec.Struct) -> None:
        if isinstance(news, q.LeaseEnded):
            self._session.gone(news.lease, "it was given up for all elections that shared it")
        else:
            self._reader.noticed(news)

    def _read_anew(self) -> None:
        self._reader.read_anew()

    def _look(self) -> None:
        self._session.on_time()
        self._reader.on_time()
        self._follow_leader()
        if self._place is not None:
            self._place.wanted = self._wanted.stands
            self._place.go_on()
        self._line.look(self._mark, self._desk.now)

    # The session

    def _began(self) -> None:
        lease = self._session.lease
        ensure(lease is not None, "a session begins with a lease")
        self._reader.is_served()
        assert lease is not None
        self._tell_all()
        if self._place is not None:
            return
        candidate = msgspec.json.encode(Candidate(self._me, self._settings.priority))
        put = q.Put(candidate_key(self._me), candidate, lease)

        def stood(answer: q.Answer) -> None:
            if isinstance(answer, q.LeaseGone):
                self._session.gone(lease, "etcd has let its lease run out")

        self._desk.ask(q.Transact((), (put,)), stood)

    # Who leads

    def _follow_leader(self) -> None:
        """Begin or end leading, as the leader's key says."""
        held, lease = self._view.leader, self._session.lease
        leading = self._leading
        if leading is not None and held is not None and held.epoch == leading.epoch:
            self._keep_key(leading.epoch, held)
        if leading is not None and held is None:
            self._end("the leader's key is gone from etcd")
        elif leading is not None and held is not None and held.epoch != leading.epoch:
            self._end(f"{held.worker} leads in a later epoch")
        elif leading is not None and self._log.problem:
            self._session.give_up(self._log.problem)
        if self._leading is None and held is not None and held.lease == lease:
            if self._log.above + held.epoch <= self._led:
                self._session.give_up("a leadership that has ended does not begin again")
            elif not self._reader.is_current(held.epoch):
                if not self._claiming:  # its answer brings the log
                    self._reader.read_on()
            elif not self._log.problem:
                self._begin(self._new_leading(held.epoch), "its key is the leader's in etcd")

    def _keep_key(self, epoch: int, held: Held) -> None:
        """Write the leader's key again where somebody has written over it: nothing would end it."""
        lease = self._session.lease
        mine = held.worker == self._me and held.lease == lease
        if mine or lease is None or self._is_mending or not self._backoff.is_due(self._desk.now):
            return
        self._is_mending = True

        put = q.Put(LEADER, msgspec.json.encode(Holder(self._me)), lease)

        def mended(answer: q.Answer) -> None:
            self._is_mending = False
            if isinstance(answer, q.Transacted) and answer.succeeded:
                found = q.KeyValue(LEADER, put.value, epoch, answer.revision, lease)
                self._view.saw_leader(found, answer.revision)
            else:
                self._backoff.failed(self._desk.now)

        guard = q.Compare(LEADER, created=epoch)
        self._desk.ask(q.Transact((guard,), (put,)), mended)

    def _new_leading(self, epoch: int) -> EtcdLeading:
        def deposed(found: q.KeyValue | None, revision: int) -> None:
            self._view.saw_leader(found, revision)
            if leading.heir is not None:
                self._view.successor = leading.heir
                self._end("it has handed over")
            else:
                self._end("its key is not the leader's any more")

        leading = EtcdLeading(self._desk, self._settings, self._view, self._me, epoch, deposed)
        return leading

    def _beginning_anew(self, taken: SnapshotTaken) -> Script[q.Answer]:
        """Done if the snapshot's key is as it was; whoever leads by what stands is deposed."""
        newest, drawn = max(self.epoch, self._memory.epoch), self._desk.random.getrandbits(32)
        head, parts = new_beginning(taken, newest, self._settings.part_bytes, drawn)
        (stands,) = yield (q.Transact((), (q.Get(SNAPSHOT),)),)
        if not isinstance(stands, q.Transacted):
            return
        found = stands.got[0][0].modified if stands.got[0] else 0
        snapshot, is_done = Snapshot(head, parts), False
        while not is_done:
            compares, operations = snapshot.next_step(found)
            if compares:
                operations = (*operations, q.Delete(LEADER))
            (answer,) = yield (q.Transact(compares, operations),)
            if not isinstance(answer, q.Transacted) or not answer.succeeded:
                return
            is_done = snapshot.step_done()

    def _claim(self) -> None:
        """Lead, if nobody does; of one that is certainly dead the lease is ended first."""
        self._claiming = True
        held = self._view.leader
        if held is not None:
            self._desk.ask(q.Revoke(held.lease), lambda answer: self._revoked(held.epoch, answer))
            return
        lease = self._session.lease
        assert lease is not None
        put = q.Put(LEADER, msgspec.json.encode(Holder(self._me)), lease)
        new = q.Get(log_key(max(1, self._log.applied)), after(LOG))
        newest = max(self.epoch, self._memory.epoch)
        question = q.Transact(
            (q.Compare(LEADER, created=0),), (put, q.Get(SNAPSHOT), new), (q.Get(LEADER),)
        )
        self._desk.ask(question, lambda answer: self._claimed(lease, put, newest, answer))

    def _revoked(self, epoch: int, answer: q.Answer) -> None:
        self._claiming = False
        if not isinstance(answer, q.Revoked | q.LeaseGone):
            self._backoff.failed(self._desk.now)
            return
        self._backoff.succeeded()
        self._view.leader_gone(epoch)

    def _claimed(self, lease: int, put: q.Put, newest: int, answer: q.Answer) -> None:
        self._claiming = False
        if isinstance(answer, q.LeaseGone):
            self._session.gone(lease, "etcd has let its lease run out")
            return
        if not isinstance(answer, q.Transacted):
            self._backoff.failed(self._desk.now)
            return
        self._backoff.succeeded()
        if not answer.succeeded:
            (found,) = answer.got
            self._view.saw_leader(found[0] if found else None, answer.revision)
            return
        head, entries = answer.got
        at = answer.revision
        if self._log.above + at <= newest:
            self._reader.read_anew()
            self._session.give_up(f"etcd was set back: somebody has led in epoch {newest}")
            return
        self._view.saw_leader(q.KeyValue(put.key, put.value, at, at, lease), at)
        if not self._view.goes_on_with(head, entries):
            # Something was lost, or a snapshot is in its place: all is read before anybody leads.
            self._reader.read_anew()
            return
        self._view.add(entries)
        if not self._view.has_gap:
            self._reader.current_at = max(self._reader.current_at, at)
