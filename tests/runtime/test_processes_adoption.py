"""Faults 38 and 39 with real processes: what a dead worker ran is adopted, a stranger never is."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from interrex.runtime.pidfd import ProcessIdentity, open_pidfd
from interrex.runtime.procfs import read_stat
from interrex.runtime.records import LockedRecord, ReplicaRecord, lock_record, read_record
from interrex.supervision.interface import (
    Claim,
    Claimed,
    ClaimOutcome,
    Exited,
    Release,
    Spawned,
    Sweep,
)
from tests.runtime.host_harness import PATIENCE_S, SLOT, Host, record_fields, service

FOREVER = ("sleep", "1000")

OTHER_WORKER = """
import asyncio, sys
from tests.runtime.host_harness import *
from interrex.supervision.interface import Release

async def main():
    host = Host(Path(sys.argv[1]), listening=False)
    await host.spawn(host.shell(sys.argv[2]))
    print("up", flush=True)
    sys.stdin.readline()
    host.processes.perform(Release(SLOT))
    print("released", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    made = Host(tmp_path)
    yield made
    made.kill_all()


class OtherWorker:
    """Another process that has started one replica in the slot."""

    def __init__(self, state: Path, script: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER_WORKER, str(state), script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self.expect("up")

    def expect(self, word: str) -> None:
        """Waits for its next line."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline().decode().strip() == word

    def release(self) -> None:
        """Makes it release the slot and live on as the replica's parent."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.expect("released")

    def kill(self) -> None:
        """Kills it."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[[str], OtherWorker]]:
    workers: list[OtherWorker] = []

    def start(script: str) -> OtherWorker:
        workers.append(OtherWorker(tmp_path, script))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


def kill_and_wait(pid: int) -> None:
    """Kills a process and waits until it is dead."""
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([handle], [], [], PATIENCE_S)[0]
    os.close(handle)


def lock(state: Path) -> LockedRecord:
    """Locks the slot's record by hand."""
    (state / "replicas").mkdir(exist_ok=True)
    locked = lock_record(state / "replicas", SLOT)
    assert locked is not None
    return locked


def forge(state: Path, process: ProcessIdentity | None, **fields: object) -> ReplicaRecord:
    """Writes a record as a worker would have that ran this process."""
    record = ReplicaRecord(
        slot=SLOT,
        incarnation=5,
        generation=7,
        epoch=3,
        port=0,
        instance="forged",
        log="",
        process=process,
    )
    record = msgspec.structs.replace(record, **fields)
    locked = lock(state)
    locked.write(record)
    locked.close()
    return record


def edit(state: Path, **fields: object) -> None:
    """Changes fields of the slot's record."""
    record = read_record(state / "replicas" / SLOT)
    assert record is not None
    locked = lock(state)
    locked.write(msgspec.structs.replace(record, **fields))
    locked.close()


StartStranger = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start_stranger() -> Iterator[StartStranger]:
    """Starts programs that are none of ours, leading sessions as replicas would."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environment: str) -> subprocess.Popen[bytes]:
        environment["PATH"] = os.environ["PATH"]
        process = subprocess.Popen(
            command,
            start_new_session=True,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_without_reaping(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def test_what_another_worker_supervises_is_locked(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    start_worker("sleep 1000")
    assert (await host.claim()).outcome is ClaimOutcome.LOCKED


async def test_the_replica_of_a_killed_worker_lives_on_and_is_adopted_with_its_facts(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    """The lock fell with the worker: its replica did not inherit it."""
    start_worker("sleep 1000").kill()
    claimed = await host.claim()
    assert claimed.outcome is ClaimOutcome.ADOPTED
    assert claimed.pid == record_fields(host.state)["process"]["pid"]
    assert (claimed.incarnation, claimed.generation, claimed.port) == (1, 7, 0)


async def test_an_adopted_replica_is_signalled_and_its_death_is_proof_without_a_status(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    start_worker("sleep 1000").release()
    assert (await host.claim()).outcome is ClaimOutcome.ADOPTED
    host.signal("SIGTERM")
    assert await host.next(Exited) == Exited(SLOT, 1, None)


async def test_children_and_daemons_of_an_adopted_replica_are_swept(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    start_worker(
        "sleep 1000 & echo $! >&3; setsid sh -c 'sleep 1000 & echo $$ $! >&3; wait' & "
        "trap 'exit 1' USR1; while :; do wait; done"
    ).release()
    left = [int(pid) for pid in await host.hear(3)]
    claimed = await host.claim()
    assert claimed.pid is not None
    os.kill(claimed.pid, signal.SIGKILL)
    await host.exited()
    assert await host.sweep() == 3
    for pid in left:
        stat = read_stat(pid)
        assert stat is None or stat.dead


async def test_a_replica_that_died_with_its_worker_is_gone_and_its_remains_are_swept(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    worker = start_worker("sleep 1000 & echo $! >&3; wait")
    [child] = [int(pid) for pid in await host.hear(1)]
    worker.kill()
    main = record_fields(host.state)["process"]["pid"]
    kill_and_wait(main)
    claimed = await host.claim()
    assert (claimed.outcome, claimed.incarnation, claimed.pid) == (ClaimOutcome.GONE, 1, None)
    assert await host.sweep() == 1
    stat = read_stat(child)
    assert stat is None or stat.dead


async def test_a_released_replica_lives_on_is_reaped_and_can_be_taken_up_again(host: Host) -> None:
    pid = await host.spawn(service(*FOREVER))
    host.processes.perform(Release(SLOT))
    claimed = await host.claim()
    assert (claimed.outcome, claimed.pid) == (ClaimOutcome.ADOPTED, pid)
    host.signal("SIGTERM")
    assert await host.exited() == -signal.SIGTERM, "our own child's status is known"
    host.start(service(*FOREVER), incarnation=2)
    second = (await host.next(Spawned)).pid
    host.processes.perform(Release(SLOT))
    kill_and_wait(second)
    host.processes.perform(Claim(SLOT))
    assert (await host.next(Claimed)).outcome is ClaimOutcome.GONE
    assert read_stat(second) is None, "reaped though released"


async def test_a_sweep_ends_with_the_hold_and_spares_what_the_next_holder_starts(
    host: Host,
) -> None:
    forge(host.state, None)
    assert (await host.claim()).outcome is ClaimOutcome.GONE
    host.processes.perform(Sweep(SLOT, 5))
    host.processes.perform(Release(SLOT))
    other = Host(host.state, listening=False)
    pid = await other.spawn(host.shell("echo up >&3; sleep 1000; true"))
    assert await host.hear(1) == ["up"]
    scanner = host.processes._sweeper.find("")  # comes after the sweep's own scan
    assert pid in await scanner
    stat = read_stat(pid)
    assert stat is not None
    assert not stat.dead
    assert host.events == []
    other.kill_all()


# Pid reuse (39): a record that names a stranger's pid


async def expect_gone_and_untouched(host: Host, process: subprocess.Popen[bytes]) -> None:
    """The stranger is not adopted, not signalled and not swept."""
    assert (await host.claim()).outcome is ClaimOutcome.GONE
    host.signal("SIGKILL", incarnation=5)
    assert await host.sweep(incarnation=5) == 0
    assert process.poll() is None


async def test_a_pid_with_another_start_time_is_somebody_elses(
    host: Host, start_stranger: StartStranger
) -> None:
    stranger = start_stranger(*FOREVER)
    identity = ProcessIdentity.of(stranger.pid)
    assert identity is not None
    forge(host.state, msgspec.structs.replace(identity, start_time=identity.start_time - 1))
    await expect_gone_and_untouched(host, stranger)


@pytest.mark.parametrize("field", [{"boot_id": "of another boot"}, {"pid_namespace": 1}])
async def test_a_pid_of_another_boot_or_namespace_is_somebody_elses(
    host: Host, start_stranger: StartStranger, field: dict[str, object]
) -> None:
    stranger = start_stranger(*FOREVER)
    identity = ProcessIdentity.of(stranger.pid)
    assert identity is not None
    forge(host.state, msgspec.structs.replace(identity, **field))
    await expect_gone_and_untouched(host, stranger)


async def test_a_process_with_another_instance_id_is_somebody_elses(
    host: Host, start_stranger: StartStranger
) -> None:
    process = start_stranger(
        "sh", "-c", "echo; read line", INTERREX_INSTANCE="web.0@another-host:5.7:random"
    )
    assert process.stdout is not None
    process.stdout.readline()  # the exec is over: its environment can be read
    forge(host.state, ProcessIdentity.of(process.pid))
    await expect_gone_and_untouched(host, process)


async def test_a_zombie_is_dead(host: Host, start_stranger: StartStranger) -> None:
    process = start_stranger("true")
    wait_without_reaping(process.pid)
    identity = ProcessIdentity.of(process.pid)
    assert identity is not None
    assert not identity.verify()
    assert open_pidfd(identity) is None
    forge(host.state, identity)
    assert (await host.claim()).outcome is ClaimOutcome.GONE


# The crash window, and a record that cannot be read


async def test_a_child_whose_pid_was_not_noted_is_found_by_its_instance_id(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    start_worker("sleep 1000").kill()
    pid = record_fields(host.state)["process"]["pid"]
    edit(host.state, process=None)
    claimed = await host.claim()
    assert (claimed.outcome, claimed.pid) == (ClaimOutcome.ADOPTED, pid)
    assert record_fields(host.state)["process"]["pid"] == pid, "and noted now"


async def test_an_intent_that_was_not_carried_out_is_gone(host: Host) -> None:
    forge(host.state, None, instance="web.0@host:5.7:random")
    claimed = await host.claim()
    assert (claimed.outcome, claimed.incarnation) == (ClaimOutcome.GONE, 5)
    assert await host.sweep(incarnation=5) == 0


async def test_a_corrupt_record_is_made_again_from_the_living_process(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    start_worker("sleep 1000 & wait").kill()
    before = read_record(host.state / "replicas" / SLOT)
    assert before is not None
    path = host.state / "replicas" / SLOT
    path.write_bytes(path.read_bytes().replace(b'"generation":7', b'"generation":8'))
    claimed = await host.claim()
    assert claimed.outcome is ClaimOutcome.ADOPTED
    assert (claimed.incarnation, claimed.generation) == (1, 7)
    after = read_record(path)
    assert after is not None
    assert msgspec.structs.replace(after, written_at=before.written_at) == before


@pytest.mark.parametrize("lose", [Path.unlink, Path.touch])
async def test_a_lost_record_is_made_again_from_the_living_process(
    host: Host, start_worker: Callable[[str], OtherWorker], lose: Callable[[Path], None]
) -> None:
    """Somebody deletes or empties the file: the replica must not be started a second time."""
    start_worker("sleep 1000 & wait").kill()
    path = host.state / "replicas" / SLOT
    before = read_record(path)
    path.write_bytes(b"")
    lose(path)
    claimed = await host.claim()
    assert claimed.outcome is ClaimOutcome.ADOPTED
    after = read_record(path)
    assert before is not None
    assert after is not None
    assert after.process == before.process


async def test_what_a_replica_without_record_left_behind_is_swept(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    worker = start_worker("sleep 1000 & echo up >&3; wait")
    assert await host.hear(1) == ["up"]
    worker.kill()
    kill_and_wait(record_fields(host.state)["process"]["pid"])
    (host.state / "replicas" / SLOT).unlink()
    assert (await host.claim()).outcome is ClaimOutcome.GONE
    assert await host.sweep(incarnation=0) == 1


async def test_a_corrupt_record_without_its_main_process_is_gone_and_its_remains_are_swept(
    host: Host, start_worker: Callable[[str], OtherWorker]
) -> None:
    worker = start_worker("sleep 1000 & echo up >&3; wait")
    assert await host.hear(1) == ["up"]
    worker.kill()
    main = record_fields(host.state)["process"]["pid"]
    kill_and_wait(main)
    (host.state / "replicas" / SLOT).write_bytes(b"{torn")
    claimed = await host.claim()
    assert (claimed.outcome, claimed.incarnation) == (ClaimOutcome.GONE, 0)
    assert await host.sweep(incarnation=0) == 1
    await host.spawn(service(*FOREVER))
