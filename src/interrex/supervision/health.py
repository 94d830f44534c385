"""When to ask a replica for its health, and what its answers come to.

One ``Health`` belongs to one incarnation. Checks that ask the same question, whatever ``rise`` and
``fall`` they have, share one ``Poll``, so that a service whose three questions have one target is
asked once, not twice or thrice; each of them has its own ``Tally`` of the answers.

*Starting*: the startup check (else readiness, else liveness) is asked at once, again after 2 ms,
then after twice as long up to 50 ms, from there after a thirty-second of the time since the start
(a slow starter is noticed at most 3 % late) up to the check's own interval.
*Steady*: each check is asked once an interval. The first time is drawn within one interval, so
that a hundred replicas started together are not asked together.

*Starved*: a time-out in which the worker itself was away for a quarter of the time, or more, says
nothing of the replica and is not counted. But five of them in a row are followed by one that is,
so that a hung replica is also found on a host that is overloaded for good. And the time to start
counts only while the worker runs.

*Unasked*: a question that the worker could not put, for want of descriptors, say, is never counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import msgspec

from interrex.core import spec
from interrex.core.spec import Check, CheckKind
from interrex.core.time import MS, seconds
from interrex.supervision.backoff import draw
from interrex.supervision.lateness import Lateness

FIRST_PAUSE = 2 * MS
LONGEST_FAST_PAUSE = 50 * MS
PHASES = 16
"""At how many moments of its interval a steady probe may be sent."""
PAUSE_SHARE = 32
STARVED_SHARE = 4
FORGIVEN_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and how often, with its times in ns; not what the answers come to."""

    check: Check
    interval: int
    timeout: int
    first_pause: int


@dataclass(frozen=True, slots=True)
class Criterion:
    """A question, and how many of its answers in a row count for one purpose."""

    question: Question
    rise: int
    fall: int


@dataclass(frozen=True, slots=True)
class HealthPlan:
    """A service's checks, converted once. Checks that ask the same share one ``Question``."""

    startup: Criterion | None
    liveness: Criterion | None
    readiness: Criterion | None
    start_timeout: int


def plan_of(health: spec.Health) -> HealthPlan:
    """A service's checks as the core uses them."""
    questions: dict[Check, Question] = {}

    def criterion(check: Check | None) -> Criterion | None:
        if check is None:
            return None
        asked = msgspec.structs.replace(check, rise=1, fall=1)
        if asked not in questions:
            questions[asked] = Question(
                check=check,
                interval=max(seconds(check.interval), MS),
                timeout=max(seconds(check.timeout), MS),
                # Each exec probe is a process of its own: never hundreds a second.
                first_pause=LONGEST_FAST_PAUSE if check.kind is CheckKind.EXEC else FIRST_PAUSE,
            )
        return Criterion(questions[asked], max(check.rise, 1), max(check.fall, 1))

    return HealthPlan(
        startup=criterion(health.startup),
        liveness=criterion(health.liveness),
        readiness=criterion(health.readiness),
        start_timeout=seconds(health.start_timeout),
    )


@dataclass(slots=True)
class Poll:
    """One question being asked again and again.

    ``lost_at``: what the worker had lost of its time when it asked. ``forgiven``: the last so many
    answers were not counted.

    Invariant: ``next_at`` is None while a probe is in flight.
    """

    question: Question
    pause: int
    next_at: int | None = None
    in_flight: int | None = None
    sent_at: int = 0
    lost_at: int = 0
    forgiven: int = 0

    def was_starved(self, lost: int) -> bool:
        """Whether the worker was away while it waited; ``lost`` is what it has lost by now."""
        needed = self.question.timeout // STARVED_SHARE
        return lost - self.lost_at >= needed and self.forgiven < FORGIVEN_IN_A_ROW


@dataclass(slots=True)
class Tally:
    """A poll's answers in a row, as they count for one purpose.

    ``counts`` tells whether the last answer did. ``spaced``: failures count once an interval at
    most, so that being asked fast does not use them up.
    """

    poll: Poll
    rise: int
    fall: int
    spaced: bool = False
    counts: bool = True
    answered_at: int | None = None
    ok: bool = False
    good: int = 0
    bad: int = 0
    timeouts: int = 0
    strangers: int = 0
    bad_since: int = 0
    detail: str = ""
    _counted_at: int | None = None

    def record(self, answer: "Answer", now: int) -> None:
        sent_at = self.poll.sent_at
        if not answer.ok and self.spaced:
            if self._counted_at is not None and (
                sent_at < self._counted_at + self.poll.question.interval
            ):
                self.counts = False
                return
            self._counted_at = sent_at
        self.counts = True
        self.answered_at = now
        self.ok = answer.ok
        self.detail = answer.detail
        if answer.ok:
            self.good += 1
            self.bad = self.timeouts = self.strangers = 0
            self._counted_at = None
            return
        if self.bad == 0:
            self.bad_since = now
        self.good = 0
        self.bad += 1
        self.timeouts = self.timeouts + 1 if answer.timed_out else 0
        self.strangers = self.strangers + 1 if answer.stranger else 0

    @property
    def failed(self) -> bool:
        return self.bad >= self.fall

    @property
    def hung(self) -> bool:
        """Not one of the failures that count was an answer."""
        return self.timeouts >= self.fall

    @property
    def usurped(self) -> bool:
        """All failures that count were answers of somebody else on the replica's port."""
        return self.strangers >= self.fall


class Answer(NamedTuple):
    """What came of one probe; see ``Probed``."""

    ok: bool
    timed_out: bool = False
    detail: str = ""
    stranger: bool = False
    unasked: bool = False


class Health:
    """The health of one incarnation.

    ``started``: the startup check has succeeded. ``ready``: it may be sent requests. ``gate`` is
    the tally whose poll is asked fast because READY waits for it, until it first succeeds.
    ``unknown``: it was never ready, so whoever answers on its port may be a stranger.
    """

    __slots__ = (
        "_adopted",
        "_began",
        "_chance",
        "_lateness",
        "_lost_before",
        "_numbers",
        "_polls",
        "_tallies",
        "deadline",
        "gate",
        "liveness",
        "plan",
        "readiness",
        "ready",
        "started",
        "startup",
        "unknown",
        "wake_at",
    )  # fmt: skip

    def __init__(
        self,
        plan: HealthPlan,
        chance: Random,
        numbers: Iterator[int],
        now: int,
        lateness: Lateness | None = None,
    ) -> None:
        self.plan = plan
        self._lateness = lateness or Lateness()
        self._lost_before = self._lateness.lost
        self._chance = chance
        self._numbers = numbers
        self._began = now
        self._adopted = False
        polls: dict[Question, Poll] = {}

        def tally(criterion: Criterion | None) -> Tally | None:
            if criterion is None:
                return None
            question = criterion.question
            poll = polls.setdefault(question, Poll(question, question.first_pause))
            return Tally(poll, criterion.rise, criterion.fall)

        self.startup = tally(plan.startup)
        self.liveness = tally(plan.liveness)
        self.readiness = tally(plan.readiness)
        if self.liveness is not None:
            self.liveness.spaced = True
        self._polls = tuple(polls.values())
        tallies = (self.startup, self.liveness, self.readiness)
        self._tallies = tuple(one for one in tallies if one is not None)
        self.started = False
        self.ready = False
        self.unknown = True
        self.deadline: int | None = None
        self.gate: Tally | None = None
        self.wake_at: int | None = None

    def start(self) -> None:
        """Watch a process that was started just now."""
        self.gate = self.startup or self.readiness or self.liveness
        if self.gate is None:
            self.started = self.ready = True
            return
        self.deadline = self._began + self.plan.start_timeout
        self.gate.poll.next_at = self._began
        self._rearm()

    def adopt(self) -> None:
        """Watch a process that served before this supervisor came: ask at once, doubt nothing."""
        self.started = self._adopted = True
        self.unknown = False
        self.gate = self.readiness or self.liveness or self.startup
        self.ready = self.gate is None
        self._schedule_steady(self._began)
        if self.gate is not None:
            self.gate.poll.next_at = self._began
        self._rearm()

    def carry_on(self, old: "Health", now: int) -> None:
        """Watch the same process by other checks: the verdicts so far stand."""
        self._began = old._began
        self._lost_before = old._lost_before
        self.unknown = old.unknown
        if not old.started:
            self.start()
            if self.gate is not None:
                self.gate.poll.next_at = now
                self._rearm()
            return
        self.started = True
        self.ready = old.ready or self.readiness is None
        self.gate = None if self.ready else self.readiness
        self._schedule_steady(now)
        self._rearm()

    def overdue(self, now: int) -> bool:
        """Whether the time to start is over, the worker's own absence left out."""
        if self.deadline is None or now < self.deadline:
            return False
        lost = self._lateness.lost - self._lost_before
        self._lost_before += lost
        self.deadline += lost
        self._rearm()
        return now >= self.deadline

    def due(self, now: int) -> list[tuple[int, Check]]:
        """The probes to send now: their numbers and what they ask."""
        probes = []
        for poll in self._polls:
            if poll.next_at is not None and poll.next_at <= now:
                number = next(self._numbers)
                poll.in_flight, poll.sent_at, poll.next_at = number, now, None
                poll.lost_at = self._lateness.lost
                probes.append((number, poll.question.check))
        if probes:
            self._rearm()
        return probes

    def answered(self, number: int, answer: Answer, now: int) -> Poll | None:
        """Take one answer.

        Returns:
            Whose answer it was; None for a stale one, which changes nothing.
        """
        for poll in self._polls:
            if poll.in_flight == number:
                break
        else:
            return None
        poll.in_flight = None
        starved = answer.timed_out and poll.was_starved(self._lateness.lost)
        if starved or answer.unasked:
            poll.forgiven += starved
            for tally in self._tallies:
                tally.counts = tally.counts and tally.poll is not poll
        else:
            poll.forgiven = 0
            for tally in self._tallies:
                if tally.poll is poll:
                    tally.record(answer, now)
            self._judge(poll, now)
        self.unknown = self.unknown and not self.ready
        if poll.next_at is None:
            poll.next_at = self._next_time(poll, now)
        self._rearm()
        return poll

    def is_asked_by(self, poll: Poll, *tallies: Tally | None) -> bool:
        """Whether one of these has its answers from this poll."""
        return any(tally is not None and tally.poll is poll for tally in tallies)

    def _judge(self, poll: Poll, now: int) -> None:
        if not self.started:
            self._judge_start(poll, now)
        else:
            self._judge_readiness(poll, now)

    def _judge_start(self, poll: Poll, now: int) -> None:
        gate, readiness = self.gate, self.readiness
        if gate is None or gate.poll is not poll or gate.good < gate.rise:
            return
        self.started = True
        self.deadline = None
        self.ready = readiness is None or readiness.good >= readiness.rise
        self.gate = None if self.ready else readiness
        self._schedule_steady(now)
        if self.gate is not None:
            again = self.gate.poll is poll
            self.gate.poll.next_at = self._next_time(poll, now) if again else now

    def _judge_readiness(self, poll: Poll, now: int) -> None:
        gate, readiness = self.gate, self.readiness
        if gate is not None and gate.poll is poll:
            # An adopted replica was serving: one good answer is enough.
            if gate.good >= (1 if self._adopted else gate.rise):
                self.ready, self.gate = True, None
                if self._is_steady(poll):
                    poll.next_at = self._spread(poll, now)
        elif readiness is not None and readiness.poll is poll:
            if self.ready and readiness.failed:
                self.ready = False
            elif not self.ready and readiness.good >= readiness.rise:
                self.ready = True

    def _schedule_steady(self, now: int) -> None:
        for poll in self._polls:
            if self._is_steady(poll):
                poll.next_at = self._spread(poll, now)

    def _is_steady(self, poll: Poll) -> bool:
        return self.is_asked_by(poll, self.liveness, self.readiness)

    def _spread(self, poll: Poll, now: int) -> int:
        interval = poll.question.interval
        step = interval // PHASES
        return _in_phase(now + step + draw(self._chance, interval - 1), interval)

    def _next_time(self, poll: Poll, now: int) -> int | None:
        if self.gate is not None and self.gate.poll is poll:
            pause = max(poll.pause, (now - self._began) // PAUSE_SHARE)
            poll.pause = min(2 * poll.pause, LONGEST_FAST_PAUSE)
            return now + min(pause, poll.question.interval)
        if not self._is_steady(poll):
            return None
        interval = poll.question.interval
        return max(now, _in_phase(poll.sent_at + interval, interval))

    def _rearm(self) -> None:
        wake_at = self.deadline
        for poll in self._polls:
            if poll.next_at is not None and (wake_at is None or poll.next_at < wake_at):
                wake_at = poll.next_at
        self.wake_at = wake_at


def _in_phase(time: int, interval: int) -> int:
    """The last of the interval's phases that is not after this time.

    Probes of many slots so fall on few moments: one wake-up sends several.
    """
    step = interval // PHASES
    return time - time % step
