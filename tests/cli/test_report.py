"""Status documents as people read them."""

import re

import pytest

from interrex.cli.report import report, table
from interrex.core.ids import HostName, ServiceName, WorkerName
from interrex.worker.status import ServiceStatus
from tests.cli.fake_worker import a_balancer, a_replica, a_status, a_worker


def text(lines: list[str]) -> str:
    assert all(line == line.rstrip() for line in lines)
    return "\n".join(lines)


def test_a_fleet_that_is_well() -> None:
    assert (
        text(report(a_status()))
        == """\
shop: worker-2 leads, epoch 7, raft

WORKER    STATE      PID
worker-1  following  101
worker-2  leading    102
worker-3  following  103

            STATE                            PORT   PID  WORKER    RESTARTS
web         2 of 2 ready on 127.0.0.1:8080
  web.0     ready                           21000  4242  worker-1
  web.1     ready                           21001  4242  worker-1         3
balancer.0  ready                                  5000  worker-3
balancer.1  ready                                  5001  worker-3"""
    )


def test_a_fleet_in_trouble_says_why() -> None:
    replicas = [
        a_replica("api.0", state="waiting", pid=None, crash_looping=True, reason="exited with 1"),
        a_replica("api.1", state="unsupervised", reason="worker-3 is lost"),
    ]
    status = a_status(
        leader=None,
        age_s=3.2,
        workers=[a_worker(1), a_worker(2, votes=False), a_worker(3, "lost", pid=None)],
        services={
            ServiceName("api"): ServiceStatus(desired=2, ready=0, expose=None, replicas=replicas)
        },
        balancer=[a_balancer(0, state="running", reason="port 80 is taken"), a_balancer(1)],
    )
    assert (
        text(report(status))
        == """\
shop: nobody leads, epoch 7, raft; as of 3.2 s ago

WORKER    STATE                   PID
worker-1  following               101
worker-2  following, no vote yet  102
worker-3  lost

            STATE                 PORT   PID  WORKER
api         0 of 2 ready
  api.0     waiting, crash loop  21000        worker-1
  api.1     unsupervised         21000  4242  worker-1
balancer.0  running                     5000  worker-3
balancer.1  ready                       5001  worker-3

api.0: exited with 1
api.1: worker-3 is lost
balancer.0: port 80 is taken"""
    )


def test_hosts_are_named_where_there_are_several() -> None:
    workers = [a_worker(1), a_worker(2, host=HostName("b"))]
    lines = report(a_status(workers=workers, services={}, balancer=[]))
    assert (
        text(lines[2:])
        == """\
WORKER    HOST   STATE      PID
worker-1  local  following  101
worker-2  b      following  102"""
    )


def test_replicas_that_nobody_looks_after() -> None:
    service = ServiceStatus(
        desired=1,
        ready=0,
        expose=None,
        replicas=[a_replica("web.0", state="unsupervised", worker=WorkerName(""))],
    )
    status = a_status(
        leader=None,
        supervised=False,
        workers=[a_worker(1, "lost", pid=None)],
        services={ServiceName("web"): service},
        balancer=[],
    )
    assert (
        text(report(status))
        == """\
shop: 1 replica running, unsupervised; no worker answers

WORKER    STATE
worker-1  lost

         STATE          PORT   PID
web      0 of 1 ready
  web.0  unsupervised  21000  4242"""
    )


def test_a_stopped_fleet_takes_one_line() -> None:
    status = a_status(
        supervised=False,
        workers=[a_worker(1, "lost", pid=None)],
        services={},
        balancer=[a_balancer(0, pid=None, state="stopped")],
    )
    assert report(status) == ["shop: stopped"]


def test_colours_change_nothing_but_colours() -> None:
    plain, coloured = report(a_status()), report(a_status(), colours=True)
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in coloured] == plain
    assert any("\x1b[" in line for line in coloured)


def test_a_service_is_green_exactly_if_all_of_it_is_ready() -> None:
    for ready, colour in ((2, "32"), (1, "33")):
        service = ServiceStatus(desired=2, ready=ready, expose=None, replicas=[])
        lines = report(a_status(services={ServiceName("web"): service}), colours=True)
        assert any(f"\x1b[{colour}m{ready} of 2 ready" in line for line in lines)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("x", "")], ["A", "x"]),
        ([("x", "1"), ("longer", "100")], ["A         B", "x         1", "longer  100"]),
    ],
)
def test_tables_align_and_leave_empty_columns_out(
    rows: list[tuple[str, str]], expected: list[str]
) -> None:
    assert table(("A", "B"), rows) == expected
