"""What is decided before anything is started."""

import os
import socket
from pathlib import Path

import pytest

from interrex.cli.command_lock import only_command
from interrex.cli.exits import CommandError
from interrex.cli.preflight import FILES_EACH_REPLICA, FILES_FOR_ITSELF, check_descriptors
from interrex.cli.starting import choose_host, workers_here
from interrex.cli.values import seconds_of
from interrex.core.ids import HostName, ServiceName, WorkerName
from interrex.core.spec import ClusterSpec, HostSpec, ServiceSpec
from interrex.runtime.callers import allowance
from interrex.runtime.genesis import new_genesis
from interrex.runtime.layout import Layout

A, B = HostName("a"), HostName("b")
ONE_HOST = ClusterSpec(name="shop", workers=2)
TWO_HOSTS = ClusterSpec(name="shop", hosts=(HostSpec(name=A, workers=2), HostSpec(name=B)))


def test_the_machines_own_name_says_which_host_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "b.example.org")
    assert choose_host(TWO_HOSTS, None) == B
    assert choose_host(TWO_HOSTS, "a") == A


def test_a_machine_of_another_name_must_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop")
    with pytest.raises(CommandError, match=r"no host laptop\nsay which .* with --host: a, b"):
        choose_host(TWO_HOSTS, None)
    only = ClusterSpec(name="shop", hosts=(HostSpec(name=A),))
    assert choose_host(only, None) == A


def test_a_wrong_host_is_answered_with_the_nearest() -> None:
    spec = ClusterSpec(name="shop", hosts=(HostSpec(name=HostName("north")),))
    with pytest.raises(CommandError, match=r"did you mean north\?"):
        choose_host(spec, "norht")


def test_a_file_without_hosts_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_host(ONE_HOST, None) == choose_host(ONE_HOST, "local") == "local"
    with pytest.raises(CommandError, match="leave --host out"):
        choose_host(ONE_HOST, "b")


def test_a_host_starts_its_own_workers_and_those_that_came_later(state: Path) -> None:
    layout = Layout(state, "shop")
    genesis = new_genesis(TWO_HOSTS, "id")
    for name in ("a-1", "a-10", "b-1"):
        layout.worker(WorkerName(name)).mkdir(parents=True)
    assert workers_here(layout, genesis, A) == ["a-1", "a-2", "a-10"]
    assert workers_here(layout, genesis, B) == ["b-1"]
    assert workers_here(layout, new_genesis(ONE_HOST, "id"), HostName("local")) == [
        "worker-1",
        "worker-2",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("250ms", 0.25), ("1m30s", 90), ("2", 2), ("0", 0)]
)
def test_durations_are_written_as_in_the_file(text: str, seconds: float) -> None:
    assert seconds_of("--timeout", text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "nan", "1y", "-3", "1e9"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--timeout: "):
        seconds_of("--timeout", text)


def test_a_worker_must_be_able_to_take_all_of_its_hosts_replicas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = ServiceSpec(name=ServiceName("web"), command=("serve",), replicas=20)
    spec = ClusterSpec(name="shop", services={web.name: web})
    needed = allowance(FILES_FOR_ITSELF + FILES_EACH_REPLICA * 22)
    for allowed, fits in ((needed, True), (needed - 1, False), (-1, True)):
        monkeypatch.setattr(
            "interrex.cli.preflight.resource.getrlimit", lambda _, soft=allowed: (soft, soft)
        )
        if fits:
            check_descriptors(spec)
        else:
            with pytest.raises(CommandError, match=f"a worker may need {needed} for 22 replicas"):
                check_descriptors(spec)


def test_whoever_may_write_a_folder_may_take_its_lock_whosever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path, "shop")
    layout.make()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with only_command(layout, "down"):
        assert b"interrex down" in layout.command_lock.read_bytes()
