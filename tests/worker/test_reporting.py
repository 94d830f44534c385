"""When a worker gives a sign of life: where it has said nothing else of late."""

import pytest

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.messages import Report, encode
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.time import S
from interrex.worker.interface import MessageReceived, WorkerEvent
from interrex.worker.reporting import Reporter
from tests.worker.town import Town, cluster

A, B = WorkerName("a"), WorkerName("b")


def test_whoever_was_written_to_needs_no_other_sign_of_life() -> None:
    reporter = Reporter(0)
    assert reporter.due(lambda: [A, B], S, 0) == [A, B]
    reporter.spoke(A, S - 1)
    assert reporter.due(lambda: [A, B], S, S) == [B]
    assert reporter.due(lambda: [A, B], S, 2 * S) == [A, B]


def test_what_was_written_long_ago_is_no_sign_of_life_now() -> None:
    reporter = Reporter(0)
    reporter.due(lambda: [A], S, 0)
    reporter.spoke(A, S // 2)
    assert reporter.due(lambda: [A], S, S) == [A]


def test_one_comes_an_eighth_of_its_interval_early_with_what_else_wakes_the_worker() -> None:
    reporter = Reporter(0)
    reporter.report(lambda version: Report(HostName("host"), 1, version, (), (), leaving=False), 0)
    assert reporter.due(lambda: [A], S, 0) == [A]
    assert (reporter.ready_at, reporter.wake_at) == (S - S // 8, S)
    assert reporter.due(lambda: [A], S, reporter.ready_at - 1) == []
    assert reporter.due(lambda: [A], S, reporter.ready_at) == [A]
    assert (reporter.ready_at, reporter.wake_at) == (2 * S - 2 * (S // 8), 2 * S - S // 8)


def test_a_report_that_would_say_what_the_last_one_did_is_not_sent() -> None:
    replicas: tuple[ReplicaReport, ...] = ()

    def make(version: int) -> Report:
        return Report(HostName("host"), 1, version, replicas, (), leaving=False)

    reporter = Reporter(0)
    assert reporter.report(make, 0) == make(1)
    reporter.change()
    assert reporter.report(make, S) is None
    assert reporter.latest == make(1)
    replicas = (
        ReplicaReport(SlotName("web.0"), ReplicaState.READY, 1, 9000, 7, 1, 0, False, "", 0),
    )
    reporter.change()
    assert reporter.report(make, S) == make(2)


def test_a_leader_and_its_followers_need_no_sign_of_life_but_what_the_election_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = Town(cluster())
    town.start()
    town.run_for(5 * S)
    (leader,) = (worker.me for worker in town.workers.values() if worker.oversight.lead is not None)
    signs: set[tuple[WorkerName, WorkerName]] = set()
    alive = {w.me: encode(w._reporter.alive()) for w in town.workers.values()}
    deliver = town.post

    def post(name: WorkerName, event: WorkerEvent) -> None:
        if isinstance(event, MessageReceived) and event.payload == alive[event.sender]:
            signs.add((event.sender, name))
        deliver(name, event)

    monkeypatch.setattr(town, "post", post)
    town.run_for(5 * S)
    one, other = sorted(town.workers.keys() - {leader})
    assert signs == {(one, other), (other, one)}
