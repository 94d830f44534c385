"""One slot: its record, its process, and what is asked of both.

Invariants: a process is started only while the record is held, nothing is left of the one before,
and no answer is awaited; one answer is awaited at a time; a signal goes only to the incarnation
that runs.
"""

from interrex.core.errors import InvariantViolation, ensure
from interrex.core.replicas import ReplicaState as State
from interrex.core.replicas import SlotAssignment
from interrex.core.spec import ServiceSpec
from interrex.core.time import MS, S, seconds
from interrex.supervision.health import Answer, plan_of
from interrex.supervision.interface import (
    Claim,
    Claimed,
    ClaimOutcome,
    Exited,
    Forget,
    Probe,
    Probed,
    Release,
    Signal,
    Spawn,
    Spawned,
    SpawnFailed,
    Sweep,
    Swept,
)
from interrex.supervision.lifecycle import ALIVE, DEAD, Cause
from interrex.supervision.standing import Awaiting, Standing
from interrex.supervision.words import exit_words, span

HUNG_GRACE = 500 * MS
"""A replica that answered none of the probes that count is given this long to stop by itself."""

KILL_AGAIN = 5 * S

UNSURE = 1 * S
"""How often (ns) a slot that waits for a leader looks for a record."""


class Slot(Standing):
    """One slot of this worker. See the module's invariants."""

    # What the leader asks for

    def assign(self, assignment: SlotAssignment, epoch: int, confirmed: bool, now: int) -> None:
        """Take an assignment: the first one, a changed one, or the same again."""
        old, self.assignment, self.epoch = self.assignment, assignment, epoch
        news, self._confirmed = confirmed and not self._confirmed, self._confirmed or confirmed
        if news and self._unsure and self._awaiting is None:
            self.claim(now)
        if old.generation != assignment.generation:
            self._touch()  # it is told by the report, also where there is nothing to do
        if self._leaving:
            self._leaving = False
            self._touch()
        if old.spec is not assignment.spec and old.spec != assignment.spec:
            self._respecify(assignment.spec, now)
        member = self.name in self._governor.members
        if assignment.wanted and not member:
            self._governor.join(self)
        elif member and not assignment.wanted:
            self._governor.leave(self, now)
        self._settle(now)

    def claim(self, now: int) -> None:
        """Take the record, before anything else can be done with this slot."""
        self._touch()
        self._unsure = False
        if self.state is State.STOPPED:
            self._move(Cause.CLAIM, now)
        self.since = self.since or now
        self._timer = None
        self._await(Awaiting.CLAIM)
        self._emit(Claim(self.name))

    def let_go(self, now: int) -> None:
        """It is not this worker's any more: release it as soon as nothing is under way."""
        self._touch()
        self._leaving = True
        self._governor.leave(self, now)
        self._settle(now)

    def _respecify(self, spec: ServiceSpec, now: int) -> None:
        self._touch()
        plan, self._plan = self._plan, plan_of(spec.health)
        self._stop_timeout = seconds(spec.stop_timeout)
        self._history.configure(spec.restart)
        if self._health is None or plan == self._plan:
            return
        health = self._new_health(now)
        health.carry_on(self._health, now)
        was_ready, self._health = self._health.ready, health
        self._governor.stopped_living(self)
        self._suspension = ""
        if health.ready and not was_ready:
            self._become_ready(now)
        self._probe_due(now)

    def _settle(self, now: int) -> bool:
        """Bring the slot one step nearer to what is asked, unless an answer is awaited.

        Returns:
            Whether anything had to be done.
        """
        if self._awaiting is not None:
            return False
        if self._leaving:
            self._release()
        elif self.state in ALIVE and not self.assignment.wanted:
            self._stop("not wanted any more", self._stop_timeout, now)
        elif self.state in ALIVE and self._outdated:
            self._stop(f"replaced by generation {self.assignment.generation}", None, now)
        elif self.state in DEAD and (not self.assignment.wanted or self._outdated):
            self._proceed(now)
        elif self.state is State.STOPPED and self.assignment.wanted:
            self.claim(now)
        else:
            return False
        return True

    # Answers

    def on_claimed(self, event: Claimed, now: int) -> None:
        if self._awaiting is not Awaiting.CLAIM:
            return
        self._touch()
        self._awaiting = None
        if event.outcome is ClaimOutcome.LOCKED:
            self.gone = self._leaving
            self._move(Cause.LOCKED, now, "another live worker still holds it")
            self._timer = now + self._history.locked()
            return
        self._record_held = True
        self._history.claimed()
        self.newest = max(self.newest, event.incarnation)
        match event.outcome:
            case ClaimOutcome.ADOPTED:
                self._adopt(event, now)
            case ClaimOutcome.GONE:
                self._find_dead(event, now)
            case ClaimOutcome.ABSENT if self.assignment.wanted and not self._confirmed:
                self._wait_for_the_leader(now)
            case ClaimOutcome.ABSENT:
                self._history.start_at = now
                self._proceed(now)

    def on_spawned(self, event: Spawned, now: int) -> None:
        if self._awaiting is not Awaiting.SPAWN or event.incarnation != self.incarnation:
            return
        self._touch()
        self._awaiting = None
        self.pid = event.pid
        self._spawned_at = now
        self._history.spawned()
        generation = self._ran[0] if self._ran else 0
        self._note("started", f"was started (pid {event.pid}, generation {generation})", self.epoch)
        self._watch(now, adopted=False)

    def on_spawn_failed(self, event: SpawnFailed, now: int) -> None:
        if self._awaiting is not Awaiting.SPAWN or event.incarnation != self.incarnation:
            return
        self._touch()
        self._awaiting = None
        self.restarting_for_liveness = False
        self._move(Cause.SPAWN_FAILED, now, event.reason)
        self._port_taken = event.port_taken
        news = self._history.blocked(event.reason, now)
        self._timer = self._history.start_at
        if news:
            self._note("blocked", f"cannot be started: {event.reason}")
        self._governor.stepped_aside(self, now)
        self._settle(now)

    def on_exited(self, event: Exited, now: int) -> None:
        asked = self.state is State.STOPPING
        if event.incarnation != self.incarnation or not (asked or self.state in ALIVE):
            return
        self._touch()
        words = exit_words(event.status)
        after = f" after {span(now - self._spawned_at)}" if not self._adopted else ""
        self._awaiting = None
        self._move(Cause.EXITED, now, self.reason if asked else words)
        self._sweep()
        self._note("exited", f"{words}{after}{', as it was asked to' if asked else ''}")
        if not asked:
            self._count_failure(words, now)
            self._governor.failed(self, now)

    def on_swept(self, event: Swept, now: int) -> None:
        if self._awaiting is not Awaiting.SWEEP or event.incarnation != self.incarnation:
            return
        self._touch()
        self._awaiting = None
        self._proceed(now)
        if event.killed:
            self._note("leftovers", f"left {event.killed} processes behind: killed")

    def on_probed(self, event: Probed, now: int) -> None:
        health = self._health
        if health is None or event.incarnation != self.incarnation:
            return
        started, ready = health.started, health.ready
        answer = Answer(event.ok, event.timed_out, event.detail, event.stranger, event.unasked)
        poll = health.answered(event.probe, answer, now)
        if poll is None:
            return
        self._touch()
        if health.ready != ready:
            self._become_ready(now) if health.ready else self._become_unready(event.detail, now)
        elif health.started and not started:
            self._move(Cause.STARTED, now, "started, not ready yet")
            self._count_health(now)
            self._governor.stepped_aside(self, now)
        elif not ready and not event.ok and health.is_asked_by(poll, health.gate, health.readiness):
            yet = " yet" if self.state is State.STARTING else ""
            self.reason = self._suspension or f"not ready{yet}: {event.detail}"
        gate, liveness = health.gate, health.liveness
        if gate is not None and gate.usurped:
            self._give_up_port(event.detail, now)
        elif liveness is not None and liveness.poll is poll and started and liveness.counts:
            self._judge_liveness(liveness.ok, liveness.failed, now)
        self._probe_due(now)

    def wake(self, now: int) -> None:
        """The time in ``wake_at`` has come."""
        self._touch()
        rung = self._timer is not None and self._timer <= now
        if rung:
            self._timer = None
        match self.state:
            case State.CLAIMING if rung:
                self.claim(now)
            case State.WAITING | State.BLOCKED if rung:
                self._proceed(now)
            case State.STOPPING if rung:
                self._kill(now)
            case State.RUNNING | State.READY if rung:
                self._forgive("it stays healthy")
        if self._health is not None and self._health.overdue(now):
            self._give_up_starting(now)
        self._probe_due(now)

    # What the governor asks for

    def hold(self, now: int) -> None:
        """Stay dead until tried or released."""
        self._touch()
        self._move(Cause.HOLD, now, f"{self._last_failure()}{self._governor.reason}")
        if not self._hold_noted:
            self._hold_noted = True
            self._note("held", f"is held: {self._governor.reason}")
        self._governor.entered_hold(now)

    def start_on_trial(self, now: int) -> None:
        self._start(now)
        self._note("tried", "is started on trial, the other replicas are held", self.epoch)

    def start_released(self, now: int, *, at_once: bool) -> None:
        if not at_once and self._history.start_at > now:
            self._proceed(now)
            return
        self._start(now)
        self._hold_noted = False
        self._note("released", "is started: its service is not held any more", self.epoch)

    def suspend(self, reason: str, now: int) -> None:
        """Its liveness fails, and it is left running."""
        self._touch()
        liveness = self._health.liveness if self._health is not None else None
        detail = liveness.detail if liveness is not None else ""
        words = f"liveness fails ({detail}), not restarted: {reason}"
        if not self._suspension:
            self._note("not_restarted", words)
        self._suspension = self.reason = words

    def restart_for_liveness(self, now: int) -> None:
        """Stop it because its liveness fails; its end is its start."""
        liveness = self._health.liveness if self._health is not None else None
        if liveness is None:
            raise InvariantViolation(f"{self.name} is restarted for a liveness it does not have")
        hung = liveness.hung
        words = f"{'hangs' if hung else 'is not healthy'}: {liveness.detail}"
        self._count_failure(words, now)
        self.restarting_for_liveness = True
        self._stop(words, HUNG_GRACE if hung else None, now)
        self._note("unhealthy", f"{words}: restarted")

    # Beginning

    def _wait_for_the_leader(self, now: int) -> None:
        """Nothing is known of it on this host, and the assignment is from before this life.

        It may have been moved and stopped for good since: started once more, it would be nobody's.
        """
        self._unsure = True
        self._record_held = False
        self._emit(Release(self.name))
        self.reason = "has no record here: it waits until a leader asks for it again"
        self._timer = now + UNSURE

    def _adopt(self, event: Claimed, now: int) -> None:
        self.incarnation = event.incarnation
        self.pid = event.pid
        self._ran = (event.generation, event.port)
        self._spawned_at = now
        self._move(Cause.ADOPTED, now, "adopted, not asked yet")
        self._note("adopted", f"was adopted, running (pid {event.pid})")
        self._watch(now, adopted=True)

    def _find_dead(self, event: Claimed, now: int) -> None:
        self.incarnation = event.incarnation
        self._ran = (event.generation, event.port)
        self._history.found_dead(now)
        self._move(Cause.FOUND_DEAD, now, "was found dead")
        self._sweep()
        self._note("found_dead", "was found dead: nobody supervised it when it died")

    def _start(self, now: int) -> None:
        ensure(self._record_held, f"{self.name} is started without its record")
        wanted = self.assignment
        self._touch()
        self._move(Cause.START, now, self._last_failure().rstrip("; "))
        self._history.starting()
        self.newest += 1
        self.incarnation = self.newest
        self._ran = (wanted.generation, wanted.port)
        self._adopted = False
        self._await(Awaiting.SPAWN)
        self._emit(
            Spawn(
                self.name, self.incarnation, wanted.generation, self.epoch, wanted.port, wanted.spec
            )
        )

    def _watch(self, now: int, *, adopted: bool) -> None:
        """Begin to ask the process for its health, unless it is not wanted as it is."""
        self._adopted = adopted
        if self._settle(now):
            return
        health = self._new_health(now)
        self._health = health
        if adopted:
            health.adopt()
            self._count_health(now)
        else:
            health.start()
        if health.ready:
            self._become_ready(now)
        self._probe_due(now)

    def _proceed(self, now: int) -> None:
        """There is no process and nothing left of one: decide what comes next."""
        if self._leaving:
            self._release()
        elif not self.assignment.wanted:
            self._finish(now)
        elif self._outdated:
            self._forgive("what it runs has changed")
            self._start(now)
        elif self._governor.holds(self):
            self.hold(now)
        elif self._history.start_at <= now or self._governor.on_trial is self:
            self._start(now)
        else:
            failures = self._history.failures
            self._move(Cause.WAIT, now, f"{self._last_failure()}failure {failures} in a row")
            self._timer = self._history.start_at

    # Health

    def _become_ready(self, now: int) -> None:
        again = self.last_ready >= self._spawned_at
        self._move(Cause.PASSED, now, self._suspension)
        self.last_ready = now
        self._history.recovered = True
        self._hold_noted = False
        self.restarting_for_liveness = False
        self._count_health(now)
        took = (
            "again" if again or self._adopted else f"{span(now - self._spawned_at)} after its start"
        )
        self._note("ready", f"is ready {took}")
        self._governor.ready(self, now)

    def _become_unready(self, detail: str, now: int) -> None:
        self._move(Cause.UNREADY, now, self._suspension or f"not ready: {detail}")
        everywhere = ", as all its service's here" if self._governor.none_ready else ""
        self._note("not_ready", f"is not ready{everywhere}: {detail}")

    def _judge_liveness(self, ok: bool, failed: bool, now: int) -> None:
        if failed:
            self._governor.liveness_failed(self, now)
        elif ok:
            if self._suspension:
                self._suspension = ""
                self.reason = "" if self.state is State.READY else "not ready"
            self._governor.liveness_succeeded(self, now)

    def _probe_due(self, now: int) -> None:
        health = self._health
        if health is None or health.wake_at is None or health.wake_at > now:
            return
        port = self._ran[1] if self._ran else self.assignment.port
        for number, check in health.due(now):
            self._emit(
                Probe(
                    self.name, self.incarnation, number, port, check, self.assignment.spec,
                    own=health.unknown,
                )
            )  # fmt: skip

    def _count_health(self, now: int) -> None:
        self._history.healthy(now)
        self._timer = self._history.loop_ends_at

    def _forgive(self, why: str) -> None:
        if self._history.crash_looping:
            self._note("crash_loop_over", f"is in a crash loop no longer: {why}")
        self._history.forgive()

    def _count_failure(self, words: str, now: int) -> None:
        self.restarting_for_liveness = False
        if self._history.failed(words, now):
            failures = self._history.failures
            self._note("crash_loop", f"is in a crash loop: {failures} failures in a row")

    def _give_up_starting(self, now: int) -> None:
        gate = self._health.gate if self._health is not None else None
        answer = gate.detail if gate is not None and gate.answered_at is not None else "none"
        words = f"never became ready in {span(self._plan.start_timeout)}: last answer: {answer}"
        self._stop(words, HUNG_GRACE if gate is not None and gate.hung else None, now)
        self._note("never_ready", f"{words}: restarted")
        self._count_failure(words, now)
        self._governor.failed(self, now)

    def _give_up_port(self, words: str, now: int) -> None:
        """A stranger listens on its port, as its next start finds out if it still is so: then it
        gets another. Counted as a failure, so that a wrong suspicion restarts it ever later."""
        self._stop(words, None, now)
        advice = "if that one listens for it, give the service an exec check"
        self._note("port_taken", f"{words}: stopped, to be started on another port ({advice})")
        self._count_failure(words, now)
        self._governor.failed(self, now)

    # Ending

    def _stop(self, why: str, grace: int | None, now: int) -> None:
        self._governor.stopped_living(self)
        self._touch()
        self._health = None
        self._suspension = ""
        self._kills = 0
        self._move(Cause.STOP, now, why)
        grace = self._stop_timeout if grace is None else min(grace, self._stop_timeout)
        if grace <= 0:
            self._kill(now)
            return
        self._emit(Signal(self.name, self.incarnation, self.assignment.spec.stop_signal))
        self._timer = now + grace

    def _kill(self, now: int) -> None:
        self._emit(Signal(self.name, self.incarnation, "SIGKILL"))
        self._timer = now + KILL_AGAIN
        self._kills += 1
        if self._kills == 1:
            self._note("killed", f"did not stop in {span(now - self.since)}: killed")
        elif self._kills == 2:
            self.reason += "; does not die though killed"
            self._note("undying", "does not die though killed: its host has a problem")

    def _sweep(self) -> None:
        self.pid = None
        self._health = None
        self._suspension = ""
        self._await(Awaiting.SWEEP)
        self._emit(Sweep(self.name, self.incarnation))

    def _finish(self, now: int) -> None:
        self._record_held = False
        self._history.stopped()
        self._emit(Forget(self.name))
        self._move(Cause.FORGET, now, "")
        if self._ran is not None:
            self._note("stopped", "is stopped", self.epoch)

    def _release(self) -> None:
        self._touch()
        self.gone = True
        if self._record_held:
            self._record_held = False
            self._emit(Release(self.name))
