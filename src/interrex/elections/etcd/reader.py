"""Reads all keys once, then follows their changes, and notices when it does not hear of them.

A watch whose connection is dead in the middle says nothing, like one with nothing to tell. So now
and then etcd is asked whether anything was written that this worker has not seen; what is still
unseen by the next time is read anew, with everything. So is it at once where what was handed out
last stands there no more: etcd has lost data, and may have come as far again since.
"""

from typing import assert_never, cast

import msgspec

from interrex.core.time import S, earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.desk import Desk
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.advice import advice, may_pass, words_of
from interrex.elections.etcd.keys import EVERYTHING, LEADER, SNAPSHOT, log_key
from interrex.elections.etcd.settings import EtcdSettings
from interrex.elections.etcd.view import Least, View


class Reader:
    """Keeps a view current.

    Args:
        desk: where etcd is asked.
        settings: times.
        view: what is kept current.
    """

    def __init__(
        self,
        desk: Desk[q.Answer],
        settings: EtcdSettings,
        view: View,
    ) -> None:
        self._desk = desk
        self._view = view
        self._backoff = Backoff(settings.first_retry, settings.last_retry, desk.random)
        self._look_every = settings.ttl_s * S // 2
        self._look_at = 0
        self._must_read = True
        self._doubts = False
        self._asking = False
        self._watch: int | None = None
        self._looking = False
        self._unseen: int | None = None
        self._failures = 0
        self.trouble = ""
        """Why nothing can be read, where that was tried twice or more."""
        self.may_pass = False
        """Whether that may end with nobody's doing."""
        self.has_read = False
        self.current_at = 0
        """The log up to this revision is certainly read, and goes on with what was known."""

    @property
    def wake_at(self) -> int | None:
        """When there is something to do (ns)."""
        is_idle = not self._asking and (self._must_read or self._watch is None)
        return earliest(
            self._backoff.at if is_idle else None,
            self._look_at if self.has_read and not self._looking else None,
        )

    def is_current(self, revision: int) -> bool:
        """Whether the log is read up to a revision, and goes on with what was known.

        What a watch tells is no proof of that: where data was lost it may go on with revisions that
        are others' than those before.
        """
        return not self._doubts and self.current_at >= revision

    def read_anew(self) -> None:
        """Read everything again, at once; until then nothing is current."""
        self._must_read = self._doubts = True

    def is_served(self) -> None:
        """Etcd answers again: what failed before says nothing."""
        self._failures, self.trouble = 0, ""

    def read_on(self) -> None:
        """Read everything, unless that is under way: perhaps it is enough."""
        self._must_read |= not self._asking

    def on_time(self) -> None:
        """Do what is due."""
        now = self._desk.now
        if not self._asking and self._backoff.is_due(now):
            self._must_read |= self._view.has_gap
            if self._must_read:
                self._asking, self._must_read = True, False
                least = self._least()
                question = q.Transact((), (q.Get(*EVERYTHING),))
                self._desk.ask(question, lambda answer: self._read(least, answer))
            elif self._watch is None:
                self._asking = True
                self._watch = self._desk.ask(q.Watch(self._view.revision + 1), self._watching)
        if self.has_read and not self._looking and now >= self._look_at:
            self._looking = True
            self._must_read |= bool(self._view.log.problem)  # it may have been mended
            self._look_at = now + self._look_every
            view = self._view
            unseen = q.Get(*EVERYTHING, after=view.revision, limit=1, keys_only=True)
            last = q.Get(log_key(max(1, view.log.applied)))
            question = q.Transact((), (q.Get(LEADER), unseen, q.Get(SNAPSHOT), last))
            applied = view.log.applied
            self._desk.ask(question, lambda answer: self._looked(applied, answer))

    def noticed(self, news: msgspec.Struct) -> None:
        """What etcd's client says by itself."""
        match cast(q.WatchNews, news):
            case q.Changed(watch, events):
                if watch == self._watch:
                    self._view.take(events)
            case q.WatchLost(watch, _, compacted):
                if watch == self._watch:
                    self._watch = None
                    self._must_read |= compacted
            case _ as never:
                assert_never(never)

    def _least(self) -> Least:
        view, memory = self._view, self._view.log.memory
        revision = max(self.current_at, view.revision, view.epoch)
        return Least(revision, view.log.least, memory.epoch)

    def _read(self, least: Least, answer: q.Answer) -> None:
        self._asking = False
        if not isinstance(answer, q.Transacted):
            self._must_read = True
            self._backoff.failed(self._desk.now)
            self._failed(answer)
            return
        self._backoff.succeeded()
        self._failures, self.trouble = 0, ""
        self._watch = None
        self.has_read = True
        self._doubts = self._must_read  # what was asked for meanwhile is still to come
        (found,) = answer.got
        above = self._view.log.above
        self._view.load(found, answer.revision, least)
        is_begun_anew = self._view.log.above != above
        self.current_at = max(0 if is_begun_anew else self.current_at, answer.revision)

    def _failed(self, answer: q.Answer) -> None:
        self._failures += 1
        if self._failures > 1:
            why = words_of(answer)
            self.may_pass = may_pass(answer)
            self.trouble = f"nothing can be read from etcd: {why}; {advice(why)}"

    def _watching(self, answer: q.Answer) -> None:
        self._asking = False
        if not isinstance(answer, q.Watching):
            self._watch = None
            self._backoff.failed(self._desk.now)

    def _looked(self, applied: int, answer: q.Answer) -> None:
        self._looking = False
        if not isinstance(answer, q.Transacted):
            self._failed(answer)
            return
        self._failures, self.trouble = 0, ""
        leader, unseen, head, last = answer.got
        held = self._view.leader
        known = 0 if held is None else held.epoch
        is_current = not unseen and known == (leader[0].created if leader else 0)
        revision = self._view.revision
        if is_current:
            self._unseen = None
            is_known = self._view.log.applied == applied
            self._must_read |= is_known and not self._view.goes_on_with(head, last)
        elif self._unseen == revision:
            self._must_read = True
            self._unseen = None
        else:
            self._unseen = revision
