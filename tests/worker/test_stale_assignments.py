"""A worker that was away begins with what its disk has: what was stopped since is not started."""

from interrex.core.ids import ChangeId, HostName, ServiceName
from interrex.core.state import Scale
from interrex.core.time import S
from interrex.worker.interface import ChangeAsked
from tests.worker.town import Town, cluster, service

WEB = ServiceName("web")


def test_what_was_moved_and_stopped_while_a_worker_was_away_is_not_started_when_it_is_back() -> (
    None
):
    town = Town(cluster(service("web", 6)))
    town.start()
    town.run_until(town.all_ready)
    town.run_for(S)
    away = next(name for name in town.workers if name != town.leader())
    town.relaunch = False
    town.kill(away)
    town.run_for(4 * S)
    town.post(town.leader(), ChangeAsked(1, ChangeId("fewer"), (Scale(WEB, 2),)))
    host = town.hosts[HostName("local")]
    town.run_until(lambda: len(host.records) == 2)
    before = list(host.starts)
    town.boot(away)
    town.run_for(5 * S)
    assert host.starts == before
    assert len(town.running("web")) == 2


def test_what_a_worker_had_is_started_again_without_a_leader_where_its_record_is() -> None:
    """A machine comes back, and only one worker of it does: its replicas do too."""
    town = Town(cluster(service("web", 6)))
    town.start()
    town.run_until(town.all_ready)
    town.run_for(S)
    town.relaunch = False
    for name in list(town.workers):
        town.kill(name)
    host = town.hosts[HostName("local")]
    host.processes.clear()
    town.boot(next(iter(town.homes)))
    town.run_for(S)
    assert len(town.running("web")) == 2
