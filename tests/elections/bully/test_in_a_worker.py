"""Whole workers that elect by Bully: services stay alive, sides merge, and people are told."""

import pytest

from interrex.core.ids import HostName, ServiceName, WorkerName
from interrex.core.spec import Bully, ClusterSpec, HostSpec, ServiceSpec
from interrex.core.time import S
from interrex.worker.status import status_of
from tests.worker.town import Town

WEB = ServiceName("web")
BOTH = pytest.mark.parametrize("quorum", [False, True])


def started(*, quorum: bool = False, hosts: tuple[str, ...] = ()) -> Town:
    spec = ClusterSpec(
        name="shop",
        election="bully",
        bully=Bully(quorum=quorum),
        hosts=tuple(
            HostSpec(name=HostName(host), address=f"10.0.0.{number}:7700")
            for number, host in enumerate(hosts, start=1)
        ),
        services={WEB: ServiceSpec(name=WEB, command=("web",), replicas=3)},
    )
    town = Town(spec)
    town.start()
    town.run_until(town.all_ready)
    return town


@BOTH
def test_the_highest_worker_leads_and_everything_runs(quorum: bool) -> None:
    town = started(quorum=quorum)
    assert town.leader() == "worker-3"
    assert town.running(WEB) == ["web.0", "web.1", "web.2"]


@BOTH
def test_a_leader_that_dies_is_replaced_and_comes_back_without_a_service_noticing(
    quorum: bool,
) -> None:
    town = started(quorum=quorum)
    before = town.pids()
    town.kill(WorkerName("worker-3"))
    town.run_until(lambda: town.leaders() == ["worker-2"])
    town.run_until(lambda: town.leaders() == ["worker-3"] and town.all_ready())
    town.run_for(3 * S)
    assert town.leader() == "worker-3"
    assert town.pids() == before


def test_status_says_what_is_not_promised() -> None:
    town = started()
    (one, *_rest) = town.workers.values()
    assert "a leader in each part" in status_of(one, town.now).caution
    (one, *_rest) = started(quorum=True).workers.values()
    assert status_of(one, town.now).caution == ""


def test_both_sides_of_a_partition_have_a_leader_and_merge_into_one_with_a_report() -> None:
    town = started(hosts=("a", "b", "c"))
    assert town.leader() == "c-1"
    town.cut_off("c")
    town.run_for(15 * S)
    assert sorted(town.leaders()) == ["b-1", "c-1"]
    town.heal("c")
    town.run_until(town.all_ready)
    town.run_for(5 * S)
    assert town.leader() == "c-1"
    assert town.running(WEB) == ["web.0", "web.1", "web.2"]
    (told,) = [note.text for _, _, note in town.notes if note.kind == "changes.lost"]
    assert "leader-1003-" in told


def test_with_a_quorum_the_lone_side_has_no_leader_and_nothing_is_lost() -> None:
    town = started(quorum=True, hosts=("a", "b", "c"))
    town.cut_off("c")
    town.run_for(15 * S)
    assert town.leaders() == ["b-1"]
    town.heal("c")
    town.run_until(town.all_ready)
    town.run_for(5 * S)
    assert town.leader() == "c-1"
    assert not [note for _, _, note in town.notes if note.kind == "changes.lost"]
