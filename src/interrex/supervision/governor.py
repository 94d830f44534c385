"""The replicas of one service, seen together: what they fail of in common.

A restart heals a replica; it does not heal a database that all of them need, and a storm of
restarts makes that worse. So the failures of one service are judged together. *Members* are its
replicas under this worker that are wanted and neither being claimed nor blocked; the same
replicas under other workers, as those report them, are its replicas *elsewhere*.

Failing together
    A member *keeps failing* when it has failed at least twice in a row (died unasked, never
    became ready in time, or was restarted for its liveness, without ``reset_after`` seconds of
    health in between) and has not been ready since its last failure; or when its liveness fails
    and its restart is suspended (below). When there are at least two replicas, here and elsewhere,
    and every one keeps failing, the service is *held*. So the first common failure, somebody's
    ``pkill`` say, is healed at once by every replica's own back-off; only its repetition is held.

While a service is held
    No member is started, except one at a time on trial: the first at once, the next when the last
    one has failed and a capped, growing delay has passed, for ever. That delay goes on growing
    from one hold to the next until a hold has been over for ``reset_after`` seconds. Dead members
    take turns, whoever was ready last begins. A living one (its liveness fails) goes on trial only
    if no replica is dead and this worker has the service's first one, so that one is lost and not
    one of each worker; or after it has been suspended for ten times the longest restart delay.
    The hold is over, and all others are started at once, when a member becomes ready, a suspended
    one's liveness succeeds, a replica elsewhere is well, or no member is dead any more. Only where
    the last hold has not been over for ``reset_after`` seconds, each goes by its own back-off: a
    replica that is ready for a moment, as one without checks always is, releases no storm. A trial
    that lives but does not become ready does not keep the next one from its trial. A member given
    a new generation or port is started at once, hold or not: what was wrong may be mended.

Liveness failing
    A member whose liveness fails is restarted if nobody bears witness (it is alone, or the others
    are new or have no such check), or if another replica is well: its liveness has succeeded since
    this one's first failure and not failed since, and this one has failed once more after that
    (elsewhere: after that was reported). Then the fault is this one's own. Otherwise it is
    *suspended*, left running: all fail, as far as is known, and a restart does not help then. At
    most a quarter of the members (at least one) are restarted for their liveness at one time: a
    restart counts until that member is ready or has failed again.

Readiness failing
    Takes a replica from the routes and nothing more; if it fails everywhere here, that is said.

The balancers
    Are judged each alone: never held, and restarted for their liveness without a witness. Their
    processes have no dependency that could be down, and held they would refuse all requests.

Not guaranteed: with ``fall = 1`` the first replica to fail is restarted before the others have
been asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from interrex.core.ids import BALANCER, ServiceName, SlotName, number_of, service_of
from interrex.core.replicas import ReplicaReport
from interrex.core.replicas import ReplicaState as State
from interrex.core.spec import Restart
from interrex.core.time import S, seconds
from interrex.supervision.backoff import Backoff, reset_after, trial_delays

TOGETHER = 2
"""With fewer members than this there is nothing in common to speak of."""

NEVER = -1
RESTARTED_SHARE = 4
PATIENCE = 10


_LIVES = frozenset({State.RUNNING, State.READY})
_NOT_COUNTED = frozenset({State.CLAIMING, State.BLOCKED, State.STOPPED})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A service's replicas under other workers: how many, and how many of them fail how.

    ``witnesses`` say something about a failing liveness, ``down`` are dead or starting after a
    failure, ``first`` is the lowest slot number.
    """

    replicas: int = 0
    witnesses: int = 0
    failing: int = 0
    well: int = 0
    down: int = 0
    first: int | None = None

    @staticmethod
    def of(service: ServiceName, reports: Iterable[ReplicaReport]) -> "Elsewhere":
        counted = [
            report
            for report in reports
            if report.state not in _NOT_COUNTED and service_of(report.slot) == service
        ]
        ill = [report for report in counted if report.ill]
        well = sum(report.state in _LIVES and not report.ill for report in counted)
        return Elsewhere(
            replicas=len(counted),
            witnesses=len(ill) + well,
            failing=sum(report.failing for report in counted),
            well=well,
            down=sum(report.state not in _LIVES for report in ill),
            first=min((number_of(report.slot) for report in counted), default=None),
        )


class Member(Protocol):
    """What the governor sees of a slot, and what it may ask of it."""

    @property
    def name(self) -> SlotName: ...
    @property
    def state(self) -> State: ...
    @property
    def keeps_failing(self) -> bool: ...
    @property
    def restarting_for_liveness(self) -> bool: ...
    @property
    def last_ready(self) -> int: ...
    @property
    def liveness_failures(self) -> tuple[int, int]: ...
    @property
    def bears_witness(self) -> bool: ...
    @property
    def well_at(self) -> int: ...
    def hold(self, now: int) -> None: ...
    def start_on_trial(self, now: int) -> None: ...
    def start_released(self, now: int, *, at_once: bool) -> None: ...
    def suspend(self, reason: str, now: int) -> None: ...
    def restart_for_liveness(self, now: int) -> None: ...


class Governor:
    """One service's replicas. Slots report to it and ask it before they start again.

    ``held``: no member starts but the one on trial. ``on_trial``: that one. ``wake_at``: when the
    next trial is due (ns). Invariant: while held, there is one on trial, or a ``wake_at``, or a
    trial is due as soon as some member is dead and swept (``_trial_due``).
    """

    def __init__(self, service: ServiceName, chance: Random, restart: Restart) -> None:
        self.service = service
        self._each_alone = service == BALANCER
        self.members: dict[SlotName, Member] = {}
        self.held = False
        self.on_trial: Member | None = None
        self.wake_at: int | None = None
        self.queued_at: int | None = None
        self._trial_due = False
        self._trials = Backoff(chance, trial_delays(restart))
        self._tried_at: dict[SlotName, int] = {}
        self._released_at: int | None = None
        self._suspended: dict[SlotName, int] = {}
        self._elsewhere = Elsewhere()
        self._well_elsewhere_at: int | None = None
        self.configure(restart)

    def configure(self, restart: Restart) -> None:
        self._trials.configure(trial_delays(restart))
        self._reset_after = reset_after(restart)
        self._patience = PATIENCE * max(seconds(restart.max_delay), S)

    # What members ask

    def holds(self, member: Member) -> bool:
        """Whether this member must not be started now."""
        return self.held and member is not self.on_trial

    @property
    def reason(self) -> str:
        """Why the service is held, for a report."""
        replicas = len(self._counted()) + self._elsewhere.replicas
        return (
            f"all {replicas} replicas of {self.service} keep failing: "
            "a dependency is probably down; they are tried one at a time"
        )

    @property
    def none_ready(self) -> bool:
        """Whether several members live and none of them is ready."""
        states = [member.state for member in self._counted()]
        return len(states) >= TOGETHER and all(state is State.RUNNING for state in states)

    # What members report

    def join(self, member: Member) -> None:
        self.members[member.name] = member

    def leave(self, member: Member, now: int) -> None:
        """The member is not this worker's any more, or not wanted."""
        self.members.pop(member.name, None)
        self._tried_at.pop(member.name, None)
        self._suspended.pop(member.name, None)
        self.stepped_aside(member, now)
        if not self.members:
            self._end_hold(now)

    def stepped_aside(self, member: Member, now: int) -> None:
        """The member is not on trial any more: it failed, cannot be tried, or lives unready."""
        if member is self.on_trial:
            self.on_trial = None
            self._next_trial(now)
        elif self._trial_due:
            self._try_one(now)

    def failed(self, member: Member, now: int) -> None:
        """The member died unasked or did not become ready in time."""
        self._suspended.pop(member.name, None)
        if self.held:
            if member is self.on_trial:
                self.stepped_aside(member, now)
        else:
            self._consider_hold(now)
        self.reconsider(now)

    def ready(self, member: Member, now: int) -> None:
        if self.held:
            self._release(now)
        self.reconsider(now)

    def stopped_living(self, member: Member) -> None:
        """The member is being stopped for another reason: its liveness is no question now."""
        self._suspended.pop(member.name, None)

    def entered_hold(self, now: int) -> None:
        """A member has become HELD: it can be tried."""
        if self._trial_due:
            self._try_one(now)

    def liveness_failed(self, member: Member, now: int) -> None:
        self._suspended.setdefault(member.name, now)
        # Its answer says nothing new of the others: judging all at each would be quadratic.
        self._judge([member.name], now)
        self._consider_hold(now)

    def liveness_succeeded(self, member: Member, now: int) -> None:
        if not self._suspended:
            return
        was_suspended = self._suspended.pop(member.name, None) is not None
        if was_suspended and self.held:
            self._release(now)
        self.reconsider(now)

    def reconsider(self, now: int) -> None:
        """Judge the suspended members by what is known now."""
        if self._suspended:
            self._judge(sorted(self._suspended), now)
            self._consider_hold(now)

    def heard(self, elsewhere: Elsewhere, now: int) -> None:
        """How the service fares under other workers."""
        if elsewhere == self._elsewhere:
            return
        if not elsewhere.well:
            self._well_elsewhere_at = None
        elif not self._elsewhere.well:
            self._well_elsewhere_at = now
        self._elsewhere = elsewhere
        if self.held and elsewhere.well:
            self._release(now)
        self.reconsider(now)
        self._consider_hold(now)

    def wake(self, now: int) -> None:
        """The next trial is due."""
        self._try_one(now)

    # Rules

    def _counted(self) -> list[Member]:
        return [member for member in self.members.values() if member.state not in _NOT_COUNTED]

    def _judge(self, suspended: list[SlotName], now: int) -> None:
        counted = self._counted()
        elsewhere = self._elsewhere
        witnesses = sum(member.bears_witness for member in counted) + elsewhere.witnesses
        well_at = max((member.well_at for member in counted), default=NEVER)
        well_there = self._well_elsewhere_at
        allowed = max(1, len(counted) // RESTARTED_SHARE) - self._restarting()
        for name in suspended:
            member = self.members[name]
            if member.well_at != NEVER:
                continue  # its latest answer was good: that is what the governor is told next
            first, latest = member.liveness_failures
            own_fault = first <= well_at <= latest or (
                well_there is not None and well_there <= latest
            )
            if witnesses - member.bears_witness and not own_fault and not self._each_alone:
                member.suspend(self._not_restarted, now)
            elif allowed <= 0:
                member.suspend("others are being restarted", now)
            else:
                allowed -= 1
                del self._suspended[name]
                member.restart_for_liveness(now)

    @property
    def _not_restarted(self) -> str:
        return (
            f"no other replica of {self.service} is well: a dependency is probably down, "
            "and a restart would not help"
        )

    def _restarting(self) -> int:
        return sum(member.restarting_for_liveness for member in self.members.values())

    def _consider_hold(self, now: int) -> None:
        counted = self._counted()
        elsewhere = self._elsewhere
        if self._each_alone or self.held or not counted:
            return
        if len(counted) + elsewhere.replicas < TOGETHER:
            return
        if elsewhere.failing < elsewhere.replicas:
            return
        if not all(self._keeps_failing(member) for member in counted):
            return
        if self._long_released(now):
            self._trials.reset()
        self.held = True
        self.on_trial = None
        for member in counted:
            if member.state is State.WAITING:
                member.hold(now)
        self._next_trial(now)

    @staticmethod
    def _lives(member: Member) -> bool:
        return member.state in _LIVES

    def _keeps_failing(self, member: Member) -> bool:
        return member.keeps_failing or member.name in self._suspended

    def _next_trial(self, now: int) -> None:
        if not self.held:
            return
        starting = [member for member in self._counted() if member.state is State.STARTING]
        if starting:
            self.on_trial = starting[0]
            return
        self.wake_at = now + self._trials.failed()
        if self.wake_at <= now:
            self._try_one(now)

    def _try_one(self, now: int) -> None:
        self.wake_at = None
        member = self._candidate(now)
        self._trial_due = False
        if member is None:
            if any(not self._lives(other) for other in self._counted()):
                self._trial_due = True
            elif self._suspended:
                self.wake_at = now + self._trials.failed()
            else:
                self._release(now)
            return
        self.on_trial = member
        self._tried_at[member.name] = now
        if member.state is State.HELD:
            member.start_on_trial(now)
        else:
            del self._suspended[member.name]
            member.restart_for_liveness(now)

    def _candidate(self, now: int) -> Member | None:
        counted = self._counted()
        dead = [member for member in counted if member.state is State.HELD]
        spare = all(other.name in self._suspended for other in counted) and self._comes_first
        living = [
            member
            for member in counted
            if member.name in self._suspended
            and (spare or now - self._suspended[member.name] >= self._patience)
        ]
        return min(
            dead + living,
            key=lambda member: (self._tried_at.get(member.name, NEVER), -member.last_ready),
            default=None,
        )

    @property
    def _comes_first(self) -> bool:
        """Whether it is this worker's turn to spare a living replica."""
        others = self._elsewhere.first
        if others is None:
            return True
        mine = min(map(number_of, self.members), default=others)
        return self._elsewhere.down == 0 and mine < others

    def _long_released(self, now: int) -> bool:
        """Whether there was no hold before, or its end is no news any more."""
        return self._released_at is None or now - self._released_at >= self._reset_after

    def _release(self, now: int) -> None:
        at_once = self._long_released(now)
        self._end_hold(now)
        for member in list(self.members.values()):
            if member.state is State.HELD:
                member.start_released(now, at_once=at_once)

    def _end_hold(self, now: int) -> None:
        self.held = self._trial_due = False
        self.on_trial = None
        self.wake_at = None
        self._released_at = now
        self._tried_at.clear()
