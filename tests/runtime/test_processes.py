"""Real processes: started, signalled, dead, swept; every answer is waited for."""

import asyncio
import errno
import os
import pwd
import resource
import select
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interrex.core.ids import SlotName
from interrex.core.spec import Limits, ServiceSpec
from interrex.runtime import processes, spawning
from interrex.runtime.procfs import environ_of, instance_of, read_stat
from interrex.runtime.rotation import Rotator
from interrex.runtime.spawning import inherited_environment, reason_of
from interrex.supervision.interface import ClaimOutcome, Forget, Spawned, SpawnFailed
from tests.privileges import NOBODY, may_become
from tests.runtime.host_harness import SLOT, Host, no_more_descriptors, record_fields, service

LIBC_SIGNALS = 1 << 31 | 1 << 32
"""Signals 32 and 33, which the C library keeps to itself and which some parents leave ignored."""
FOREVER = ("sleep", "1000")
STEADY = "echo up >&3; sleep 1000; true"
"""Says when it is there: right after a spawn the kernel may still be at the exec."""


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    made = Host(tmp_path)
    yield made
    made.kill_all()


def wait_for_death(pid: int) -> None:
    """Waits until this process is a zombie or gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([handle], [], [], 60)[0], f"{pid} lives on"
    os.close(handle)


def wait_until_stopped(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def status_fields(pid: int) -> dict[str, str]:
    status = Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":", 1) for line in status.splitlines())


def subprocess_with(**environment: str) -> int:
    """A child of ours that nobody waits for, once it runs its program."""
    command = ["sh", "-c", "echo; sleep 1000; true"]
    child = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()
    child.returncode = 0
    return child.pid


def reap_by_tidying(host: Host, pid: int) -> None:
    """A zombie that nobody waits for is gone after two rounds."""
    host.processes.tidy()
    host.processes.tidy()
    assert read_stat(pid) is None


# Starting


async def test_a_new_slot_is_absent(host: Host) -> None:
    assert (await host.claim()).outcome is ClaimOutcome.ABSENT


async def test_a_replica_is_told_its_place(host: Host) -> None:
    script = 'echo $PORT $INTERREX_EPOCH $INTERREX_SLOT $COLOUR "$@" >&3; cat'
    spec = host.shell(script, env={"COLOUR": "red"})
    command = (*spec.command, "sh", "--port={port}", "{slot}", "{number}")
    await host.spawn(service(*command, env=spec.env))
    assert await host.hear(7) == ["0", "3", "web.0", "red", "--port=0", "web.0", "0"]
    assert await host.exited() == 0, "standard input is /dev/null: cat ends at once"


async def test_a_replica_leads_its_own_session(host: Host) -> None:
    pid = await host.spawn(service(*FOREVER))
    stat = read_stat(pid)
    assert stat is not None
    assert (stat.session, stat.group) == (pid, pid)


async def test_a_replica_inherits_no_descriptor_beyond_its_streams(host: Host) -> None:
    os.set_inheritable(leak := os.open("/dev/null", os.O_RDONLY), True)
    await host.spawn(service("ls", "/proc/self/fd"))
    os.close(leak)
    assert await host.exited() == 0
    assert host.processes.log_path(SLOT).read_text() == "0\n1\n2\n3\n", "3 is ls's own"


async def test_both_output_streams_go_to_the_log_which_is_appended_to(host: Host) -> None:
    spec = host.shell("echo out; echo err >&2")
    await host.spawn(spec)
    assert await host.exited() == 0
    await host.sweep()
    await host.spawn(spec, incarnation=2)
    assert await host.exited() == 0
    assert host.processes.log_path(SLOT).read_text() == "out\nerr\nout\nerr\n"


async def test_little_of_the_workers_environment_is_inherited(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "42")
    monkeypatch.setenv("LC_TIME", "C")
    inherited_environment.cache_clear()
    pid = await host.spawn(host.shell(STEADY))
    assert await host.hear(1) == ["up"]
    environment = environ_of(pid)
    assert environment is not None
    assert "A_SECRET" not in environment
    assert environment["LC_TIME"] == "C"
    assert environment["PATH"] == os.environ["PATH"]
    inherited_environment.cache_clear()


async def test_a_replica_runs_in_its_directory(host: Host, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    program = tmp_path / "app" / "run"
    program.write_text("#!/bin/sh\npwd >&2; exit 5\n")
    program.chmod(0o755)
    await host.spawn(service("./run", directory=str(tmp_path / "app")))
    assert await host.exited() == 5
    assert host.processes.log_path(SLOT).read_text() == f"{tmp_path}/app\n"


async def test_limits_are_set_on_the_process(host: Host) -> None:
    limits = Limits(memory_bytes=1 << 30, open_files=123, processes=4567, core_bytes=0, nice=5)
    pid = await host.spawn(service(*FOREVER, limits=limits))
    assert resource.prlimit(pid, resource.RLIMIT_DATA) == (1 << 30, 1 << 30)
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (123, 123)
    assert resource.prlimit(pid, resource.RLIMIT_NPROC) == (4567, 4567)
    assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    assert os.getpriority(os.PRIO_PROCESS, pid) == 5


@pytest.mark.parametrize("may_limit_others", [False, True])
async def test_limits_are_set_on_another_users_process(
    host: Host, may_limit_others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most containers' root lacks CAP_SYS_RESOURCE: then the process has to limit itself."""
    itself = not (may_limit_others and spawning.may_limit_others())
    monkeypatch.setattr(spawning, "may_limit_others", lambda: not itself)
    limits = Limits(memory_bytes=1 << 30, open_files=123, processes=4567, core_bytes=0, nice=5)
    user = "nobody" if may_become(NOBODY) else pwd.getpwuid(os.geteuid()).pw_name
    pid = await host.spawn(service(*FOREVER, limits=limits, user=user))
    shown = limits_of(pid)
    assert shown["Max data size"] == [str(1 << 30)] * 2
    assert shown["Max open files"] == ["123", "123"]
    assert shown["Max processes"] == ["4567", "4567"]
    assert shown["Max core file size"] == ["0", "0"]
    assert os.getpriority(os.PRIO_PROCESS, pid) == 5


async def test_another_user_with_limits_beyond_the_hosts_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawning, "may_limit_others", lambda: False)
    user = pwd.getpwuid(os.geteuid()).pw_name
    limits = Limits(open_files=1 << 31)
    failed = await host.fail_to_spawn(service(*FOREVER, limits=limits, user=user))
    assert "service.web.limits" in failed.reason


def limits_of(pid: int) -> dict[str, list[str]]:
    """A process's limits, soft and hard, as /proc shows them to everybody."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


async def test_what_the_worker_ignores_or_blocks_a_replica_does_not(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    host = Host(tmp_path)
    try:
        pid = await host.spawn(service(*FOREVER))
        fields = status_fields(pid)
        assert int(fields["SigIgn"], 16) & ~LIBC_SIGNALS == 0
        assert int(fields["SigBlk"], 16) & ~LIBC_SIGNALS == 0
    finally:
        host.kill_all()
        signal.signal(signal.SIGHUP, before)


async def test_the_instance_id_is_in_the_record_and_in_the_environment(host: Host) -> None:
    pid = await host.spawn(host.shell(STEADY))
    assert await host.hear(1) == ["up"]
    fields = record_fields(host.state)
    assert fields["instance"] == instance_of(pid)
    assert fields["process"]["pid"] == pid
    assert (fields["generation"], fields["epoch"], fields["incarnation"]) == (7, 3, 1)


# Not starting


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (service("no-such-program"), ["no-such-program", "PATH", "install it"]),
        (
            service("/no/such/program"),
            ["/no/such/program", "does not exist", "service.web.command"],
        ),
        (service("/etc/passwd"), ["/etc/passwd", "not an executable", "chmod"]),
        (service("/etc"), ["/etc", "not an executable"]),
        (
            service(*FOREVER, directory="/no/such"),
            ["/no/such", "create it", "service.web.directory"],
        ),
        (service(*FOREVER, user="no-such-user"), ["no-such-user", "create it", "service.web.user"]),
        (service("sleep", "a\0b"), ["null byte"]),
        (service(), ["service.web.command", "empty"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else "-".join(value.command) or "none",
)
async def test_what_cannot_be_started_is_said_in_a_sentence(
    host: Host, spec: ServiceSpec, words: list[str]
) -> None:
    failed = await host.fail_to_spawn(spec)
    assert "\n" not in failed.reason
    assert not failed.port_taken
    for word in words:
        assert word in failed.reason


@pytest.mark.parametrize(
    ("content", "words"), [("#!/no/such/interpreter\n", "interpreter"), ("\1\2\3", "#!")]
)
async def test_a_file_that_is_no_program_is_told(
    host: Host, tmp_path: Path, content: str, words: str
) -> None:
    program = tmp_path / "program"
    program.write_text(content)
    program.chmod(0o755)
    assert words in (await host.fail_to_spawn(service(str(program)))).reason


async def test_limits_beyond_the_hosts_are_refused_and_no_process_is_left(host: Host) -> None:
    failed = await host.fail_to_spawn(service(*FOREVER, limits=Limits(open_files=1 << 31)))
    assert "service.web.limits" in failed.reason
    instance = record_fields(host.state)["instance"]
    assert instance not in {instance_of(int(pid)) for pid in os.listdir("/proc") if pid.isdigit()}


async def test_too_few_descriptors_are_told_and_got_over(host: Host) -> None:
    await host.claim()
    with no_more_descriptors():
        host.start(service(*FOREVER))
        failed = await host.next(SpawnFailed)
    assert "open files" in failed.reason
    assert "ulimit -n" in failed.reason
    await host.spawn(service(*FOREVER), incarnation=2)


async def test_a_claim_that_cannot_look_for_the_process_is_put_off(host: Host) -> None:
    with no_more_descriptors(but=1):
        claimed = await host.claim()
    assert claimed.outcome is ClaimOutcome.LOCKED
    assert (await host.claim()).outcome is ClaimOutcome.ABSENT


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
async def test_a_strangers_port_is_told(host: Host, address: str) -> None:
    """Faults, 40."""
    wide = ":" in address
    family = socket.AF_INET6 if wide else socket.AF_INET
    with socket.create_server((address, 0), family=family, dualstack_ipv6=wide) as stranger:
        port = stranger.getsockname()[1]
        failed = await host.fail_to_spawn(service(*FOREVER), port)
    assert failed.port_taken
    assert str(port) in failed.reason


async def test_connections_that_linger_do_not_make_a_port_taken(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()
    await host.spawn(service(*FOREVER), port=port)


async def test_another_user_needs_root(host: Host) -> None:
    spec = host.shell("id -u >&3; echo $HOME >&3", user="nobody")
    os.chmod(host.state / "ear", 0o666)
    for folder in (host.state, *host.state.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            os.chmod(folder, folder.stat().st_mode | 0o055)
    if may_become(NOBODY):
        await host.spawn(spec)
        assert await host.hear(2) == ["65534", "/nonexistent"]
        assert await host.exited() == 0
    elif os.geteuid() == 0:  # of a user namespace that knows nobody else
        assert "nobody" in (await host.fail_to_spawn(spec)).reason
    else:
        assert "root" in (await host.fail_to_spawn(spec)).reason


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_without_space_is_told_with_what_to_do(number: int) -> None:
    said = reason_of(OSError(number, "no space", "web.0.log"), "starting web.0")
    assert "web.0.log" in said
    assert "free some space" in said


# Ending (faults, 36)


async def test_a_killed_process_is_told_with_its_signal_reaped_and_replaced(host: Host) -> None:
    pid = await host.spawn(service(*FOREVER))
    os.kill(pid, signal.SIGKILL)
    assert await host.exited() == -signal.SIGKILL
    assert read_stat(pid) is None, "a dead child is reaped"
    assert await host.sweep() == 0
    assert await host.spawn(service(*FOREVER), incarnation=2) != pid


async def test_an_exit_status_is_told(host: Host) -> None:
    await host.spawn(host.shell("exit 3"))
    assert await host.exited() == 3


async def test_one_that_ignores_sigterm_falls_to_sigkill(host: Host) -> None:
    await host.spawn(host.shell('trap "echo no >&3" TERM; echo up >&3; while :; do wait; done'))
    assert await host.hear(1) == ["up"]
    host.signal("SIGTERM")
    assert await host.hear(1) == ["no"]
    host.signal("SIGKILL")
    assert await host.exited() == -signal.SIGKILL


async def test_a_stopped_one_can_be_killed(host: Host) -> None:
    pid = await host.spawn(service(*FOREVER))
    os.kill(pid, signal.SIGSTOP)
    wait_until_stopped(pid)
    host.signal("SIGKILL")
    assert await host.exited() == -signal.SIGKILL


async def test_a_signal_reaches_the_whole_group(host: Host) -> None:
    await host.spawn(
        host.shell(
            r'trap "wait \$!; exit 4" TERM; '
            '(trap "echo child >&3; exit" TERM; echo up >&3; sleep 1000 & wait) & wait $!'
        )
    )
    assert await host.hear(1) == ["up"]
    host.signal("SIGTERM")
    assert await host.hear(1) == ["child"]
    assert await host.exited() == 4


async def test_a_signal_for_an_earlier_incarnation_is_dropped(host: Host) -> None:
    pid = await host.spawn(service(*FOREVER))
    host.signal("SIGKILL", incarnation=0)
    host.signal("SIGTERM")
    assert await host.exited() == -signal.SIGTERM
    assert read_stat(pid) is None


# Sweeping (faults, 36: forking children)


async def test_children_left_behind_are_killed(host: Host) -> None:
    await host.spawn(host.shell("sleep 1000 & echo $! >&3; sleep 1000 & echo $! >&3; exit 1"))
    children = [int(pid) for pid in await host.hear(2)]
    assert await host.exited() == 1
    assert await host.sweep() == 2
    for pid in children:
        assert read_stat(pid) is None, "dead and reaped"


async def test_a_daemon_that_left_the_session_is_killed(host: Host) -> None:
    await host.spawn(host.shell("setsid sh -c 'sleep 1000 & echo $! >&3; wait' & wait"))
    [grandchild] = [int(pid) for pid in await host.hear(1)]
    host.signal("SIGKILL")
    assert await host.exited() == -signal.SIGKILL
    assert await host.sweep() == 2
    wait_for_death(grandchild)


async def test_a_daemon_that_left_the_session_and_the_environment_of_a_living_parent_is_killed(
    host: Host,
) -> None:
    await host.spawn(
        host.shell("setsid sh -c 'env -i setsid sleep 1000 & echo $! >&3; wait' & wait")
    )
    [scrubbed] = [int(pid) for pid in await host.hear(1)]
    host.signal("SIGKILL")
    assert await host.exited() == -signal.SIGKILL
    assert await host.sweep() == 2
    wait_for_death(scrubbed)


async def test_children_that_go_on_forking_are_all_killed(host: Host) -> None:
    await host.spawn(
        host.shell("(echo up >&3; while :; do sleep 0.001 & done) & sleep 0.001; exit 1")
    )
    assert await host.hear(1) == ["up"]
    assert await host.exited() == 1
    assert await host.sweep() >= 1
    assert await host.sweep() == 0


async def test_a_sweep_spares_other_slots(host: Host) -> None:
    other = SlotName("web.1")
    neighbour = await host.spawn(host.shell("sleep 1000 & echo up >&3; wait"), slot=other)
    assert await host.hear(1) == ["up"]
    await host.spawn(host.shell("sleep 1000 & exit 1"))
    await host.exited()
    assert await host.sweep() == 1
    host.processes.perform(Forget(other))
    stat = read_stat(neighbour)
    assert stat is not None
    assert not stat.dead


async def test_a_late_remnant_of_an_earlier_incarnation_is_killed(host: Host) -> None:
    """Such as one that was between fork and exec, its environment not readable, in the sweep."""
    await host.spawn(host.shell(STEADY))
    assert await host.hear(1) == ["up"]
    instance = record_fields(host.state)["instance"]
    host.signal("SIGKILL")
    await host.exited()
    await host.sweep()
    late = subprocess_with(INTERREX_INSTANCE=instance)
    current = await host.spawn(host.shell(STEADY), incarnation=2)
    assert await host.hear(1) == ["up"]
    host.processes.tidy()
    wait_for_death(late)
    stat = read_stat(current)
    assert stat is not None
    assert not stat.dead
    reap_by_tidying(host, late)


async def test_looking_for_orphans_without_a_descriptor_is_put_off_in_one_line(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with no_more_descriptors():
        host.processes.tidy()
    assert [record.exc_info for record in caplog.records] == [None]
    assert "ulimit -n" in caplog.text


async def test_an_orphan_that_dies_later_is_reaped(host: Host) -> None:
    """A worker is a subreaper: a daemon whose parent ended becomes its child, and its zombie."""
    await host.spawn(
        host.shell("(setsid sh -c 'echo $$ >&3; read line <&3 </dev/null; exit' &) & sleep 1000")
    )
    [orphan] = [int(pid) for pid in await host.hear(1)]
    wait_for_death(orphan)
    reap_by_tidying(host, orphan)


async def test_a_forgotten_slot_is_absent_again(host: Host) -> None:
    await host.spawn(host.shell("exit 0"))
    await host.exited()
    await host.sweep()
    host.processes.perform(Forget(SLOT))
    assert not list((host.state / "replicas").iterdir())
    assert (await host.claim()).outcome is ClaimOutcome.ABSENT


async def test_answers_come_after_all_effects_were_performed(host: Host) -> None:
    await host.claim()
    host.start(service(*FOREVER))
    assert host.events == []
    host.signal("SIGKILL")
    await host.next(Spawned)
    assert await host.exited() == -signal.SIGKILL


async def test_the_house_is_kept_with_what_else_wakes_the_worker(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(Rotator, "check", lambda rotator: kept.set_result(None))
    host.processes._tick_from = asyncio.get_running_loop().time()
    monkeypatch.setattr(processes, "_TICK_S", 3600.0)
    host.processes.pass_by()
    assert not kept.done()
    await kept
    assert host.processes._tick_from > asyncio.get_running_loop().time()
