"""A worker's candidates for named leaderships: programs of its host that asked it.

Pure: fed with what they say and with the replicated state, it tells what to propose and what to
tell them. Two leases, one inside the other:

- a candidate says that it is there; its leadership lasts ``CANDIDATE_LEASE`` from the moment it
  said so (its own clock, which is this host's). Silent that long it is withdrawn, and not before:
  it may be alive. Proved dead it is withdrawn at once.
- its guardian renews in the log. What it tells its candidates never lasts longer than
  ``GUARDIAN_LEASE``, less what clocks may run apart, from when it asked for its last renewal that
  was agreed. Whoever leads the cluster expires a guardian whose last renewal it applied that long
  ago: later than it was asked for, so nobody else holds a contest before its last holder has
  stopped believing in it.

Not guaranteed: anything that the cluster's election does not promise. Where that is not fenced the
worker takes no candidates.
"""

import msgspec

from interrex.core.contests import (
    Candidate,
    CandidateProcess,
    ContestOperation,
    Contests,
    Expire,
    Renew,
    Stand,
    Withdraw,
)
from interrex.core.ids import WorkerName
from interrex.core.time import MS, S, earliest

CANDIDATE_LEASE = 2 * S
GUARDIAN_LEASE = 10 * S
CLOCK_ERROR_PER_MILLE = 100
RENEW_EVERY = GUARDIAN_LEASE // 4
RETRY_AFTER = 200 * MS


class Proposal(msgspec.Struct, frozen=True):
    """Ask the cluster for a change; answered by ``Guardian.settled`` with this number."""

    number: int
    operation: ContestOperation


class Standings(msgspec.Struct, frozen=True):
    """Tell whoever follows this contest who leads, and who waits."""

    contest: str
    leader: str | None
    epoch: int
    waiting: tuple[str, ...]


class Granted(msgspec.Struct, frozen=True):
    """Tell a candidate that it leads until then (ns); again with a later time: it still does."""

    ticket: str
    epoch: int
    deadline: int


class Lost(msgspec.Struct, frozen=True):
    """Tell a candidate that it leads and stands no more. ``taken_by`` has its identity."""

    ticket: str
    reason: str
    taken_by: str = ""


class Watch(msgspec.Struct, frozen=True):
    """Watch a process that an earlier process of this worker was the guardian of."""

    ticket: str
    process: CandidateProcess


GuardianEffect = Proposal | Standings | Granted | Lost | Watch


class _Ward(msgspec.Struct):
    """One ticket. ``alive_at``: when it said so last (ns); ``told``: the deadline it was told;
    ``settled``: the index of its last change that was made, -1 before its standing is, 0 for one
    that stood before."""

    contest: str
    candidate: Candidate
    alive_at: int
    told: int = 0
    epoch: int = 0
    seen: bool = False
    leaving: Withdraw | None = None
    settled: int = -1


class Guardian:
    """The candidates of one worker's process.

    Args:
        me: this worker; ``now`` when its process began (ns).
    """

    def __init__(self, me: WorkerName, now: int) -> None:
        self._me = me
        self._began = now
        self._wards: dict[str, _Ward] = {}
        self._number = 0
        self._asked: dict[int, tuple[ContestOperation, str, int]] = {}
        """What is proposed and not settled: for which ticket, and when it was asked for (ns)."""
        self._standings: dict[str, Standings] = {}
        self._renewal_asked = False
        self._renew_at: int | None = None
        self._good_until = 0
        """Until when (ns) the cluster expires nothing of this guardian's."""
        self._heard: dict[WorkerName, tuple[int, int]] = {}
        """Each other guardian's last renewal, and when it was applied here (ns)."""
        self._retry_at: int | None = None
        self._leading = False
        self._effects: list[GuardianEffect] = []

    @property
    def wake_at(self) -> int | None:
        """When to call ``look`` though nothing happened (ns)."""
        expiries = [at + GUARDIAN_LEASE for _, at in self._heard.values()] if self._leading else []
        silences = [self._silent_at(ward) for ward in self._wards.values() if not ward.leaving]
        return earliest(self._renew_at, self._retry_at, *silences, *expiries)

    # What candidates say

    def stand(self, contest: str, candidate: Candidate, sent_at: int, now: int) -> None:
        """A program wants to lead, or says again that it does; ``sent_at`` is when it said so."""
        known = self._wards.get(candidate.ticket)
        if known is not None:
            known.alive_at = max(known.alive_at, sent_at)
            known.told = 0
            return
        ward = self._wards[candidate.ticket] = _Ward(contest, candidate, sent_at)
        if not self._stands_in_its_own_way(ward):
            self._propose(Stand(contest, candidate), ward, now)

    def answers_for(self, ticket: str) -> bool:
        """Whether it is told when this ticket is void."""
        return ticket in self._wards

    def _stands_in_its_own_way(self, ward: _Ward) -> bool:
        """Whether an earlier ticket of its own still has its identity: changes may be made in
        another order than they were asked for."""
        me = (ward.contest, ward.candidate.identity, ward.candidate.process)
        return any(
            (other.contest, other.candidate.identity, other.candidate.process) == me
            for other in self._wards.values()
            if other.leaving is not None and other is not ward
        )

    def alive(self, ticket: str, sent_at: int) -> None:
        """A candidate is there."""
        ward = self._wards.get(ticket)
        if ward is not None:
            ward.alive_at = max(ward.alive_at, sent_at)

    def withdraw(self, ticket: str, now: int, successor: str = "") -> None:
        """A candidate stands no more, by its own will or because it is proved dead."""
        ward = self._wards.get(ticket)
        if ward is not None and ward.leaving is None:
            ward.leaving = Withdraw(ward.contest, ticket, successor)
            self._propose(ward.leaving, ward, now)

    # What the cluster says

    def settled(self, number: int, index: int | None, now: int) -> None:
        """What became of a proposal: made at ``index``, or None: it is asked for again."""
        operation, ticket, asked_at = self._asked.pop(number)
        match operation:
            case Renew():
                self._renewal_settled(index is not None, asked_at, now)
            case Expire(guardian, renewed):
                if index is None and self._heard.get(guardian, (0, 0))[0] == renewed:
                    self._heard[guardian] = (renewed, now + RETRY_AFTER - GUARDIAN_LEASE)
            case _:
                ward = self._wards.get(ticket)
                if index is None:
                    self._retry_at = now + RETRY_AFTER
                elif ward is not None:
                    ward.settled = max(ward.settled, index)

    def _renewal_settled(self, done: bool, asked_at: int, now: int) -> None:
        self._renewal_asked = False
        self._renew_at = now + RETRY_AFTER
        if done:
            lease = GUARDIAN_LEASE * (1000 - CLOCK_ERROR_PER_MILLE) // 1000
            self._good_until = max(self._good_until, asked_at + lease)
            self._renew_at = asked_at + RENEW_EVERY

    def look(
        self, contests: Contests, applied: int, leading: bool, now: int
    ) -> list[GuardianEffect]:
        """Compare the replicated state with what was told, at time ``now`` (ns).

        Args:
            contests: as of the change at index ``applied``.
            leading: whether this worker leads the cluster, and so watches the other guardians.
        """
        self._leading = leading
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
        self._take_up_orphans(contests)
        self._follow_all(contests, applied, now)
        self._grant(now)
        self._watch_guardians(contests, now)
        self._compare(contests)
        for ticket, ward in list(self._wards.items()):
            if now >= self._silent_at(ward):
                self.withdraw(ticket, now)
        if self._wards and not self._renewal_asked and now >= (self._renew_at or 0):
            self._renewal_asked = True
            self._propose(Renew(self._me), None, now)
        if not self._wards and not self._renewal_asked:
            self._renew_at = None
        effects, self._effects = self._effects, []
        return effects

    def _take_up_orphans(self, contests: Contests) -> None:
        """Whom an earlier process of this worker was the guardian of: they may come back."""
        for contest, one in contests.guarded_by(self._me):
            if one.ticket not in self._wards:
                self._wards[one.ticket] = _Ward(contest, one, self._began, seen=True, settled=0)
                self._effects.append(Watch(one.ticket, one.process))

    def _follow_all(self, contests: Contests, applied: int, now: int) -> None:
        """Each in turn, in time that grows with their number and not with its square."""
        standing = {
            (contest, one.ticket): one
            for contest in {ward.contest for ward in self._wards.values()}
            for one in contests.standing.get(contest, ())
        }
        asked = {ticket for _, ticket, _ in self._asked.values()}
        for ticket, ward in list(self._wards.items()):
            found = standing.get((ward.contest, ticket))
            ward.epoch = found.epoch if found else 0
            ward.seen = ward.seen or found is not None
            if ticket not in asked:
                self._follow(ward, found, contests, applied, now)

    def _follow(
        self, ward: _Ward, found: Candidate | None, contests: Contests, applied: int, now: int
    ) -> None:
        """See to it that a candidate stands, or stands no more, as it asked."""
        if found is None and ward.seen:
            self._forget(ward, "it was withdrawn" if ward.leaving else "its lease ran out")
        elif found is not None and found.guardian != self._me and 0 <= ward.settled <= applied:
            self._forget(ward, "another worker answers for it")
        elif found is None and 0 <= ward.settled <= applied:
            self._forget(ward, "taken", self._taken_by(ward, contests))
        elif self._retry_at is None and ward.settled <= applied:
            if found is not None and ward.leaving is not None:
                self._propose(ward.leaving, ward, now)
            elif ward.leaving is None and (found is None or found.guardian != self._me):
                if not self._stands_in_its_own_way(ward):
                    self._propose(Stand(ward.contest, ward.candidate), ward, now)
            elif found is None:
                self._forget(ward, "it was withdrawn")

    def _taken_by(self, ward: _Ward, contests: Contests) -> str:
        for one in contests.standing.get(ward.contest, ()):
            if one.identity == ward.candidate.identity:
                return f"process {one.process.pid} at worker {one.guardian}"
        return ""

    def _watch_guardians(self, contests: Contests, now: int) -> None:
        """While leading the cluster: expire those who have not renewed for their lease."""
        for guardian, renewed in contests.renewed.items():
            if self._heard.get(guardian, (0, 0))[0] != renewed:
                self._heard[guardian] = (renewed, now)
        for guardian in [name for name in self._heard if name not in contests.renewed]:
            del self._heard[guardian]
        for guardian, (renewed, at) in self._heard.items():
            if self._leading and guardian != self._me and now >= at + GUARDIAN_LEASE:
                self._heard[guardian] = (renewed, now)
                self._propose(Expire(guardian, renewed), None, now)

    def _compare(self, contests: Contests) -> None:
        """Say who leads each contest, where that has changed."""
        for contest in sorted({*contests.standing, *self._standings}):
            holder = contests.holder(contest)
            before = self._standings.pop(contest, None)
            epoch = holder.epoch if holder else before.epoch if before else 0
            waiting = [one.identity for one in contests.standing.get(contest, ()) if not one.epoch]
            leader = holder.identity if holder else None
            now = Standings(contest, leader, epoch, tuple(waiting))
            if contest in contests.standing:
                self._standings[contest] = now
            if now != before:
                self._effects.append(now)

    def standings(self, contest: str) -> Standings:
        """Who leads a contest, as far as this worker knows."""
        return self._standings.get(contest) or Standings(contest, None, 0, ())

    def _silent_at(self, ward: _Ward) -> int:
        return max(ward.alive_at, self._began) + CANDIDATE_LEASE

    def _grant(self, now: int) -> None:
        for ticket, ward in self._wards.items():
            deadline = min(ward.alive_at + CANDIDATE_LEASE, self._good_until)
            if ward.epoch and not ward.leaving and deadline > max(now, ward.told):
                ward.told = deadline
                self._effects.append(Granted(ticket, ward.epoch, deadline))

    def _forget(self, ward: _Ward, reason: str, taken_by: str = "") -> None:
        del self._wards[ward.candidate.ticket]
        self._effects.append(Lost(ward.candidate.ticket, reason, taken_by))

    def _propose(self, operation: ContestOperation, ward: _Ward | None, now: int) -> None:
        self._number += 1
        ticket = ward.candidate.ticket if ward else ""
        self._asked[self._number] = (operation, ticket, now)
        self._effects.append(Proposal(self._number, operation))
