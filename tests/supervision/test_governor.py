"""Failures that all replicas of a service share: held and reported, restarts capped."""

from collections.abc import Iterable

import msgspec
import pytest

from interrex.core.balancer_service import balancer_service
from interrex.core.ids import ServiceName, SlotName
from interrex.core.replicas import ReplicaReport
from interrex.core.replicas import ReplicaState as State
from interrex.core.spec import ClusterSpec, Expose, Health
from interrex.core.time import MS, S
from interrex.supervision.governor import Elsewhere
from interrex.supervision.interface import ReportedElsewhere, Signal
from tests.supervision.fake_host import LIVE_CHECK, READY_CHECK, FakeHost, Program, service, slots

WEB = service()


def ready(count: int = 3, *, fatal_dependency: bool = False) -> FakeHost:
    host = FakeHost(fatal_dependency=fatal_dependency)
    host.assign(*slots(WEB, count))
    assert host.run_until(host.all_are(State.READY), 10 * S)
    host.run(10 * S)
    return host


def kill_all(host: FakeHost) -> None:
    host.kill(*(process.slot for process in host.living()))


def held(count: int = 3) -> FakeHost:
    host = ready(count, fatal_dependency=True)
    host.dependency_up = False
    kill_all(host)
    host.run(100 * S)
    assert host.states().count(State.HELD) >= count - 1
    return host


def mixed_hold(living: tuple[str, ...] = ("web.2",)) -> FakeHost:
    """Some die of the outage, others live on with a failing liveness."""
    host = ready(3)
    for slot in living:
        host.processes[SlotName(slot)].live_fails = True
    host.program = lambda _: Program(dies_after=5 * MS)
    host.kill(*(process.slot for process in host.living() if process.slot not in living))
    assert host.run_until(lambda: bool(host.noted("held")), 100 * S)
    host.run(60 * S)
    assert len(host.noted("unhealthy")) == 0
    return host


def signalled_since(host: FakeHost, time: int) -> list[SlotName]:
    return [e.slot for at, e in host.effects if isinstance(e, Signal) and at >= time]


def starts_since(host: FakeHost, time: int) -> list[SlotName]:
    return [process.slot for started, process in host.starts if started > time]


def next_trial(host: FakeHost) -> SlotName:
    began = host.now
    assert host.run_until(lambda: bool(starts_since(host, began)), 60 * S)
    return starts_since(host, began)[0]


def elsewhere(*reports: ReplicaReport) -> ReportedElsewhere:
    return ReportedElsewhere(reports)


def report(slot: str, state: State, **flags: bool) -> ReplicaReport:
    plain = ReplicaReport(SlotName(slot), state, 1, 8000, 77, 1, 0, False, "", 0)
    return msgspec.structs.replace(plain, **flags)


# Dying together


def test_all_replicas_killed_once_are_all_started_again_at_once() -> None:
    host = ready()
    kill_all(host)
    assert host.run_until(host.all_are(State.READY), 100 * MS)
    assert not host.noted("held")


def test_all_replicas_killed_once_an_hour_are_all_started_again_at_once() -> None:
    host = ready()
    for _ in range(5):
        host.run(3600 * S)
        kill_all(host)
        assert host.run_until(host.all_are(State.READY), 100 * MS)
    assert not host.noted("held")


def test_all_replicas_killed_twice_are_tried_at_once_and_back_soon() -> None:
    host = ready()
    kill_all(host)
    host.run(20 * S)
    kill_all(host)
    assert host.run_until(host.all_are(State.READY), 600 * MS)


def test_replicas_that_keep_failing_together_are_held_and_tried_one_at_a_time() -> None:
    host = held()
    assert len(host.noted("held")) == 3
    assert "a dependency is probably down" in host.noted("held")[0]
    began = host.now
    host.run(600 * S)
    trials = starts_since(host, began)
    assert 20 <= len(trials) <= 120, "capped at 30 s each, and never given up"
    assert {trials.count(slot) for slot in set(trials)} >= {len(trials) // 3}
    assert sum(process.alive for process in host.processes.values()) <= 1


def balancers() -> FakeHost:
    host = FakeHost()
    spec = ClusterSpec(
        name="shop",
        services={WEB.name: msgspec.structs.replace(WEB, expose=Expose(port=8080))},
    )
    balancer = balancer_service(spec)
    assert balancer is not None
    host.assign(*slots(balancer, 2))
    assert host.run_until(host.all_are(State.READY), 10 * S)
    host.run(10 * S)
    return host


def test_one_that_was_never_started_and_is_held_reports_what_it_was_asked_for() -> None:
    """Others wait for that report before they are replaced."""
    host = held()
    host.assign(*slots(WEB, 4))
    assert host.run_until(lambda: host.state("web.3") is State.HELD, 1 * S)
    assert host.report("web.3").asked == 1
    host.assign(*slots(WEB, 4, generation=2))
    assert host.report("web.3").asked == 2


def test_balancers_killed_again_and_again_are_never_held() -> None:
    host = balancers()
    for _ in range(4):
        kill_all(host)
        assert host.run_until(host.all_are(State.READY), S)
        host.run(3 * S)
    assert not host.noted("held")


def test_balancers_that_hang_together_are_restarted_one_by_one_without_a_witness() -> None:
    host = balancers()
    for process in host.living():
        process.hung = True
    assert host.run_until(lambda: len(host.starts) == 4, 5 * S)
    assert not any("dependency" in note for note in host.noted("not_restarted"))


def test_while_held_every_report_says_so() -> None:
    host = held()
    assert host.run_until(host.all_are(State.HELD))
    for slot in host.core.reports():
        assert "all 3 replicas of web keep failing" in slot.reason
        assert "exited with status 1" in slot.reason
        assert slot.failing
        assert slot.ill


def test_when_the_one_on_trial_becomes_ready_all_others_are_started_at_once() -> None:
    host = held(5)
    host.dependency_up = True
    assert host.run_until(lambda: State.READY in host.states(), 31 * S)
    first = host.now
    assert host.run_until(host.all_are(State.READY), 100 * MS)
    assert host.now - first < 100 * MS
    assert len(host.noted("released")) == 4


def test_replicas_of_two_workers_that_are_ready_for_a_moment_release_no_storm() -> None:
    """Without checks each start is ready at once: told to the other worker, that ends its hold."""
    bare = service(health=Health())
    hosts = [FakeHost(), FakeHost()]
    for number, host in enumerate(hosts):
        host.program = lambda _: Program(dies_after=2 * MS)
        host.assign(slots(bare, 2)[number])
    on_their_way: list[list[tuple[ReplicaReport, ...]]] = [[], []]
    for _ in range(30_000):  # half a minute
        for host, other, reports in zip(hosts, hosts[::-1], on_their_way, strict=True):
            reports.append(tuple(other.core.reports()))
            if len(reports) > 3:  # so many milliseconds, more than a life is long
                host.tell(elsewhere(*reports.pop(0)))
            host.run(MS)
    assert all(len(host.starts) <= 12 for host in hosts)
    assert all("held" in host.report(f"web.{number}").state for number, host in enumerate(hosts))


def test_replicas_that_never_become_ready_are_held_too() -> None:
    host = FakeHost(dependency_up=False)
    host.assign(*slots(service(health=Health(readiness=LIVE_CHECK, start_timeout=2.0)), 3))
    host.run(300 * S)
    assert len(host.noted("held")) == 3


@pytest.mark.parametrize("seed", range(20))
def test_when_a_hold_begins_nobody_waits_and_one_that_is_starting_is_the_trial(seed: int) -> None:
    slow = Program(boots_in=3600 * S, dies_after=400 * MS)
    host = FakeHost(seed=seed, program=lambda _: slow, latency=200 * MS)
    host.assign(*slots(WEB, 3))
    assert host.run_until(lambda: bool(host.noted("held")), 100 * S)
    assert State.WAITING not in host.states()
    before = [process for process in host.living() if process.born < host.now]
    began = host.now - 1
    host.run_until(lambda: not any(process.alive for process in before), 10 * S)
    assert bool(starts_since(host, began)) == (not before)


def test_a_service_stopped_while_held_is_started_at_once_when_it_is_wanted_again() -> None:
    host = held()
    host.assign(*slots(WEB, 3, wanted=False))
    assert host.run_until(host.all_are(State.STOPPED), 10 * S)
    host.dependency_up = True
    host.assign(*slots(WEB, 3))
    assert host.run_until(host.all_are(State.READY), 100 * MS)


def test_one_replica_that_stays_ready_keeps_the_others_from_being_held() -> None:
    host = ready()
    host.program = lambda slot: Program(dies_after=5 * MS if slot != "web.2" else None)
    host.kill("web.0")
    host.kill("web.1")
    host.run(200 * S)
    assert not host.noted("held")
    assert host.state("web.2") is State.READY


def test_a_lone_replica_is_never_held() -> None:
    host = FakeHost(program=lambda _: Program(dies_after=5 * MS))
    host.assign(*slots(WEB, 1))
    host.run(200 * S)
    assert not host.noted("held")


def test_services_are_held_apart() -> None:
    host = FakeHost(program=lambda slot: Program(dies_after=5 * MS if slot < "m" else None))
    host.assign(*slots(service("api"), 2), *slots(WEB, 2))
    host.run(200 * S)
    assert {note.slot for _, note in host.notes if note.kind == "replica.held"} == {
        "api.0",
        "api.1",
    }
    assert host.state("web.0") is host.state("web.1") is State.READY


def test_a_new_generation_is_started_though_its_service_is_held() -> None:
    host = held()
    host.fatal_dependency = False
    host.dependency_up = True
    first, *others = slots(WEB, 3)
    host.assign(msgspec.structs.replace(first, generation=2), *others)
    assert host.run_until(host.all_are(State.READY), 100 * MS)


def test_a_replica_added_while_its_service_is_held_waits_with_the_others() -> None:
    host = held()
    assert host.run_until(host.all_are(State.HELD))
    host.assign(*slots(WEB, 4))
    host.run(10 * MS)
    assert host.state("web.3") is State.HELD
    host.dependency_up = True
    assert host.run_until(host.all_are(State.READY), 31 * S)


def test_a_held_replica_can_be_stopped_or_released() -> None:
    host = held()
    assert host.run_until(host.all_are(State.HELD))
    first, second, _ = slots(WEB, 3)
    host.assign(msgspec.structs.replace(first, wanted=False), second)
    host.run(100 * S)
    assert host.states()[0] is State.STOPPED
    assert starts_since(host, host.now - 60 * S)


def test_when_the_one_on_trial_is_taken_away_another_one_is_tried() -> None:
    host = held(2)
    for _ in range(20):
        tried = next_trial(host)
        host.assign(*(a for a in slots(WEB, 2) if a.slot != tried))
        assert next_trial(host) != tried
        host.assign(*slots(WEB, 2))


def test_when_the_one_on_trial_cannot_be_started_another_one_is_tried() -> None:
    host = held(3)
    tried = next_trial(host)
    host.run(1 * S)
    host.dependency_up = True
    missing = Program(cannot_start="no such program")
    host.program = lambda slot: Program() if slot == tried else missing
    assert host.run_until(lambda: host.state(tried) is State.READY, 100 * S)


def test_a_trial_that_lives_but_is_not_ready_does_not_keep_the_others_from_theirs() -> None:
    host = held()
    host.fatal_dependency = False
    host.program = lambda _: Program()

    def none_is_ready() -> bool:
        for process in host.living():
            process.ready_fails = True
        return False

    host.assign(
        *slots(service(health=Health(startup=LIVE_CHECK, readiness=WEB.health.readiness)), 3)
    )
    host.dependency_up = True
    host.run_until(none_is_ready, 200 * S)
    assert set(host.states()) == {State.RUNNING}


def test_the_delay_between_trials_goes_on_growing_from_hold_to_hold() -> None:
    """A dependency that lets everybody start and then kills them must not cause a storm."""
    host = FakeHost(program=lambda _: Program(dies_after=2 * S))
    host.assign(*slots(WEB, 3))
    host.run(1200 * S)
    began = host.now
    host.run(600 * S)
    assert len(starts_since(host, began)) <= 3 * 600 / 12


# Liveness failing together


def test_when_liveness_fails_everywhere_all_but_one_are_left_running() -> None:
    host = ready(5)
    pids = {process.pid for process in host.living()}
    for process in host.living():
        process.live_fails = True
    host.program = lambda _: Program(boots_in=3600 * S)
    host.run(120 * S)
    survivors = pids & {process.pid for process in host.living()}
    assert len(survivors) == 4
    reasons = [r.reason for r in host.core.reports() if "not restarted" in r.reason]
    assert len(reasons) == 4
    assert all("a dependency is probably down" in reason for reason in reasons)
    assert len(host.noted("not_restarted")) in (4, 5)


def test_when_the_dependency_is_back_those_left_running_were_never_touched() -> None:
    host = ready(5)
    pids = {process.pid for process in host.living()}
    host.dependency_up = False
    host.run(120 * S)
    host.dependency_up = True
    assert host.run_until(host.all_are(State.READY), 31 * S)
    host.run(100 * S)
    assert len(pids & {process.pid for process in host.living()}) == 4
    assert not any("not restarted" in slot.reason for slot in host.core.reports())


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_replica_is_not_stopped_with_the_answer_that_makes_it_ready_again(count: int) -> None:
    """One question for readiness and liveness: the answer that is good for one is for the other."""
    both = msgspec.structs.replace(READY_CHECK, interval=1.0)
    patient = msgspec.structs.replace(both, fall=6)
    health = Health(startup=both, liveness=patient, readiness=both)
    host = FakeHost()
    host.assign(*slots(service(health=health), count))
    assert host.run_until(host.all_are(State.READY), 10 * S)
    host.dependency_up = False
    host.run(10 * S)
    host.dependency_up = True
    back = host.now
    left_running = {process.slot for process in host.living()} - set(signalled_since(host, 0))
    assert left_running
    host.run(20 * S)
    assert host.states().count(State.READY) == count
    assert not left_running & set(signalled_since(host, back))


def test_when_a_restart_helps_the_others_are_restarted_too_a_few_at_a_time() -> None:
    host = ready(8)
    for process in host.living():
        process.live_fails = True
    at_once = 0

    def all_healed() -> bool:
        nonlocal at_once
        at_once = max(at_once, sum(state is not State.READY for state in host.states()))
        return len(host.starts) == 16 and set(host.states()) == {State.READY}

    assert host.run_until(all_healed, 60 * S)
    assert at_once <= 2


def test_at_most_a_quarter_of_a_service_is_restarted_for_its_liveness_at_a_time() -> None:
    host = ready(8)
    host.tell(elsewhere(report("web.8", State.READY)))
    host.program = lambda _: Program(boots_in=10 * S)
    for process in host.living():
        process.live_fails = True
    at_once = 0

    def all_healed() -> bool:
        nonlocal at_once
        at_once = max(at_once, sum(state is not State.READY for state in host.states()))
        return len(host.starts) == 16 and set(host.states()) == {State.READY}

    assert host.run_until(all_healed, 120 * S)
    assert at_once == 2


def test_a_suspended_replica_that_recovers_sets_the_held_ones_free_at_once() -> None:
    host = mixed_hold()
    host.processes[SlotName("web.2")].live_fails = False
    host.program = lambda _: Program()
    assert host.run_until(host.all_are(State.READY), 2100 * MS)


def test_when_the_last_dead_replica_is_taken_away_a_living_one_is_tried() -> None:
    host = mixed_hold(living=("web.1", "web.2"))
    host.sweep_takes = 60 * S
    assert host.run_until(lambda: host.state("web.0") is State.SWEEPING, 60 * S)
    host.run(35 * S)
    began = host.now
    host.assign(*slots(WEB, 3)[1:])
    assert host.run_until(lambda: any(signalled_since(host, began)), 1 * S)


def test_three_that_hang_of_twelve_are_restarted_at_once() -> None:
    host = ready(12)
    for slot in ("web.1", "web.5", "web.9"):
        host.processes[SlotName(slot)].hung = True
    host.run(20 * S)
    assert len(host.starts) == 15
    assert set(host.states()) == {State.READY}


def test_a_broken_replica_does_not_keep_a_hung_one_from_being_restarted_for_ever() -> None:
    host = ready(2)
    host.program = lambda slot: Program(dies_after=5 * MS if slot == "web.0" else None)
    host.kill("web.0")
    host.run(100 * S)
    host.processes[SlotName("web.1")].hung = True
    host.run(100 * S)
    assert host.processes[SlotName("web.1")].incarnation == 1
    assert "not restarted" in host.report("web.1").reason
    assert host.run_until(lambda: host.processes[SlotName("web.1")].incarnation > 1, 300 * S)
    assert host.run_until(lambda: host.state("web.1") is State.READY, 60 * S)


def test_an_outage_seen_by_a_hundred_replicas_restarts_one_at_a_time() -> None:
    """kubernetes #66230: restarts for health must respect how much may be disrupted."""
    host = ready(100)
    host.dependency_up = False
    host.run(300 * S)
    killed = {e.slot for _, e in host.effects if isinstance(e, Signal)}
    assert len(killed) == 1


# Elsewhere


def together(*slots_and_states: tuple[str, State], **flags: bool) -> Iterable[ReplicaReport]:
    return [report(slot, state, **flags) for slot, state in slots_and_states]


def test_reports_of_other_workers_are_counted_by_service() -> None:
    reports = [
        report("web.4", State.READY),
        report("web.2", State.RUNNING, ill=True, failing=True),
        report("web.3", State.WAITING, ill=True, failing=True),
        report("web.5", State.STARTING),
        report("web.1", State.BLOCKED),
        report("api.0", State.READY),
    ]
    assert Elsewhere.of(ServiceName("web"), reports) == Elsewhere(
        replicas=4, witnesses=3, failing=2, well=1, down=1, first=2
    )
    assert Elsewhere.of(ServiceName("db"), reports) == Elsewhere()


def test_a_lone_replica_here_is_held_when_all_of_its_service_elsewhere_fail_too() -> None:
    host = FakeHost(program=lambda _: Program(dies_after=5 * MS))
    host.tell(elsewhere(*together(("web.1", State.WAITING), failing=True, ill=True)))
    host.assign(*slots(WEB, 1))
    host.run(100 * S)
    assert len(host.noted("held")) == 1
    assert "all 2 replicas of web" in host.noted("held")[0]
    host.program = lambda _: Program()
    assert host.run_until(lambda: host.state("web.0") is State.HELD)
    host.tell(elsewhere(report("web.1", State.READY)))
    assert host.run_until(host.all_are(State.READY), 100 * MS)


def test_a_lone_replica_here_is_not_held_while_those_elsewhere_do_well() -> None:
    host = FakeHost(program=lambda _: Program(dies_after=5 * MS))
    host.tell(elsewhere(report("web.1", State.READY)))
    host.assign(*slots(WEB, 1))
    host.run(100 * S)
    assert not host.noted("held")


@pytest.mark.parametrize(
    ("slot", "others", "state", "restarted"),
    [
        (0, "web.1", State.READY, True),
        (1, "web.0", State.READY, False),
        (0, "web.1", State.WAITING, False),
    ],
)
def test_of_lone_replicas_that_all_fail_only_the_first_is_restarted_and_no_living_one_if_one_died(
    slot: int, others: str, state: State, restarted: bool
) -> None:
    host = FakeHost()
    host.assign(slots(WEB, 2)[slot])
    host.run(10 * S)
    host.tell(elsewhere(report(others, state, ill=True)))
    host.dependency_up = False
    host.run(10 * S)
    assert host.core.reports()[0].ill
    host.tell(elsewhere(report(others, state, ill=True, failing=True)))
    host.run(60 * S)
    assert bool([e for _, e in host.effects if isinstance(e, Signal)]) is restarted


def test_a_lone_replica_that_hangs_is_restarted_while_those_elsewhere_are_well() -> None:
    host = FakeHost()
    host.tell(elsewhere(report("web.1", State.READY)))
    host.assign(*slots(WEB, 1))
    host.run(10 * S)
    host.living()[0].hung = True
    assert host.run_until(lambda: len(host.starts) == 2, 15 * S)


def test_a_lone_suspended_replica_is_restarted_in_the_end_whatever_happens_elsewhere() -> None:
    host = FakeHost()
    host.tell(elsewhere(report("web.0", State.READY, ill=True, failing=True)))
    host.assign(slots(WEB, 2)[1])
    host.run(10 * S)
    host.living()[0].live_fails = True
    host.run(250 * S)
    assert len(host.starts) == 1
    host.run(150 * S)
    assert len(host.starts) == 2
