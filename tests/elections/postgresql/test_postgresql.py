"""The election by PostgreSQL against two tables in memory: sentences of its docstring, one each."""

from random import Random
from typing import assert_never

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.elections.coordinated.candidacy import Candidacy
from interrex.elections.interface import Ask, ElectionEvent, Noticed, Told, WakeUp
from interrex.elections.postgresql import questions as q
from interrex.elections.postgresql.postgresql import Postgres
from interrex.elections.postgresql.settings import PostgresSettings

LASTS_MS = 2000
NOBODY = q.Row(0, WorkerName(""), 0, False, True, None)


class Tables:
    """What the database holds of one election."""

    def __init__(self) -> None:
        self.row = NOBODY
        self.standers: dict[WorkerName, tuple[q.Stander, q.Enlist]] = {}
        self.alive: set[int] = set()
        self.epoch = 0

    def answer(self, question: q.Question) -> q.Answer:
        match question:
            case q.Look():
                standers = (one for one, _ in self.standers.values() if one.token in self.alive)
                return q.Seen(self.current, tuple(standers))
            case q.Enlist(worker, priority, token):
                found = self.standers.get(worker)
                if found is not None and found[0].token in self.alive:
                    return q.Met(found[0].token, found[1].who)
                self.alive.add(token)
                stander = q.Stander(worker, priority, len(self.standers), token)
                self.standers[worker] = (stander, question)
            case q.Leave(token):
                self.alive.discard(token)
            case q.Claim(worker, token):
                if self.current.alive and not self.current.released:
                    return q.Claimed(0)
                self.epoch += 1
                self.row = q.Row(self.epoch, worker, token, True, False, None)
                return q.Claimed(self.epoch)
            case q.Release(token, heir):
                if self.row.token == token:
                    row = self.row
                    self.row = q.Row(row.epoch, row.leader, token, row.alive, True, heir)
            case _:
                assert_never(question)
        return q.Done()

    @property
    def current(self) -> q.Row:
        row = self.row
        alive = row.token in self.alive
        return q.Row(row.epoch, row.leader, row.token, alive, row.released, row.heir)


class Member:
    """One core; its questions are answered at once, unless it is cut off."""

    def __init__(self, tables: Tables, name: str, priority: int = 0, seed: int = 1) -> None:
        settings = PostgresSettings(priority=priority)
        self.core = Postgres(WorkerName(name), settings, f"process {name}", Random(seed))
        self._tables = tables
        self.cut_off = False
        self.asked: list[q.Question] = []
        self.now = 0
        self.do(Noticed(q.Connected(1, LASTS_MS)))

    def do(self, event: ElectionEvent | Candidacy) -> None:
        events = [event]
        while events:
            for effect in self.core.step(events.pop(0), self.now):
                if isinstance(effect, Ask):
                    question: q.Question = effect.question  # type: ignore[assignment]
                    self.asked.append(question)
                    if not self.cut_off:
                        events.append(Told(effect.request, self._tables.answer(question)))

    def until(self, now: int) -> None:
        """Let it wake as it asks to, up to a time."""
        while self.core.wake_at is not None and self.core.wake_at <= now:
            self.now = max(self.now, self.core.wake_at)
            self.do(WakeUp())
        self.now = now

    def leads(self) -> bool:
        return self.core.leading

    def has_left(self) -> bool:
        return self.core.is_settled

    def met(self) -> str:
        """Who has its name."""
        return "" if self.core.rival is None else self.core.rival.text

    def stand(self) -> None:
        self.do(Candidacy(stands=True))
        self.until(self.now + S)


def test_a_leader_renews_while_it_is_answered_and_stops_by_its_own_clock_when_it_is_not() -> None:
    member = Member(Tables(), "a")
    member.stand()
    assert member.leads()
    member.until(60 * S)
    assert member.leads()
    deadline = member.core.deadline
    assert deadline is not None
    assert deadline <= member.now + LASTS_MS * MS * 9 // 10, "a tenth is left to clocks"
    member.cut_off = True
    member.until(deadline - 1)
    assert member.leads()
    member.until(deadline)
    assert not member.leads()


def test_a_leadership_ends_with_its_session_and_another_begins_under_a_new_token() -> None:
    tables = Tables()
    member = Member(tables, "a")
    member.stand()
    first, epoch = tables.row.token, member.core.epoch
    tables.alive.clear()
    member.do(Noticed(q.Lost()))
    assert not member.leads()
    member.do(Noticed(q.Connected(2, LASTS_MS)))
    member.until(member.now + 5 * S)
    assert member.leads()
    assert member.core.epoch > epoch
    assert tables.row.token != first


def test_whoever_leads_in_a_later_epoch_deposes() -> None:
    tables = Tables()
    member = Member(tables, "a")
    member.stand()
    tables.alive.add(7)
    tables.row = q.Row(9, WorkerName("b"), 7, True, False, None)
    member.do(Noticed(q.Changed()))
    assert not member.leads()
    assert (member.core.leader, member.core.epoch) == ("b", 9)


def test_a_successor_is_named_though_the_leader_stands_again_at_once() -> None:
    tables = Tables()
    a, b, c = (Member(tables, name, seed=n) for n, name in enumerate("abc"))
    for member in (a, b, c):
        member.stand()
    assert a.leads()
    a.until(b.now + S)  # it has looked, and is about to look again
    a.do(Candidacy(stands=False, successor=WorkerName("c")))
    a.do(Candidacy(stands=True))
    assert q.Release(tables.row.token, WorkerName("c")) in a.asked
    for member in (b, c):
        member.do(Noticed(q.Changed()))
    assert c.leads()
    assert not b.leads()


def test_a_second_of_one_name_is_told_after_two_sessions_and_never_leads() -> None:
    tables = Tables()
    first, second = Member(tables, "a", seed=1), Member(tables, "a", seed=2)
    first.stand()
    second.do(Candidacy(stands=True))
    lasts = first.core.session
    second.until(2 * lasts - 10 * MS)
    assert second.met() == ""
    second.until(2 * lasts + 5 * S)
    assert second.met() == "process a"
    assert first.core.epoch == 1


def test_a_dead_ones_name_is_its_successors_at_once() -> None:
    tables = Tables()
    first = Member(tables, "a", seed=1)
    first.stand()
    tables.alive.clear()
    second = Member(tables, "a", seed=2)
    second.stand()
    assert second.leads()
    assert second.core.rival is None


def test_nothing_is_left_of_who_stands_no_more() -> None:
    tables = Tables()
    member = Member(tables, "a")
    member.stand()
    assert not member.has_left()
    member.do(Candidacy(stands=False))
    assert member.has_left()
    assert not tables.alive
    assert tables.row.released
