"""Changes by command: shown first, made once, answered whoever leads."""

from pathlib import Path

import msgspec
import pytest

from interrex.cli.exits import Exit
from interrex.config import load
from interrex.core.ids import ServiceName, SlotName, WorkerName
from interrex.core.spec import ClusterSpec, Timing
from interrex.core.state import ApplySpec, Restart, Scale
from interrex.runtime.layout import Layout
from interrex.runtime.questions import ChangeBody, Leadership, Outcome, StepDownBody
from tests.cli.conftest import Interrex
from tests.cli.fake_worker import FakeWorker, a_status

WEB = ServiceName("web")
DONE = Outcome(ok=True, text="", index=12)


@pytest.fixture
def led(workers: list[FakeWorker], file: Path) -> list[FakeWorker]:
    """Three workers, of which the second leads, and which take every change."""
    spec = load(file)
    for worker in workers:
        worker.says("GET", "/v1/status", a_status())
        worker.says("GET", "/v1/spec", spec)
        worker.says("POST", "/v1/changes", DONE)
    return workers


def changes(worker: FakeWorker) -> list[ChangeBody]:
    return [
        msgspec.json.decode(heard.body, type=ChangeBody)
        for heard in worker.heard
        if heard.target == "/v1/changes"
    ]


def test_scale_asks_the_leader(interrex: Interrex, led: list[FakeWorker]) -> None:
    said = interrex("scale", "web", "5")
    assert (said.code, said.out) == (Exit.OK, "web: 2 -> 5 replicas (change 12)\n")
    assert [change.operations for change in changes(led[1])] == [(Scale(WEB, 5),)]
    assert not changes(led[0])


def test_scaling_to_what_there_is_changes_nothing(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    said = interrex("scale", "web", "2")
    assert (said.code, said.out) == (Exit.OK, "web has 2 already\n")
    assert not any(changes(worker) for worker in led)


def test_scale_goes_by_the_leaders_word_for_what_there_is(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    """Whoever answers first may not have heard of the last change: the status says 2."""
    web = msgspec.structs.replace(load(file).services[WEB], replicas=0)
    led[1].says("GET", "/v1/spec", msgspec.structs.replace(load(file), services={WEB: web}))
    said = interrex("scale", "web", "2")
    assert (said.code, said.out) == (Exit.OK, "web: 0 -> 2 replicas (change 12)\n")
    assert [change.operations for change in changes(led[1])] == [(Scale(WEB, 2),)]


def test_scale_knows_a_service_that_was_only_just_applied(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    for worker in led:
        worker.says("GET", "/v1/status", a_status(services={}))
    assert interrex("scale", "web", "5").out == "web: 2 -> 5 replicas (change 12)\n"


def test_what_no_leader_proves_is_asked_for_all_the_same(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    """What one worker knows may lack the last change, so it is no reason to do nothing."""
    for worker in led:
        worker.says("GET", "/v1/spec?confirmed", Outcome(ok=False, text="not I"), code=409)
    assert interrex("scale", "web", "2").out == "web: 2 -> 2 replicas (change 12)\n"
    said = interrex("apply", file)
    assert said.code == Exit.OK
    assert said.out.startswith("no leader could be asked what would change")
    assert [change.operations for change in changes(led[1])] == [
        (Scale(WEB, 2),),
        (ApplySpec(load(file)),),
    ]


def test_the_next_leader_is_asked_when_the_last_one_is_gone(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    led[1].hangs_up("GET", "/v1/spec?confirmed")
    assert interrex("apply", file).out.startswith("nothing to change")
    assert [heard.target for heard in led[0].heard if "spec" in heard.target] == [
        "/v1/spec?confirmed"
    ]


def test_replicas_need_a_port_each(interrex: Interrex, led: list[FakeWorker], file: Path) -> None:
    for worker in led:
        worker.says("GET", "/v1/spec", msgspec.structs.replace(load(file), ports=(21000, 21003)))
    said = interrex("scale", "web", "5")
    assert said.code == Exit.USAGE
    assert "5 replicas need a port each, but 21000 to 21003 are only 4" in said.err


def test_a_change_that_one_worker_drops_is_made_by_another_under_the_same_id(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    led[1].hangs_up("POST", "/v1/changes")
    assert interrex("restart", "web").code == Exit.OK
    first, second = changes(led[1]), changes(led[0])
    assert first == second
    assert first[0].operations == (Restart(WEB, None),)


def test_a_change_that_no_leader_takes_goes_to_the_next_worker(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    led[1].says("POST", "/v1/changes", Outcome(ok=False, text="no leader took it"), code=409)
    assert interrex("restart", "web.1").code == Exit.OK
    assert changes(led[0])[0].operations == (Restart(WEB, SlotName("web.1")),)


def test_a_change_that_nobody_takes_says_so(interrex: Interrex, led: list[FakeWorker]) -> None:
    for worker in led:
        worker.says("POST", "/v1/changes", Outcome(ok=False, text="no leader took it"), code=409)
    said = interrex("restart", "web")
    assert said.code == Exit.FAILED
    assert "the change was not made for sure: no leader took it" in said.err
    assert len({change.id for worker in led for change in changes(worker)}) == 1


def test_what_one_worker_may_have_taken_is_not_called_refused_by_another(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    waits = Outcome(ok=False, text="no space; the change waits")
    led[1].says("POST", "/v1/changes", waits, code=409)
    for worker in (led[0], led[2]):
        refusal = Outcome(ok=False, text="no space; nothing was changed", refused=True)
        worker.says("POST", "/v1/changes", refusal, code=409)
    said = interrex("restart", "web")
    assert said.code == Exit.FAILED
    assert "the change was not made for sure: no space; the change waits\n" in said.err
    assert "nothing was changed" not in said.err


def test_a_change_that_is_refused_is_not_asked_for_again(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    led[1].says("POST", "/v1/changes", Outcome(ok=False, text="no such thing"), code=400)
    assert interrex("restart", "web").code == Exit.FAILED
    assert not changes(led[0])


def test_a_change_that_every_worker_would_refuse_says_that_nothing_was_changed(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    text = "the disk of worker-2 is full; nothing was changed: free space there, then ask again"
    led[1].says("POST", "/v1/changes", Outcome(ok=False, text=text, refused=True), code=422)
    said = interrex("restart", "web")
    assert said.code == Exit.FAILED
    assert f"the change is refused: {text}" in said.err
    assert "may have been" not in said.err
    assert not changes(led[0])


def test_the_balancers_processes_can_be_restarted(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    said = interrex("restart", "balancer")
    assert said.out == "restarting balancer.0, balancer.1 (change 12)\n"


def test_apply_shows_what_changes_and_sends_the_file_whole(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    file.write_text(file.read_text().replace("replicas = 2", "replicas = 4"))
    said = interrex("apply", file)
    assert said.code == Exit.OK
    assert said.out == (
        "web: replicas 2 -> 4 (starts 2)\n"
        "taken as change 12; watch it with: interrex events -f --cluster shop\n"
    )
    assert changes(led[1])[0].operations == (ApplySpec(load(file)),)


def test_a_dry_run_only_shows(interrex: Interrex, led: list[FakeWorker], file: Path) -> None:
    file.write_text(file.read_text().replace("replicas = 2", "replicas = 1"))
    said = interrex("apply", file, "--dry-run")
    assert said.out == "web: replicas 2 -> 1 (stops 1)\nnothing was changed (--dry-run)\n"
    assert not any(changes(worker) for worker in led)


def test_applying_what_is_asked_for_changes_nothing(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    said = interrex("apply", file)
    assert said.code == Exit.OK
    assert said.out.startswith("nothing to change")
    assert not any(changes(worker) for worker in led)


def test_a_change_that_a_running_fleet_cannot_take_refuses_the_file_whole(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    text = file.read_text().replace("replicas = 2", "replicas = 4")
    file.write_text(f'{text}\n[[host]]\nname = "h1"\nworkers = 3\n')
    said = interrex("apply", file)
    assert said.code == Exit.USAGE
    assert "hosts none -> 1: cannot change while the fleet runs" in said.err
    assert "nothing was changed" in said.err
    assert not any(changes(worker) for worker in led)


def test_times_are_applied_to_a_running_fleet(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    text = file.read_text().replace("[service.web]", "timing.heartbeat = 0.02\n[service.web]", 1)
    file.write_text(text)
    said = interrex("apply", file)
    assert said.code == Exit.OK
    assert "timing.heartbeat 60ms -> 20ms (every worker goes by it at once)" in said.out


def test_apply_takes_the_leaders_word_for_what_is_asked(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    stale: ClusterSpec = msgspec.structs.replace(load(file), timing=Timing(lost_host=99.0))
    led[0].says("GET", "/v1/spec", stale)
    led[2].says("GET", "/v1/spec", stale)
    assert interrex("apply", file).out.startswith("nothing to change")


def test_a_port_that_a_stranger_holds_is_not_applied(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    import socket

    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        file.write_text(file.read_text() + f"expose = {port}\n")
        said = interrex("apply", file)
    assert said.code == Exit.FAILED
    assert f"cannot be exposed on 127.0.0.1:{port}: Address already in use" in said.err
    assert not any(changes(worker) for worker in led)


def test_step_down_waits_for_the_next_leader(interrex: Interrex, led: list[FakeWorker]) -> None:
    led[1].says("POST", "/v1/step-down", Outcome(ok=True, text="asked"))
    led[1].says("GET", "/v1/leader", Leadership(leader=WorkerName("worker-3"), epoch=8))
    said = interrex("step-down", "--to", "worker-3")
    assert (said.code, said.out) == (Exit.OK, "worker-3 leads now, epoch 8\n")
    asked = [heard for heard in led[1].heard if heard.method == "POST"]
    assert msgspec.json.decode(asked[0].body, type=StepDownBody).successor == "worker-3"
    assert [h.target for h in led[1].heard if "leader" in h.target] == ["/v1/leader?above=7"]


def test_a_leader_that_cannot_hand_over_still_leads(
    interrex: Interrex, led: list[FakeWorker]
) -> None:
    led[1].says("POST", "/v1/step-down", Outcome(ok=True, text="asked"))
    led[1].says("GET", "/v1/leader", Leadership(leader=WorkerName("worker-2"), epoch=8))
    said = interrex("step-down")
    assert said.code == Exit.FAILED
    assert "worker-2 still leads" in said.err


def test_who_leads_already_need_not_be_asked(interrex: Interrex, led: list[FakeWorker]) -> None:
    said = interrex("step-down", "--to", "worker-2")
    assert (said.code, said.out) == (Exit.OK, "worker-2 leads already\n")


def test_nobody_can_step_down_where_nobody_leads(interrex: Interrex, led: list[FakeWorker]) -> None:
    for worker in led:
        worker.says("GET", "/v1/status", a_status(leader=None))
    said = interrex("step-down")
    assert said.code == Exit.FAILED
    assert "nobody leads" in said.err


def test_status_prints_the_workers_own_document(
    interrex: Interrex, led: list[FakeWorker], shop: Layout
) -> None:
    said = interrex("status", "--json")
    assert said.out == msgspec.json.encode(a_status()).decode() + "\n"
    assert interrex("status").out.startswith("shop: worker-2 leads, epoch 7")


def test_the_leader_is_asked_for_what_it_can_prove(
    interrex: Interrex, led: list[FakeWorker], file: Path
) -> None:
    """Its own word, right after a start, may lack what was agreed last."""
    assert interrex("apply", file, "--dry-run").code == Exit.OK
    asked = [heard.target for heard in led[1].heard if heard.target.startswith("/v1/spec")]
    assert asked == ["/v1/spec?confirmed"]
