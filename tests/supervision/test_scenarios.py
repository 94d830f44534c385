"""Whole lives of replicas on a simulated host: each fault told apart, and healed or reported."""

import msgspec
import pytest

from interrex.core.ids import SlotName
from interrex.core.replicas import ReplicaState as State
from interrex.core.spec import Health, Restart, ServiceSpec
from interrex.core.time import MS, S
from interrex.supervision.interface import (
    Assigned,
    Claim,
    Exited,
    Probe,
    Release,
    Signal,
    Spawn,
    Sweep,
    Swept,
)
from tests.supervision.fake_host import (
    LIVE_CHECK,
    READY_CHECK,
    FakeHost,
    Program,
    service,
    slots,
)

WEB = service()
WEB_0 = SlotName("web.0")


def ready(count: int = 1, spec: ServiceSpec = WEB, program: Program | None = None) -> FakeHost:
    host = FakeHost(program=lambda _: msgspec_copy(program))
    host.assign(*slots(spec, count))
    assert host.run_until(host.all_are(State.READY), 10 * S)
    return host


def msgspec_copy(program: Program | None) -> Program:
    return Program(**vars(program)) if program is not None else Program()


def signals(host: FakeHost) -> list[tuple[int, str]]:
    return [(time, effect.signal) for time, effect in host.effects if isinstance(effect, Signal)]


# Starting


def test_a_service_that_is_asked_for_becomes_ready() -> None:
    host = ready(3)
    assert len(host.living()) == 3
    assert [len(host.noted(kind)) for kind in ("started", "ready", "exited")] == [3, 3, 0]
    spawn = next(effect for _, effect in host.effects if isinstance(effect, Spawn))
    assert (spawn.epoch, spawn.generation, spawn.port, spawn.spec) == (1, 1, 8000, WEB)


def test_a_service_without_checks_is_ready_as_soon_as_its_process_runs() -> None:
    host = ready(2, service(health=Health()))
    assert host.now == 1 * S
    assert host.core.wake_at is None


def test_a_slow_starter_is_ready_at_most_three_per_cent_late() -> None:
    host = FakeHost(program=lambda _: Program(boots_in=20 * S))
    host.assign(*slots(WEB, 1))
    assert host.run_until(host.all_are(State.READY))
    assert host.now <= 21 * S + 20 * S // 32 + 50 * MS


def test_a_replica_that_never_becomes_ready_is_stopped_and_started_again_ever_more_slowly() -> None:
    spec = service(health=Health(readiness=READY_CHECK, start_timeout=5.0))
    host = FakeHost(program=lambda _: Program(boots_in=3600 * S))
    host.assign(*slots(spec, 1))
    host.run(300 * S)
    assert 8 <= len(host.starts) <= 60
    assert (
        "never became ready in 5.0 s: last answer: connection refused"
        in host.noted("never_ready")[0]
    )
    assert host.report("web.0").crash_looping


def test_a_replica_that_never_answers_while_it_starts_is_killed_after_a_short_grace() -> None:
    spec = service(health=Health(readiness=READY_CHECK, start_timeout=10.0))
    host = FakeHost()
    host.assign(*slots(spec, 1))
    host.run_until(lambda: bool(host.living()))
    host.living()[0].hung = True
    host.run(11 * S)
    (term, kill) = signals(host)
    assert (term[1], kill[1], kill[0] - term[0]) == ("SIGTERM", "SIGKILL", 500 * MS)


def test_a_replica_that_cannot_be_started_is_blocked_and_its_taken_port_reported() -> None:
    host = FakeHost(program=lambda _: Program(cannot_start="port 8000 is taken", port_taken=True))
    host.assign(*slots(WEB, 1))
    host.run(300 * S)
    report = host.report("web.0")
    assert report.state is State.BLOCKED
    assert report.port_taken
    assert report.reason == "port 8000 is taken"
    assert len(host.noted("blocked")) == 1
    tries = [time for time, effect in host.effects if isinstance(effect, Spawn)]
    assert 10 <= len(tries) <= 60


def test_a_blocked_replica_is_started_at_once_on_another_port() -> None:
    host = FakeHost(program=lambda _: Program(cannot_start="port 8000 is taken", port_taken=True))
    host.assign(*slots(WEB, 1))
    host.run(100 * S)
    host.program = lambda _: Program()
    host.assign(msgspec.structs.replace(slots(WEB, 1)[0], port=9000))
    assert host.run_until(host.all_are(State.READY), 100 * MS)
    assert host.report("web.0").port == 9000
    assert not host.report("web.0").port_taken


def test_a_stranger_that_takes_the_port_of_a_loading_replica_never_makes_it_ready() -> None:
    spec = service(health=Health(readiness=READY_CHECK))
    host = FakeHost()
    host.assign(*slots(spec, 1))
    host.run_until(lambda: bool(host.living()))
    [loading] = host.living()
    loading.program.usurped = True
    host.program = lambda _: Program(cannot_start="port 8000 is taken", port_taken=True)
    assert host.run_until(lambda: not loading.alive, 1 * S)
    assert host.run_until(host.all_are(State.BLOCKED), 1 * S)
    assert host.report("web.0").port_taken
    assert "nc (pid 7)" in host.noted("port_taken")[0]
    assert host.noted("ready") == []
    host.program = lambda _: Program()
    host.assign(msgspec.structs.replace(slots(spec, 1)[0], port=9000))
    assert host.run_until(host.all_are(State.READY), 100 * MS)


def test_one_wrong_look_at_the_port_costs_nothing() -> None:
    host = FakeHost(program=lambda _: Program(boots_in=0))
    host.assign(*slots(service(health=Health(readiness=READY_CHECK)), 1))
    host.run_until(lambda: bool(host.living()))
    [loading] = host.living()
    loading.program.usurped = True
    host.run(1 * MS)
    loading.program.usurped = False
    assert host.run_until(host.all_are(State.READY), 1 * S)
    assert len(host.starts) == 1


def test_a_replica_that_was_ready_is_not_asked_whose_port_it_is() -> None:
    host = ready(1)
    host.living()[0].program.usurped = True
    host.run(60 * S)
    assert host.all_are(State.READY)()


def test_a_suspicion_that_is_wrong_each_time_restarts_it_ever_later() -> None:
    host = FakeHost(program=lambda _: Program(usurped=True))
    host.assign(*slots(service(health=Health(readiness=READY_CHECK)), 1))
    host.run(300 * S)
    assert len(host.starts) <= 60
    assert host.report("web.0").crash_looping


def test_a_worker_that_was_starved_restarts_nobody_for_answers_that_it_was_not_there_to_hear() -> (
    None
):
    host = ready(3)
    for process in host.living():
        process.hung = True
    end = host.now + 15 * S
    while host.now < end:
        host.lateness.lost += 30 * MS
        host.run(100 * MS)
    assert signals(host) == []
    assert host.all_are(State.READY)()
    host.run(15 * S)
    assert signals(host) != [], "they hang indeed"


# Dying


def test_a_killed_replica_is_started_again_without_waiting_for_any_timer() -> None:
    host = ready()
    incarnation = host.processes[WEB_0].incarnation
    host.processes[WEB_0].alive = False
    effects = host.core.step(Exited(WEB_0, incarnation, -9), host.now)
    assert isinstance(effects[0], Sweep)
    effects = host.core.step(Swept(WEB_0, incarnation, 0), host.now)
    assert isinstance(effects[0], Spawn)
    assert effects[0].incarnation > incarnation


@pytest.mark.parametrize(
    ("status", "words"),
    [(1, "exited with status 1"), (0, "exited with status 0"), (-9, "was killed by SIGKILL")],
)
def test_an_end_is_noted_with_its_status_and_the_report_counts_it(status: int, words: str) -> None:
    host = ready()
    host.run(10 * S)
    host.kill("web.0", status=status)
    host.run(1 * S)
    assert host.noted("exited")[0].startswith(f"web.0 {words} after 10.0 s")
    report = host.report("web.0")
    assert (report.state, report.restarts) == (State.READY, 1)
    assert report.pid == host.processes[WEB_0].pid


def test_forked_children_that_a_dead_replica_left_behind_are_swept_and_noted() -> None:
    host = ready(program=Program(leaves=3))
    host.kill("web.0")
    host.run(1 * S)
    assert host.noted("leftovers") == ["web.0 left 3 processes behind: killed"]


def test_a_replica_killed_again_and_again_waits_longer_but_a_healthy_minute_is_forgiven() -> None:
    host = ready()
    for _ in range(6):
        host.kill("web.0")
        assert host.run_until(host.all_are(State.READY))
    assert host.report("web.0").crash_looping
    assert len(host.noted("crash_loop")) == 1
    host.run(59 * S)
    assert host.report("web.0").crash_looping
    host.run(2 * S)
    assert not host.report("web.0").crash_looping
    assert len(host.noted("crash_loop_over")) == 1
    host.kill("web.0")
    assert host.run_until(host.all_are(State.READY), 100 * MS)


def test_a_crash_loop_never_storms_and_never_gives_up() -> None:
    """pm2 #705 restarted 3,176 times in seconds; Supervisor #487 gave up; neither may happen."""
    host = FakeHost(program=lambda _: Program(dies_after=1 * MS))
    host.assign(*slots(WEB, 1))
    host.run(10 * S)
    assert len(host.starts) <= 20
    host.run(24 * 3600 * S)
    last_hour = [time for time, _ in host.starts if time > host.now - 3600 * S]
    assert 180 <= len(last_hour) <= 300
    assert len(host.noted("crash_loop")) == 1


def test_a_new_generation_ends_the_waiting_of_a_crash_loop() -> None:
    host = FakeHost(program=lambda _: Program(dies_after=1 * MS))
    host.assign(*slots(WEB, 1))
    host.run(200 * S)
    host.program = lambda _: Program()
    host.assign(*slots(WEB, 1, generation=2))
    assert host.run_until(host.all_are(State.READY), 100 * MS)
    assert not host.report("web.0").crash_looping
    assert len(host.noted("crash_loop_over")) == 1


# Failing checks


def test_a_replica_whose_readiness_fails_leaves_the_routes_and_lives_on() -> None:
    host = ready(2)
    host.run(10 * S)
    host.processes[WEB_0].ready_fails = True
    host.run(100 * S)
    assert host.states() == [State.RUNNING, State.READY]
    assert host.report("web.0").reason == "not ready: answered 500"
    assert len(host.noted("not_ready")) == 1
    host.processes[WEB_0].ready_fails = False
    assert host.run_until(host.all_are(State.READY), 3 * S)
    assert len(host.starts) == 2
    assert host.noted("ready")[-1] == "web.0 is ready again"


def test_readiness_failing_everywhere_is_said_and_nothing_is_restarted() -> None:
    host = ready(3)
    for process in host.living():
        process.ready_fails = True
    host.run(100 * S)
    assert set(host.states()) == {State.RUNNING}
    assert len(host.starts) == 3
    assert "as all its service's here" in host.noted("not_ready")[-1]


def test_a_replica_that_answers_badly_is_stopped_gracefully_and_restarted() -> None:
    host = ready(3)
    host.run(10 * S)
    began = host.now
    host.processes[WEB_0].live_fails = True
    assert host.run_until(lambda: host.state("web.0") is State.STOPPING, 10 * S)
    assert host.now - began <= 6 * S + 10 * MS
    assert host.run_until(host.all_are(State.READY), 1 * S)
    assert [name for _, name in signals(host)] == ["SIGTERM"]
    assert host.noted("unhealthy") == ["web.0 is not healthy: answered 500: restarted"]
    assert host.report("web.0").restarts == 1


def test_a_replica_that_refuses_connections_is_restarted_and_that_is_said() -> None:
    host = ready(3)
    host.processes[WEB_0].program.boots_in = 3600 * S
    assert host.run_until(lambda: len(host.starts) == 4, 10 * S)
    assert host.noted("unhealthy") == ["web.0 is not healthy: connection refused: restarted"]
    assert host.noted("not_ready") in ([], ["web.0 is not ready: connection refused"])


def test_a_hung_replica_is_told_from_a_failing_one_and_killed_after_a_short_grace() -> None:
    host = ready(3)
    host.run(10 * S)
    host.processes[WEB_0].hung = True
    host.run(20 * S)
    assert host.noted("unhealthy") == ["web.0 hangs: timed out: restarted"]
    (term, kill) = signals(host)
    assert (term[1], kill[1], kill[0] - term[0]) == ("SIGTERM", "SIGKILL", 500 * MS)
    assert set(host.states()) == {State.READY}


def test_a_lone_replica_whose_liveness_fails_is_restarted_too() -> None:
    host = ready(1)
    host.processes[WEB_0].live_fails = True
    assert host.run_until(lambda: len(host.starts) == 2, 10 * S)


# Stopping


def test_what_is_not_wanted_is_stopped_swept_and_forgotten() -> None:
    host = ready()
    host.assign(*slots(WEB, 1, wanted=False))
    assert host.run_until(host.all_are(State.STOPPED), 1 * S)
    assert [name for _, name in signals(host)] == ["SIGTERM"]
    assert host.noted("stopped") == ["web.0 is stopped"]
    assert host.processes == {}


def test_a_replica_that_ignores_sigterm_is_killed_when_its_time_is_over() -> None:
    host = ready(spec=service(stop_timeout=3.0), program=Program(ignores_sigterm=True))
    host.assign(*slots(service(stop_timeout=3.0), 1, wanted=False))
    assert host.run_until(host.all_are(State.STOPPED), 5 * S)
    (term, kill) = signals(host)
    assert (term[1], kill[1], kill[0] - term[0]) == ("SIGTERM", "SIGKILL", 3 * S)
    assert host.noted("killed") == ["web.0 did not stop in 3.0 s: killed"]


def test_a_stop_timeout_of_zero_kills_at_once() -> None:
    host = ready(spec=service(stop_timeout=0.0))
    host.assign(*slots(service(stop_timeout=0.0), 1, wanted=False))
    assert [name for _, name in signals(host)] == ["SIGKILL"]


def test_a_process_that_outlives_sigkill_is_reported_and_killed_again() -> None:
    host = ready(program=Program(ignores_sigterm=True))
    process = host.processes[WEB_0]
    process.alive = False  # the fake's kill has no effect any more, and nobody tells of a death
    host.assign(*slots(WEB, 1, wanted=False))
    host.run(22 * S)
    assert [name for _, name in signals(host)] == ["SIGTERM", "SIGKILL", "SIGKILL", "SIGKILL"]
    assert "does not die though killed" in host.report("web.0").reason
    assert len(host.noted("undying")) == 1


def test_a_replica_wanted_again_while_it_stops_is_started_again_and_that_is_no_failure() -> None:
    host = ready()
    host.assign(*slots(WEB, 1, wanted=False))
    host.assign(*slots(WEB, 1))
    assert host.run_until(host.all_are(State.READY), 1 * S)
    assert host.report("web.0").restarts == 0
    assert not host.report("web.0").ill


def test_a_replacement_is_no_restart() -> None:
    host = ready()
    host.assign(*slots(WEB, 1, generation=2))
    host.run(1 * S)
    report = host.report("web.0")
    assert (report.state, report.generation, report.restarts) == (State.READY, 2, 0)
    assert host.noted("exited")[0].endswith("as it was asked to")


# Workers that come and go


def test_a_running_replica_is_adopted_asked_at_once_and_not_restarted() -> None:
    host = FakeHost()
    process = host.found_running(slots(WEB, 1)[0])
    host.assign(*slots(WEB, 1))
    assert host.report("web.0").unproven
    assert host.run_until(lambda: host.state("web.0") is State.RUNNING)
    assert host.report("web.0").unproven
    assert host.run_until(host.all_are(State.READY), 10 * MS)
    report = host.report("web.0")
    assert (report.pid, report.incarnation, report.unproven) == (process.pid, 7, False)
    assert host.starts == []
    assert host.noted("adopted") == [f"web.0 was adopted, running (pid {process.pid})"]


def test_an_adopted_replica_that_fails_its_first_probe_is_not_restarted_for_it() -> None:
    host = FakeHost()
    host.found_running(slots(WEB, 1)[0]).ready_fails = True
    host.assign(*slots(WEB, 1))
    host.run(100 * S)
    assert host.state("web.0") is State.RUNNING
    assert not host.report("web.0").unproven
    assert host.starts == []


def test_the_death_of_an_adopted_replica_is_healed_though_its_status_is_unknown() -> None:
    host = FakeHost()
    host.found_running(slots(WEB, 1)[0])
    host.assign(*slots(WEB, 1))
    host.run(1 * S)
    host.kill("web.0")
    assert host.run_until(host.all_are(State.READY), 100 * MS)
    assert "died; its exit status is unknown because it was adopted" in host.noted("exited")[0]
    assert host.report("web.0").incarnation == 8


def test_a_replica_found_dead_is_swept_first_and_then_started_at_once() -> None:
    host = FakeHost()
    host.found_running(slots(WEB, 1)[0]).alive = False
    host.assign(*slots(WEB, 1))
    assert host.run_until(host.all_are(State.READY), 100 * MS)
    kinds = [type(effect) for _, effect in host.effects]
    assert kinds.index(Sweep) < kinds.index(Spawn)
    assert (host.report("web.0").incarnation, host.report("web.0").restarts) == (8, 1)


def test_an_adopted_replica_of_an_older_generation_is_stopped_properly_then_replaced() -> None:
    host = FakeHost()
    host.found_running(slots(WEB, 1)[0])
    host.assign(*slots(WEB, 1, generation=2))
    assert host.run_until(host.all_are(State.READY), 1 * S)
    assert host.report("web.0").generation == 2
    assert [name for _, name in signals(host)] == ["SIGTERM"]


def test_an_adopted_replica_newer_than_the_assignment_is_left_alone() -> None:
    host = FakeHost()
    host.found_running(slots(WEB, 1, generation=5)[0])
    host.assign(*slots(WEB, 1, generation=4))
    host.run(10 * S)
    assert (host.state("web.0"), host.report("web.0").generation) == (State.READY, 5)
    assert host.starts == []


def test_a_replica_of_another_live_worker_is_neither_run_twice_nor_given_up() -> None:
    host = FakeHost(locked_elsewhere={WEB_0})
    host.assign(*slots(WEB, 1))
    host.run(100 * S)
    assert host.state("web.0") is State.CLAIMING
    assert "another live worker" in host.report("web.0").reason
    claims = [effect for _, effect in host.effects if isinstance(effect, Claim)]
    assert 100 <= len(claims) <= 300
    assert host.starts == []
    host.locked_elsewhere.clear()
    assert host.run_until(host.all_are(State.READY), 2 * S)


def test_a_slot_given_up_while_its_claim_is_refused_is_not_claimed_again() -> None:
    host = FakeHost(locked_elsewhere={WEB_0})
    host.assign(*slots(WEB, 1))
    host.assign()
    host.run(10 * S)
    assert [type(effect) for _, effect in host.effects] == [Claim]


def test_slots_that_are_not_named_any_more_are_released_and_live_on() -> None:
    host = ready(2)
    host.assign(slots(WEB, 2)[1])
    assert any(effect == Release(WEB_0) for _, effect in host.effects)
    assert len(host.living()) == 2
    assert [report.slot for report in host.core.reports()] == ["web.1"]
    host.run(10 * S)
    probes = [e for t, e in host.effects if isinstance(e, Probe) and t > 2 * S]
    assert {probe.slot for probe in probes} == {"web.1"}


def test_an_incarnation_number_is_not_used_again_after_a_slot_was_given_up() -> None:
    host = ready()
    host.assign(*slots(WEB, 1, wanted=False))
    host.run(1 * S)
    host.assign()
    host.assign(*slots(WEB, 1))
    host.run(1 * S)
    assert host.report("web.0").incarnation == 2


def test_changed_checks_are_asked_without_a_restart() -> None:
    host = ready()
    changed = service(health=Health(readiness=LIVE_CHECK))
    host.assign(*slots(changed, 1))
    host.run(10 * S)
    asked = {e.check for t, e in host.effects if isinstance(e, Probe) and t > 2 * S}
    assert asked == {LIVE_CHECK}
    assert len(host.starts) == 1
    assert host.state("web.0") is State.READY


# Many


def test_a_hundred_replicas_are_not_asked_at_one_instant() -> None:
    host = ready(100, service(health=Health(liveness=LIVE_CHECK)))
    host.run(10 * S)
    began = host.now
    host.run(2 * S)
    times = [t for t, e in host.effects if isinstance(e, Probe) and t > began]
    assert len(times) == 100
    busiest = max(sum(start <= t < start + 100 * MS for t in times) for start in times)
    assert busiest <= 20


def test_reports_are_the_same_object_and_version_until_something_changes() -> None:
    host = ready(3)
    reports, version = host.core.reports(), host.core.version
    host.run(60 * S)
    assert host.core.reports() is reports
    assert host.core.version == version
    host.kill("web.1")
    host.run(10 * MS)
    assert host.core.version > version
    assert [report.slot for report in host.core.reports()] == ["web.0", "web.1", "web.2"]


def test_without_checks_nothing_wakes_up() -> None:
    host = FakeHost()
    host.assign(*slots(service(health=Health()), 200))
    host.run(1 * S)
    assert host.core.wake_at is None


def test_restart_delays_can_begin_with_one() -> None:
    spec = service(restart=Restart(first_delay=2.0))
    host = ready(spec=spec)
    host.kill("web.0")
    host.run(1 * S)
    assert host.state("web.0") is State.WAITING
    assert host.report("web.0").reason == "was killed by SIGKILL; failure 1 in a row"
    assert host.run_until(host.all_are(State.READY), 1100 * MS)


def test_a_slot_without_a_record_waits_until_a_leader_confirms_what_the_disk_had() -> None:
    host = FakeHost()
    slot = slots(service(), 1)
    host.tell(Assigned(1, tuple(slot), confirmed=False))
    host.run(10 * S)
    assert not host.starts
    assert "waits until a leader" in host.core.reports()[0].reason
    asked = host.now
    host.assign(*slot, epoch=2)
    assert host.run_until(host.all_are(State.READY), S)
    assert host.starts[0][0] - asked < 100 * MS
