"""All the time, and not in the end alone, balancers send to what is ready, and to nothing else."""

from collections.abc import Mapping

from interrex.core.ids import BALANCER, HostName, SlotName, WorkerName, service_of
from interrex.core.messages import Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.routes import Endpoint, EndpointState, RouteTable
from interrex.core.time import MS, S
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import (
    Adopted,
    ProcessBegan,
    ProcessEnded,
    RoutesFollowed,
    Step,
    WorkerBegan,
    WorkerEnded,
)
from interrex.supervision.interface import Release
from interrex.worker import interface
from interrex.worker.interface import FollowRoutes, Send

SOON = S // 2
"""How long (ns) routes may be wrong while nobody is told, and a death unsaid: for reports, for
looks, and for what a worker does besides."""
AGAIN = S + S // 20
"""How long (ns) a balancer that did not follow waits for being told again, by any clock."""
GIVEN_UP = 2 * S
"""How long (ns) a balancer may take to follow."""
AT_MOST = GIVEN_UP + AGAIN + SOON
"""How long (ns) routes may be wrong in all, where the balancer follows in the end."""
LATE = 50 * MS
"""A worker that takes an event later than this (ns) stands still, or has too much to do."""
LOOPBACK = "127.0.0.1"

Place = tuple[HostName, SlotName]
Said = Mapping[SlotName, tuple[WorkerName, ReplicaReport]]


class _Life:
    """One life of a worker, that runs in time ``since`` (ns).

    ``reports`` is what it said last of its replicas; ``ended`` when (ns) processes died that it
    called ready.
    """

    __slots__ = ("ended", "host", "number", "reports", "since")

    def __init__(self, began: WorkerBegan, at: int) -> None:
        self.number = began.life
        self.host = began.host
        self.since = at
        self.reports: dict[SlotName, ReplicaReport] = {}
        self.ended: dict[SlotName, int] = {}


class _Wrong:
    """What a balancer does with a slot, and is wrong: since when (ns) whoever tells it could know,
    None while it cannot."""

    __slots__ = ("endpoint", "known", "report", "worker")

    def __init__(self, endpoint: Endpoint, worker: WorkerName, report: ReplicaReport) -> None:
        self.endpoint = endpoint
        self.worker = worker
        self.report = report
        self.known: int | None = None


class _Balancer:
    """A balancer's process: who supervises it, and what it follows.

    ``answers``: since when (ns) it may be counted on; ``idle`` since when whatever it was told is
    answered, None while something is not. ``told``: the life that has told it a table; without
    a leader's a worker tells none.
    """

    __slots__ = ("answers", "by", "idle", "table", "told", "wrong")

    def __init__(self, by: WorkerName, at: int) -> None:
        self.by = by
        self.answers = at
        self.idle: int | None = at
        self.table = RouteTable()
        self.told = 0
        self.wrong: dict[SlotName, _Wrong] = {}


class Routed(Watch):
    """Compares, at the steps of whoever supervises a balancer, the table that it follows with what
    the workers of its host say of their replicas, and what they say with which processes live.

    A slot that two workers speak of, or one that is only being taken up, proves nothing; neither
    does a balancer that did not follow (it is told again), nor a worker that is late.
    """

    promise = "a ready replica is soon sent to, and one that is not no longer"

    def __init__(self) -> None:
        super().__init__()
        self._lives: dict[WorkerName, _Life] = {}
        self._balancers: dict[Place, _Balancer] = {}
        self._changed = False
        self.every_step = self._look
        self.messages = {Report: self._reported}
        self.events = {interface.RoutesFollowed: self._answered}
        self.effects = {FollowRoutes: self._tells, Release: self._releases}
        self.occurrences = {
            WorkerBegan: self._worker_began,
            WorkerEnded: self._worker_ended,
            ProcessBegan: self._began,
            ProcessEnded: self._ended,
            Adopted: self._adopted,
            RoutesFollowed: self._follows,
        }

    # What is seen

    def _worker_began(self, at: int, began: WorkerBegan) -> None:
        self._lives[began.worker] = _Life(began, at)

    def _worker_ended(self, at: int, ended: WorkerEnded) -> None:
        life = self._lives.get(ended.worker)
        if life is not None and life.number == ended.life:
            del self._lives[ended.worker]
            self._changed = True

    def _reported(self, step: Step, send: Send) -> None:
        report = send.message
        if type(report) is Report and send.to is None:
            life = self._lives[step.worker]
            reports = {replica.slot: replica for replica in report.replicas}
            if reports == life.reports:
                return
            life.reports = reports
            life.ended = {
                slot: at for slot, at in life.ended.items() if _is_ready(life.reports.get(slot))
            }
            self._changed = True

    def _began(self, at: int, began: ProcessBegan) -> None:
        if service_of(began.slot) == BALANCER:
            self._balancers[began.host, began.slot] = _Balancer(began.by, at)

    def _ended(self, at: int, ended: ProcessEnded) -> None:
        self._balancers.pop((ended.host, ended.slot), None)
        for life in self._lives.values():
            report = life.reports.get(ended.slot)
            if report is None or (life.host, report.pid) != (ended.host, ended.pid):
                continue
            if _is_ready(report):
                life.ended[ended.slot] = at

    def _adopted(self, at: int, adopted: Adopted) -> None:
        balancer = self._balancers.get((adopted.host, adopted.slot))
        if balancer is not None:
            balancer.by, balancer.told = adopted.by, 0
            balancer.answers = balancer.idle = at
            for wrong in balancer.wrong.values():
                wrong.known = None

    def _follows(self, at: int, followed: RoutesFollowed) -> None:
        balancer = self._balancers.get((followed.host, followed.slot))
        if balancer is not None:
            balancer.table = followed.table
            self._changed = True

    def _tells(self, step: Step, follow: FollowRoutes) -> None:
        balancer = self._balancers.get((self._lives[step.worker].host, follow.slot))
        if balancer is not None and balancer.by == step.worker:
            balancer.told = step.life
            balancer.idle = None

    def _releases(self, step: Step, release: Release) -> None:
        """Nobody tells it anything until another worker has taken it up."""
        balancer = self._balancers.get((self._lives[step.worker].host, release.slot))
        if balancer is not None and balancer.by == step.worker:
            balancer.told = 0

    def _answered(self, step: Step, answer: interface.RoutesFollowed) -> None:
        balancer = self._balancers.get((self._lives[step.worker].host, answer.slot))
        if balancer is not None:
            balancer.idle = step.at
            if answer.problem:
                balancer.answers = step.at
                balancer.idle += AGAIN

    # What is compared

    def _look(self, step: Step) -> None:
        life = self._lives[step.worker]
        if step.waited > LATE:
            life.since = step.at
        if self._changed:
            self._changed = False
            said = {host: self._said(host) for host, _ in self._balancers}
            for (host, _), balancer in self._balancers.items():
                balancer.wrong = _compare(balancer, said[host])
        for (host, slot), balancer in self._balancers.items():
            if balancer.wrong and balancer.told == step.life:
                self._judge(f"{slot} on {host}", balancer, life, step)
        for slot, at in life.ended.items():
            if step.at - max(at, life.since) > SOON:
                raise self.broken(f"{step.worker} calls {slot} ready, which died at {at}")

    def _said(self, host: HostName) -> Said:
        """What is said of the slots of a host of which one worker alone speaks."""
        said: dict[SlotName, tuple[WorkerName, ReplicaReport]] = {}
        disputed: set[SlotName] = set()
        for worker, life in self._lives.items():
            if life.host == host:
                for slot, report in life.reports.items():
                    if slot in said:
                        disputed.add(slot)
                    said[slot] = worker, report
        for slot in disputed:
            del said[slot]
        return said

    def _judge(self, who: str, balancer: _Balancer, life: _Life, step: Step) -> None:
        heard: set[ReplicaReport] | None = None
        for slot, wrong in balancer.wrong.items():
            if heard is None:
                reports = step.core.peers.reports(life.host)
                heard = {replica for report in reports for replica in report.replicas}
            if wrong.report not in heard:
                wrong.known = None
            elif wrong.known is None:
                wrong.known = step.at
            if wrong.known is None:
                continue
            since = max(wrong.known, balancer.answers, life.since)
            idle = balancer.idle
            told_nothing = idle is not None and step.at - max(since, idle) > SOON
            if told_nothing or step.at - since > AT_MOST:
                raise self.broken(
                    f"{who}, told by {step.worker}, has {slot} as {wrong.endpoint.state} (port "
                    f"{wrong.endpoint.port}); since {since} it knows that {wrong.worker} says "
                    f"{wrong.report.state} (pid {wrong.report.pid})"
                )


def _compare(balancer: _Balancer, said: Said) -> dict[SlotName, _Wrong]:
    found = {}
    for route in balancer.table.services:
        for endpoint in route.endpoints:
            wrong = _wrong(endpoint, said)
            if wrong is not None:
                before = balancer.wrong.get(endpoint.slot)
                same = before is not None and before.endpoint == endpoint
                found[endpoint.slot] = before if same and before is not None else wrong
                found[endpoint.slot].report = wrong.report
    return found


def _wrong(endpoint: Endpoint, said: Said) -> _Wrong | None:
    known = said.get(endpoint.slot)
    if known is None or endpoint.address != LOOPBACK or endpoint.state is EndpointState.DRAIN:
        return None
    worker, report = known
    if report.port != endpoint.port or report.state is ReplicaState.CLAIMING or report.unproven:
        return None
    sent_to = endpoint.state is EndpointState.READY
    return _Wrong(endpoint, worker, report) if sent_to != _is_ready(report) else None


def _is_ready(report: ReplicaReport | None) -> bool:
    return report is not None and report.state is ReplicaState.READY
