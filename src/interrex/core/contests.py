"""Who holds a named leadership, and who waits for it: the replicated part.

A *contest* is a name that programs compete for. Its candidates stand in the order they came; one
of them holds it. A candidate's *guardian* is the worker that it asked: on its own host, holding its
process's handles. Invariants:

- of a contest's candidates at most one has an epoch, and each epoch is given once: it is the index
  of the change by which the candidate came to hold the contest, so later ones are higher;
- a candidate is taken out by its guardian, which knows that it died, left or was silent for its
  lease; or with all others of a guardian that was itself silent for its lease (``Expire``). That
  names the guardian's last renewal: one that has renewed since is not expired, whoever thinks so.
"""

import msgspec

from interrex.core.ids import WorkerName


class CandidateProcess(msgspec.Struct, frozen=True, array_like=True):
    """A process on one host, as the kernel tells it from all others (``runtime.pidfd``)."""

    pid: int
    start_time: int
    boot_id: str
    pid_namespace: int


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """One who stands. ``ticket`` is one standing of it; ``epoch`` above 0: it holds the contest."""

    ticket: str
    identity: str
    guardian: WorkerName
    priority: int
    process: CandidateProcess
    epoch: int = 0


class Stand(msgspec.Struct, frozen=True, tag=True):
    """Let a candidate wait for its turn; one whose identity is taken is left out.

    The same ticket again only changes its guardian.
    """

    contest: str
    candidate: Candidate


class Withdraw(msgspec.Struct, frozen=True, tag=True):
    """A candidate stands no more; what it held goes to ``successor``, or to the next."""

    contest: str
    ticket: str
    successor: str = ""


class Renew(msgspec.Struct, frozen=True, tag=True):
    """A guardian and its candidates are there."""

    guardian: WorkerName


class Expire(msgspec.Struct, frozen=True, tag=True):
    """A guardian has said nothing for its lease since its renewal at this index."""

    guardian: WorkerName
    renewed: int


ContestOperation = Stand | Withdraw | Renew | Expire


class Contests(msgspec.Struct):
    """``standing`` maps a contest to its candidates, oldest first; ``renewed`` a guardian to the
    index of its last renewal."""

    standing: dict[str, tuple[Candidate, ...]] = {}
    renewed: dict[WorkerName, int] = {}

    def holder(self, contest: str) -> Candidate | None:
        """Who holds it."""
        return next((one for one in self.standing.get(contest, ()) if one.epoch), None)

    def find(self, contest: str, ticket: str) -> Candidate | None:
        """The candidate of this ticket."""
        found = (one for one in self.standing.get(contest, ()) if one.ticket == ticket)
        return next(found, None)

    def guarded_by(self, guardian: WorkerName) -> list[tuple[str, Candidate]]:
        """A guardian's candidates, each with its contest."""
        return [
            (contest, one)
            for contest, standing in self.standing.items()
            for one in standing
            if one.guardian == guardian
        ]


def apply_to_contests(contests: Contests, operation: ContestOperation, index: int) -> None:
    """Apply one operation of the change at ``index``, in place."""
    match operation:
        case Stand():
            _stand(contests, operation, index)
        case Withdraw(contest, ticket, successor):
            rest = tuple(one for one in contests.standing.get(contest, ()) if one.ticket != ticket)
            _settle(contests, contest, rest, index, successor)
        case Renew(guardian):
            contests.renewed[guardian] = index
        case Expire(guardian, renewed):
            if contests.renewed.get(guardian) == renewed:
                for contest, standing in list(contests.standing.items()):
                    rest = tuple(one for one in standing if one.guardian != guardian)
                    _settle(contests, contest, rest, index)
    guardians = {one.guardian for standing in contests.standing.values() for one in standing}
    for guardian in [name for name in contests.renewed if name not in guardians]:
        del contests.renewed[guardian]


def _stand(contests: Contests, operation: Stand, index: int) -> None:
    candidate = operation.candidate
    standing = contests.standing.get(operation.contest, ())
    known = contests.find(operation.contest, candidate.ticket)
    if known is not None:
        moved = msgspec.structs.replace(known, guardian=candidate.guardian)
        standing = tuple(moved if one is known else one for one in standing)
    elif all(one.identity != candidate.identity for one in standing):
        standing = (*standing, msgspec.structs.replace(candidate, epoch=0))
    else:
        return
    contests.renewed[candidate.guardian] = index
    _settle(contests, operation.contest, standing, index)


def _settle(
    contests: Contests,
    contest: str,
    standing: tuple[Candidate, ...],
    index: int,
    successor: str = "",
) -> None:
    """Let the next hold the contest if nobody does: the successor, else the highest priority."""
    if not standing:
        contests.standing.pop(contest, None)
        return
    if not any(one.epoch for one in standing):
        chosen = max(standing, key=lambda one: (one.identity == successor, one.priority))
        held = msgspec.structs.replace(chosen, epoch=index)
        standing = tuple(held if one is chosen else one for one in standing)
    contests.standing[contest] = standing
