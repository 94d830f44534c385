"""The replicas of one service on this host, seen together: what they fail of in common.

A restart heals a replica; it does not heal a database that all of them need, and a storm of
restarts makes that worse. So the failures of one service are judged together. The rules, for
the *members*: its replicas here that are wanted and neither being claimed nor blocked.

Dying together
    A member *keeps failing* when it has failed at least twice in a row (died unasked, never
    became ready in time, or was restarted for its liveness, without ``reset_after`` seconds of
    health in between) and has not been ready since its last failure; or when its liveness fails
    and its restart is suspended (below). When there are at least two members and every one keeps
    failing, the service is *held*. So the first common failure, somebody's ``pkill`` say, is
    healed at once by everybody's own back-off; only its repetition is held.

While a service is held
    No member is started, except one at a time on trial: the first at once, the next when the last
    one has failed and a capped, growing delay has passed, for ever. That delay goes on growing
    from one hold to the next until a hold has been over for ``reset_after`` seconds. Dead members
    take turns, whoever was ready last begins. A living one (its liveness fails) goes on trial
    only if no member is dead, or after its restart has been suspended for ten times the longest
    restart delay. When a member becomes ready, or a living one's liveness succeeds, the hold is
    over: all others are started at once. A trial that neither dies nor becomes ready does not keep
    the next one from its trial, and when no member is dead any more the hold is over. A member
    given a new generation or port is started at once, hold or not: what was wrong may be mended.

Liveness failing
    A member whose liveness fails is restarted if no other member bears witness (it is alone, or
    the others are new or have no such check), or if another one's liveness has succeeded since this
    one's first failure, and that was its latest answer: then the fault is this one's own. Otherwise
    it is *suspended*, left running: all fail, as far as is known, and a restart does not help then.
    At most a
    quarter of the members (at least one) are restarted for their liveness at one time: a restart
    counts until that member is ready or has failed again.

Readiness failing
    Takes a replica from the routes and nothing more; if it fails everywhere, that is said.
"""

from random import Random
from typing import Protocol

from interrex.core.ids import ServiceName, SlotName
from interrex.core.replicas import ReplicaState as State
from interrex.core.spec import Restart
from interrex.core.time import S, seconds
from interrex.supervision.backoff import Backoff, reset_after, trial_delays

TOGETHER = 2
"""With fewer members than this there is nothing in common to speak of."""

NEVER = -1
RESTARTED_SHARE = 4
PATIENCE = 10


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
    def liveness_failing_since(self) -> int: ...
    @property
    def bears_witness(self) -> bool: ...
    @property
    def well_at(self) -> int: ...
    def hold(self, now: int) -> None: ...
    def start_on_trial(self, now: int) -> None: ...
    def start_released(self, now: int) -> None: ...
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
        return (
            f"all {len(self._counted())} replicas of {self.service} here keep failing: "
            "a dependency is probably down; one at a time is tried"
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
            self.held = False
            self.wake_at = None

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
        self.reconsider(now)

    def liveness_succeeded(self, member: Member, now: int) -> None:
        if not self._suspended:
            return
        was_suspended = self._suspended.pop(member.name, None) is not None
        if was_suspended and self.held:
            self._release(now)
        self.reconsider(now)

    def reconsider(self, now: int) -> None:
        """Judge the suspended members by what is known now."""
        if not self._suspended:
            return
        counted = self._counted()
        witnesses = sum(member.bears_witness for member in counted)
        well_at = max((member.well_at for member in counted), default=NEVER)
        allowed = max(1, len(counted) // RESTARTED_SHARE) - self._restarting()
        for name in sorted(self._suspended):
            member = self.members[name]
            if witnesses - member.bears_witness and well_at < member.liveness_failing_since:
                member.suspend(self._not_restarted, now)
            elif allowed <= 0:
                member.suspend("others are being restarted", now)
            else:
                allowed -= 1
                del self._suspended[name]
                member.restart_for_liveness(now)
        self._consider_hold(now)

    def wake(self, now: int) -> None:
        """The next trial is due."""
        self._try_one(now)

    # Rules

    def _counted(self) -> list[Member]:
        return [
            member
            for member in self.members.values()
            if member.state not in (State.CLAIMING, State.BLOCKED)
        ]

    @property
    def _not_restarted(self) -> str:
        return (
            f"no other replica of {self.service} here is well: a dependency is probably down, "
            "and a restart would not help"
        )

    def _restarting(self) -> int:
        return sum(member.restarting_for_liveness for member in self.members.values())

    def _consider_hold(self, now: int) -> None:
        counted = self._counted()
        if self.held or len(counted) < TOGETHER:
            return
        if not all(self._keeps_failing(member) for member in counted):
            return
        if self._released_at is None or now - self._released_at >= self._reset_after:
            self._trials.reset()
        self.held = True
        self.on_trial = None
        for member in counted:
            if member.state is State.WAITING:
                member.hold(now)
        self._next_trial(now)

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
        self._trial_due = member is None
        if member is None:
            if all(other.state in (State.RUNNING, State.READY) for other in self._counted()):
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
        living = [
            member
            for member in counted
            if member.name in self._suspended
            and (
                all(other.name in self._suspended for other in counted)
                or now - self._suspended[member.name] >= self._patience
            )
        ]
        return min(
            dead + living,
            key=lambda member: (self._tried_at.get(member.name, NEVER), -member.last_ready),
            default=None,
        )

    def _release(self, now: int) -> None:
        self.held = self._trial_due = False
        self.on_trial = None
        self.wake_at = None
        self._released_at = now
        self._tried_at.clear()
        for member in list(self.members.values()):
            if member.state is State.HELD:
                member.start_released(now)
