"""Several hosts: spread, a lost host's replicas elsewhere, the surplus gone when it is back."""

import msgspec
import pytest

from interrex.core.ids import HostName
from interrex.core.spec import ClusterSpec, HostSpec
from interrex.core.time import S
from tests.worker.conftest import by_a_majority
from tests.worker.town import Town, cluster, on_host, service

pytestmark = pytest.mark.usefixtures("each_election")


def three_hosts() -> ClusterSpec:
    hosts = tuple(
        HostSpec(name=HostName(name), address=f"10.0.0.{number}:7700", workers=1)
        for number, name in enumerate(("a", "b", "c"), start=1)
    )
    return msgspec.structs.replace(cluster(service("web", 6, port=8080)), hosts=hosts)


@pytest.fixture
def town() -> Town:
    town = Town(three_hosts())
    town.start()
    town.run_until(town.all_ready)
    return town


def webs(town: Town, host: str) -> list[str]:
    return [slot for slot in on_host(town, host) if slot.startswith("web")]


def test_a_service_is_spread_over_the_hosts_and_each_has_its_balancers(town: Town) -> None:
    for host in ("a", "b", "c"):
        assert len(webs(town, host)) == 2
        assert len(on_host(town, host)) == 4


@pytest.mark.parametrize("lost", ["a", "b", "c"])
def test_a_lost_hosts_replicas_are_started_elsewhere_after_the_stated_time(
    town: Town, lost: str
) -> None:
    others = [host for host in ("a", "b", "c") if host != lost]
    town.cut_off(lost)
    took = town.run_until(lambda: sum(len(webs(town, host)) for host in others) == 6)
    assert took >= 10 * S
    slots = [slot for host in others for slot in webs(town, host)]
    assert sorted(slots) == [f"web.{number}" for number in range(6)]


@by_a_majority
def test_a_cut_off_leader_is_replaced_and_stops_believing_in_itself(town: Town) -> None:
    leader = town.leader()
    town.cut_off(town.homes[leader])

    def replaced() -> bool:
        others = [name for name in town.workers if name != leader]
        return {town.workers[name].election.leader for name in others} <= set(others)

    assert town.run_until(replaced) < S
    town.run_for(S)
    assert not town.workers[leader].election.leading


@by_a_majority
@pytest.mark.parametrize("lost", ["a", "b", "c"])
def test_the_surplus_goes_when_the_lost_host_is_back(town: Town, lost: str) -> None:
    town.cut_off(lost)
    others = [host for host in ("a", "b", "c") if host != lost]
    town.run_until(lambda: sum(len(webs(town, host)) for host in others) == 6)
    assert len(webs(town, lost)) == 2
    town.heal(lost)
    town.run_until(lambda: webs(town, lost) == [], within=60 * S)
    town.run_until(town.all_ready, within=60 * S)
    assert len(town.running("web")) == 6


def test_a_host_that_is_back_in_time_keeps_its_replicas(town: Town) -> None:
    before = town.pids()
    town.cut_off("b")
    town.run_for(5 * S)
    town.heal("b")
    town.run_until(town.all_ready)
    assert town.pids() == before


def test_a_cut_off_host_heals_its_own_replicas(town: Town) -> None:
    town.cut_off("b")
    town.run_for(3 * S)
    slot = next(slot for slot in on_host(town, "b") if slot.startswith("web"))
    town.kill_replica(slot)
    town.run_until(lambda: slot in on_host(town, "b"))
    assert town.leaders() != []
