"""Election by a PostgreSQL database, as a pure state machine.

Each member has a session at the server, which the server ends when it has heard nothing for the
lease's time (``idle_session_timeout``). A candidate's session holds an advisory lock on a random
token, which stands in its row; whoever is first in the line when the leader's token is not locked
writes itself into the election's row, in one transaction that locks the row and raises its epoch.
A leader stops by its own clock before the server can have ended its session.

Guaranteed, while the database keeps what it acknowledged: one leader per epoch, epochs that rise.
Also over a fail-over that has lost the last of them: an epoch is at least the server's timeline,
which each promotion raises, times 2^40.

Not guaranteed: that a leader knows at once that it was deposed. Where the server ends a session
before its time (its connection broke, an administrator ended it, the server fails over) another may
lead while the first still believes in itself, until its deadline. And a session that the server
still believes in keeps others out for all of its time.

Source: PostgreSQL's manual, "Advisory Locks" and "idle_session_timeout" (version 14). Differs from
the usual recipe (one lock that the leader holds): the lock is on a token of the candidate's own, so
sessions can be shared, and priorities and successors come before luck.
"""

from random import Random
from typing import assert_never, cast

from interrex.core.ids import WorkerName
from interrex.core.time import earliest
from interrex.elections.coordinated.backoff import Backoff
from interrex.elections.coordinated.candidacy import Candidacy, Rival, Who
from interrex.elections.coordinated.desk import Desk
from interrex.elections.guarantees import POSTGRESQL
from interrex.elections.interface import (
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    Noticed,
    Told,
)
from interrex.elections.postgresql import questions as q
from interrex.elections.postgresql.line import PostgresLine, mark_of
from interrex.elections.postgresql.settings import PostgresSettings

RENEWALS = 4
"""So many times a leader looks while its session would last."""


class Postgres:
    """One member of an election by PostgreSQL. Asks one question at a time.

    Args:
        worker: the member's name.
        settings: times.
        who: its process, for people.
        random: for tokens and delays; only ``getrandbits`` is used.
    """

    guarantees = POSTGRESQL

    def __init__(
        self, worker: WorkerName, settings: PostgresSettings, who: str, random: Random
    ) -> None:
        self._me = worker
        self._settings = settings
        self._who = who
        self._desk: Desk[q.Answer] = Desk(random)
        self._line = PostgresLine(worker, settings)
        self._backoff = Backoff(settings.first_retry, settings.last_retry, random)
        self._rival = Rival()
        self._connected: q.Connected | None = None
        self._wanted = Candidacy(stands=False)
        self._token = 0
        """What this member stands by; 0 while it does not."""
        self._epoch = 0
        """The one it leads in; 0 while it does not."""
        self._deadline = 0
        self._must_release = False
        self._heir: WorkerName | None = None
        """In whose favour it gives up."""
        self._busy = False
        self._look_at = 0
        self._has_looked = False
        self._announced: tuple[WorkerName | None, int] = (None, 0)
        self._reason = "it has just started"
        self._wake_at: int | None = 0

    @property
    def wake_at(self) -> int | None:
        """When to send ``WakeUp`` (ns), None for never."""
        return self._wake_at

    @property
    def leader(self) -> WorkerName | None:
        """Who leads, as far as is known; nobody while there is no session."""
        if self.leading:
            return self._me
        holder = self._line.holder
        return None if holder is None or holder.worker == self._me else holder.worker

    @property
    def epoch(self) -> int:
        """The newest that was seen."""
        return self._line.epoch

    @property
    def leading(self) -> bool:
        """Whether this member leads, and its deadline had not passed at the last step."""
        return self._epoch > 0 and self._desk.now < self._deadline

    @property
    def deadline(self) -> int | None:
        """Until when (ns) a leader may believe in itself unless renewed; None when not leading."""
        return self._deadline if self.leading else None

    @property
    def candidates(self) -> list[WorkerName]:
        """Who stands and does not lead; first the one who goes first."""
        holder = self._line.holder
        return [one for one in self._line.order() if holder is None or one != holder.worker]

    @property
    def rival(self) -> Who | None:
        """Who has this member's name, where another certainly has it."""
        return self._rival.who

    @property
    def session(self) -> int:
        """For how long (ns) a leader believes in itself unrenewed; 0 while that is not known."""
        if self._connected is None or not self._has_looked:
            return 0
        return self._settings.believed(self._connected.lasts_ms)

    @property
    def is_settled(self) -> bool:
        """Whether nothing of this member's is left in the tables that others wait for."""
        return not (self._wanted.stands or self._token or self._must_release or self._busy)

    def step(self, event: ElectionEvent | Candidacy, now: int) -> list[ElectionEffect]:
        """Take one event at time ``now`` (ns); perform the effects in order."""
        desk = self._desk
        desk.now = max(desk.now, now)
        desk.effects = []
        if self._epoch and desk.now >= self._deadline:
            self._end("PostgreSQL has not confirmed its session in time")
        match event:
            case Told(request, answer):
                desk.told(request, answer)
            case Noticed(news):
                self._noticed(cast(q.News, news))
            case Candidacy():
                self._wanted = event
            case _:
                pass
        if self._epoch and not self._wanted.stands:
            self._end("it was given up")
        self._line.look(mark_of(self._token), desk.now)
        self._ask_next()
        known = (self.leader, self.epoch)
        if known != self._announced:
            self._announced = known
            desk.effects.append(LeaderChanged(*known, self._reason))
        self._wake_at = earliest(self._deadline if self._epoch else None, self._asks_at())
        return desk.effects

    def _noticed(self, news: q.News) -> None:
        match news:
            case q.Connected():
                self._connected = news
                self._look_at = 0
            case q.Lost():
                self._connected = None
                self._has_looked = False
                self._line.lost()
                self._rival.unsure()
                self._end("its session with PostgreSQL has ended")
                self._token, self._must_release = 0, False
            case q.Changed():
                self._look_at = 0
            case _:
                assert_never(news)

    def _end(self, reason: str) -> None:
        if self._epoch:
            self._epoch, self._reason = 0, reason
            self._heir = self._wanted.successor
            # Its session may be alive, and so keep everybody out.
            self._must_release = True

    # What is asked, one question at a time

    def _next(self) -> tuple[q.Question, int] | None:
        """The next question and when it is due (ns)."""
        if self._connected is None or self._busy:
            return None
        retry = self._backoff.at
        if self._must_release:
            return q.Release(self._token, self._heir), retry
        if self._token and not self._wanted.stands:
            return q.Leave(self._token), retry
        if not self._token and self._wanted.stands and self._has_looked:
            token = self._desk.random.getrandbits(62) | 1
            who = Who(self._who, self._settings.believed(self._connected.lasts_ms))
            return q.Enlist(self._me, self._settings.priority, token, who), retry
        claim_at = self._line.claim_at
        must_look = self._look_at <= self._desk.now
        if self._token and not self._epoch and claim_at is not None and not must_look:
            at = max(claim_at, retry)
            if at <= self._look_at:
                return q.Claim(self._me, self._token), at
        return q.Look(), max(self._look_at, retry)

    def _asks_at(self) -> int | None:
        found = self._next()
        return None if found is None else found[1]

    def _ask_next(self) -> None:
        found = self._next()
        if found is None or found[1] > self._desk.now:
            return
        question, asked, connected = found[0], self._desk.now, self._connected
        self._busy = True
        if isinstance(question, q.Look):
            self._look_at = asked + self._pause

        def answered(answer: q.Answer) -> None:
            self._busy = False
            if connected is not self._connected:
                return  # what it did has ended with its session
            if isinstance(answer, q.Failed):
                self._rival.unsure()
                self._backoff.failed(self._desk.now)
                return
            self._take(question, asked, answer)

        self._desk.ask(question, answered)

    @property
    def _pause(self) -> int:
        assert self._connected is not None
        most = self._settings.believed(self._connected.lasts_ms) // RENEWALS
        waits = self._token and not self._epoch
        return min(most, self._settings.look_every) if waits else most

    def _take(self, question: q.Question, asked: int, answer: q.Answer) -> None:
        match question:
            case q.Look():
                self._looked(asked, cast(q.Seen, answer))
            case q.Enlist(token=token):
                if isinstance(answer, q.Met):
                    self._rival.saw(answer.token, answer.who, self._desk.now)
                    self._backoff.failed(self._desk.now)
                    return
                self._rival.unsure()
                self._token = token
                self._look_at = 0
            case q.Leave():
                self._token = 0
                self._look_at = 0
            case q.Claim(token=token):
                self._claimed(asked, token, cast(q.Claimed, answer).epoch)
            case q.Release():
                self._must_release = False
                self._look_at = 0
            case _:
                assert_never(question)
        self._backoff.succeeded()

    def _looked(self, asked: int, seen: q.Seen) -> None:
        self._line.saw(seen.row, seen.standers)
        self._has_looked = True
        if not self._epoch:
            return
        if seen.row.epoch == self._epoch and seen.row.alive:
            self._renew(asked)
        else:
            self._end(f"{seen.row.leader} leads in a later epoch")

    def _renew(self, asked: int) -> None:
        if self._connected is not None:
            believed = self._settings.believed(self._connected.lasts_ms)
            self._deadline = max(self._deadline, asked + believed)

    def _claimed(self, asked: int, token: int, epoch: int) -> None:
        self._look_at = 0
        if epoch:
            self._epoch, self._deadline = epoch, 0
            self._renew(asked)
            self._reason = "it is in the election's row"
            self._line.won(q.Row(epoch, self._me, token, True, False, None))
            if not self._wanted.stands:
                self._end("it was given up")
