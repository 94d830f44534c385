"""When to ask a replica for its health, and what its answers come to.

One ``Health`` belongs to one incarnation. Checks that ask the same question share one ``Poll``,
so that a service whose liveness and readiness are one check is asked once, not twice.

*Starting*: the startup check (else readiness, else liveness) is asked at once, again after 2 ms,
then after twice as long up to 50 ms, from there after a thirty-second of the time since the start
(a slow starter is noticed at most 3 % late) up to the check's own interval.
*Steady*: each check is asked once an interval. The first time is drawn within one interval, so
that a hundred replicas started together are not asked together.

*Starved*: a time-out in which the worker itself was away for a quarter of the time, or more, says
nothing of the replica and is not counted. But five of them in a row are followed by one that is,
so that a hung replica is also found on a host that is overloaded for good. And the time to start
counts only while the worker runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from interrex.core import spec
from interrex.core.spec import Check, CheckKind
from interrex.core.time import MS, seconds
from interrex.supervision.backoff import draw
from interrex.supervision.lateness import Lateness

FIRST_PAUSE = 2 * MS
LONGEST_FAST_PAUSE = 50 * MS
PAUSE_SHARE = 32
STARVED_SHARE = 4
FORGIVEN_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A check with its times in ns."""

    check: Check
    interval: int
    timeout: int
    first_pause: int
    rise: int
    fall: int


@dataclass(frozen=True, slots=True)
class HealthPlan:
    """A service's checks, converted once. Equal checks are the same ``Question``."""

    startup: Question | None
    liveness: Question | None
    readiness: Question | None
    start_timeout: int


def plan_of(health: spec.Health) -> HealthPlan:
    """A service's checks as the core uses them."""
    questions: dict[Check, Question] = {}

    def question(check: Check | None) -> Question | None:
        if check is None:
            return None
        if check not in questions:
            questions[check] = Question(
                check=check,
                interval=max(seconds(check.interval), MS),
                timeout=max(seconds(check.timeout), MS),
                # Each exec probe is a process of its own: never hundreds a second.
                first_pause=LONGEST_FAST_PAUSE if check.kind is CheckKind.EXEC else FIRST_PAUSE,
                rise=max(check.rise, 1),
                fall=max(check.fall, 1),
            )
        return questions[check]

    return HealthPlan(
        startup=question(health.startup),
        liveness=question(health.liveness),
        readiness=question(health.readiness),
        start_timeout=seconds(health.start_timeout),
    )


@dataclass(slots=True)
class Poll:
    """One question being asked again and again, and its answers in a row.

    ``lost_at``: what the worker had lost of its time when it asked. ``forgiven``: the last so many
    answers were not counted; ``counts`` tells whether the last one was.

    Invariant: ``next_at`` is None while a probe is in flight.
    """

    question: Question
    pause: int
    next_at: int | None = None
    in_flight: int | None = None
    sent_at: int = 0
    lost_at: int = 0
    forgiven: int = 0
    counts: bool = True
    answered_at: int | None = None
    ok: bool = False
    good: int = 0
    bad: int = 0
    timeouts: int = 0
    strangers: int = 0
    bad_since: int = 0
    detail: str = ""

    def record(self, ok: bool, timed_out: bool, detail: str, now: int, stranger: bool) -> None:
        self.in_flight = None
        self.forgiven, self.counts = 0, True
        self.answered_at = now
        self.ok = ok
        self.detail = detail
        if ok:
            self.good += 1
            self.bad = self.timeouts = self.strangers = 0
            return
        if self.bad == 0:
            self.bad_since = now
        self.good = 0
        self.bad += 1
        self.timeouts = self.timeouts + 1 if timed_out else 0
        self.strangers = self.strangers + 1 if stranger else 0

    def forgive(self) -> None:
        """The answer came too late, but the worker was not there to hear it."""
        self.in_flight = None
        self.forgiven += 1
        self.counts = False

    def was_starved(self, lost: int) -> bool:
        """Whether the worker was away while it waited; ``lost`` is what it has lost by now."""
        needed = self.question.timeout // STARVED_SHARE
        return lost - self.lost_at >= needed and self.forgiven < FORGIVEN_IN_A_ROW

    @property
    def failed(self) -> bool:
        return self.bad >= self.question.fall

    @property
    def hung(self) -> bool:
        """Not one of the failures that count was an answer."""
        return self.timeouts >= self.question.fall

    @property
    def usurped(self) -> bool:
        """All failures that count were answers of somebody else on the replica's port."""
        return self.strangers >= self.question.fall


class Health:
    """The health of one incarnation.

    ``started``: the startup check has succeeded. ``ready``: it may be sent requests. ``gate`` is
    the poll that is asked fast because READY waits for it, until it first succeeds. ``unknown``:
    it was never ready, so whoever answers on its port may be a stranger.
    """

    __slots__ = (
        "_adopted",
        "_began",
        "_chance",
        "_lateness",
        "_lost_before",
        "_numbers",
        "_polls",
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

        def poll(question: Question | None) -> Poll | None:
            if question is None:
                return None
            return polls.setdefault(question, Poll(question, question.first_pause))

        self.startup = poll(plan.startup)
        self.liveness = poll(plan.liveness)
        self.readiness = poll(plan.readiness)
        self._polls = tuple(polls.values())
        self.started = False
        self.ready = False
        self.unknown = True
        self.deadline: int | None = None
        self.gate: Poll | None = None
        self.wake_at: int | None = None

    def start(self) -> None:
        """Watch a process that was started just now."""
        self.gate = self.startup or self.readiness or self.liveness
        if self.gate is None:
            self.started = self.ready = True
            return
        self.deadline = self._began + self.plan.start_timeout
        self.gate.next_at = self._began
        self._rearm()

    def adopt(self) -> None:
        """Watch a process that served before this supervisor came: ask at once, doubt nothing."""
        self.started = self._adopted = True
        self.unknown = False
        self.gate = self.readiness or self.liveness or self.startup
        self.ready = self.gate is None
        self._schedule_steady(self._began)
        if self.gate is not None:
            self.gate.next_at = self._began
        self._rearm()

    def carry_on(self, old: "Health", now: int) -> None:
        """Watch the same process by other checks: the verdicts so far stand."""
        self._began = old._began
        self._lost_before = old._lost_before
        self.unknown = old.unknown
        if not old.started:
            self.start()
            if self.gate is not None:
                self.gate.next_at = now
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

    def answered(
        self,
        number: int,
        ok: bool,
        timed_out: bool,
        detail: str,
        now: int,
        stranger: bool = False,
    ) -> Poll | None:
        """Take one answer.

        Returns:
            Whose answer it was; None for a stale one, which changes nothing.
        """
        for poll in self._polls:
            if poll.in_flight == number:
                break
        else:
            return None
        if timed_out and poll.was_starved(self._lateness.lost):
            poll.forgive()
        else:
            poll.record(ok, timed_out, detail, now, stranger)
            self._judge(poll, now)
        self.unknown = self.unknown and not self.ready
        if poll.next_at is None:
            poll.next_at = self._next_time(poll, now)
        self._rearm()
        return poll

    def _judge(self, poll: Poll, now: int) -> None:
        if not self.started:
            self._judge_start(poll, now)
        else:
            self._judge_readiness(poll, now)

    def _judge_start(self, poll: Poll, now: int) -> None:
        if poll is not self.gate or poll.good < poll.question.rise:
            return
        self.started = True
        self.deadline = None
        self.ready = self.readiness is None or self.readiness is poll
        self.gate = None if self.ready else self.readiness
        self._schedule_steady(now)
        if self.gate is not None:
            self.gate.next_at = now

    def _judge_readiness(self, poll: Poll, now: int) -> None:
        if poll is self.gate:
            # An adopted replica was serving: one good answer is enough.
            if poll.good >= (1 if self._adopted else poll.question.rise):
                self.ready, self.gate = True, None
                if self._is_steady(poll):
                    poll.next_at = self._spread(poll, now)
        elif poll is self.readiness:
            if self.ready and poll.failed:
                self.ready = False
            elif not self.ready and poll.good >= poll.question.rise:
                self.ready = True

    def _schedule_steady(self, now: int) -> None:
        for poll in self._polls:
            if self._is_steady(poll):
                poll.next_at = self._spread(poll, now)

    def _is_steady(self, poll: Poll) -> bool:
        return poll is self.liveness or poll is self.readiness

    def _spread(self, poll: Poll, now: int) -> int:
        return now + draw(self._chance, poll.question.interval)

    def _next_time(self, poll: Poll, now: int) -> int | None:
        # Fast answers must not use up the failures that liveness is allowed.
        if poll is self.gate and not (self.started and poll is self.liveness):
            pause = max(poll.pause, (now - self._began) // PAUSE_SHARE)
            poll.pause = min(2 * poll.pause, LONGEST_FAST_PAUSE)
            return now + min(pause, poll.question.interval)
        if not self._is_steady(poll):
            return None
        return max(now, poll.sent_at + poll.question.interval)

    def _rearm(self) -> None:
        wake_at = self.deadline
        for poll in self._polls:
            if poll.next_at is not None and (wake_at is None or poll.next_at < wake_at):
                wake_at = poll.next_at
        self.wake_at = wake_at
