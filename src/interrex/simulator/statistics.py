"""What a run came to in numbers: fail-overs, times without a leader, restarts, split brains."""

import msgspec

from interrex.core.ids import SlotName, WorkerName
from interrex.core.messages import Assignment, Routes
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import (
    Answered,
    ProcessBegan,
    RequestServed,
    RoutesFollowed,
    Step,
    WorkerEnded,
)
from interrex.worker.interface import Send


class FailOver(msgspec.Struct):
    """What followed the end of a leader's process, in ns after it; None: it never happened.

    ``detect``: a survivor no longer takes it for the leader. ``elect``: another one leads.
    ``act``: that one has given its first command. ``route``: a balancer follows a table of its.
    """

    at: int
    leader: WorkerName
    detect: int | None = None
    elect: int | None = None
    act: int | None = None
    route: int | None = None


class Gap(msgspec.Struct, frozen=True):
    """A time (simulated ns) in which nobody led."""

    began: int
    ended: int

    @property
    def length(self) -> int:
        """How long (ns)."""
        return self.ended - self.began


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """A run in numbers; times in simulated ns.

    ``split_brain`` is how long two or more workers believed to lead, each inside its own deadline,
    in so many ``split_windows``; whoever had seen the newer epoch refused the older one's
    commands all the while.
    """

    elections: int
    failovers: tuple[FailOver, ...]
    gaps: tuple[Gap, ...]
    split_brain: int
    split_windows: int
    starts: int
    restarts: int
    answered: int
    refused: int
    served: int
    unserved: int

    @property
    def longest_gap(self) -> int:
        """The longest time without a leader, the first election left out (ns)."""
        return max((gap.length for gap in self.gaps[1:]), default=0)


class Statistics(Watch):
    """Counts; it finds nothing wrong with anything."""

    promise = "numbers"

    def __init__(self) -> None:
        super().__init__()
        self.every_step = self._stepped
        self.effects = {}
        self.messages = {Assignment: self._commanded, Routes: self._commanded}
        self.occurrences = {
            WorkerEnded: self._worker_ended,
            ProcessBegan: self._process_began,
            RoutesFollowed: self._routed,
            Answered: self._answered,
            RequestServed: self._served,
        }
        self._believed: dict[WorkerName, tuple[int, int, int]] = {}
        """Who leads: since when, until when at most, in which epoch."""
        self._epochs: set[int] = set()
        self._gap_began: int | None = 0
        self._gaps: list[Gap] = []
        self._failovers: list[FailOver] = []
        self._open: FailOver | None = None
        self._epoch = 0
        self._split = 0
        self._windows = 0
        self._slots: dict[tuple[str, SlotName], int] = {}
        self._starts = 0
        self._answers = [0, 0]
        self._requests = [0, 0]

    def numbers(self, at: int) -> Numbers:
        """Everything up to simulated time ``at`` (ns)."""
        gaps = list(self._gaps)
        if self._gap_began is not None:
            gaps.append(Gap(self._gap_began, at))
        return Numbers(
            elections=len(self._epochs),
            failovers=tuple(self._failovers),
            gaps=tuple(gaps),
            split_brain=self._split,
            split_windows=self._windows,
            starts=self._starts,
            restarts=self._starts - len(self._slots),
            answered=self._answers[1],
            refused=self._answers[0],
            served=self._requests[1],
            unserved=self._requests[0],
        )

    def _stepped(self, step: Step) -> None:
        election = step.core.election
        known = self._believed.get(step.worker)
        if election.leading:
            deadline = election.deadline
            until = step.at + (deadline - step.now if deadline is not None else 0)
            if known is None or known[2] != election.epoch:
                self._began_to_lead(step, election.epoch, until)
            else:
                self._believed[step.worker] = (known[0], until, known[2])
        elif known is not None:
            self._stopped_to_lead(step.worker, step.at)
        failover = self._open
        if (
            failover is not None
            and failover.detect is None
            and failover.leader not in (step.worker, election.leader)
        ):
            failover.detect = step.at - failover.at

    def _began_to_lead(self, step: Step, epoch: int, until: int) -> None:
        if step.worker in self._believed:
            self._stopped_to_lead(step.worker, step.at)
        if self._gap_began is not None:
            self._gaps.append(Gap(self._gap_began, step.at))
            self._gap_began = None
        self._believed[step.worker] = (step.at, until, epoch)
        self._epochs.add(epoch)
        if epoch > self._epoch:
            self._epoch = epoch
            if self._open is not None:
                self._open.elect = step.at - self._open.at

    def _stopped_to_lead(self, worker: WorkerName, at: int) -> None:
        began, until, _ = self._believed.pop(worker)
        ended = min(at, until)
        overlaps = [
            min(ended, other_until) - max(began, other_began)
            for other_began, other_until, _ in self._believed.values()
        ]
        if overlaps and max(overlaps) > 0:
            self._split += max(overlaps)
            self._windows += 1
        if not self._believed:
            self._gap_began = ended

    def _commanded(self, step: Step, effect: Send) -> None:
        failover = self._open
        if (
            failover is not None
            and failover.elect is not None
            and failover.act is None
            and step.worker in self._believed
        ):
            failover.act = step.at - failover.at

    def _routed(self, at: int, what: RoutesFollowed) -> None:
        failover = self._open
        if failover is not None and failover.elect is not None and what.table.epoch >= self._epoch:
            failover.route = at - failover.at
            self._open = None

    def _worker_ended(self, at: int, what: WorkerEnded) -> None:
        if what.worker not in self._believed:
            return
        self._stopped_to_lead(what.worker, at)
        if not self._believed:
            self._open = FailOver(at, what.worker)
            self._failovers.append(self._open)

    def _process_began(self, at: int, what: ProcessBegan) -> None:
        place = (what.host, what.slot)
        self._slots[place] = self._slots.get(place, 0) + 1
        self._starts += 1

    def _answered(self, at: int, what: Answered) -> None:
        self._answers[what.ok] += 1

    def _served(self, at: int, what: RequestServed) -> None:
        self._requests[what.ok] += 1
