"""Output of slots that are gone: kept for a while, then deleted; of all others it is never."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interrex.core.ids import SlotName
from interrex.runtime.old_logs import KEPT_S, prune_forgotten
from interrex.runtime.records import ReplicaRecord, lock_record
from interrex.supervision.interface import Forget
from tests.runtime.host_harness import SLOT, Host

NOW = 2_000_000_000.0
NAMES = ("web.0.log", "web.0.log.00000000000000004096", "web.0.log.rotating")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (tmp_path / "replicas").mkdir()
    return folder


def write(logs: Path, age_s: float, *names: str) -> None:
    for name in names:
        (logs / name).write_text("a line\n")
        os.utime(logs / name, (NOW - age_s, NOW - age_s))


def record(logs: Path, slot: str) -> None:
    lock = lock_record(logs.parent / "replicas", SlotName(slot))
    assert lock is not None
    lock.write(
        ReplicaRecord(
            slot=SlotName(slot), incarnation=1, generation=1, epoch=1, port=1, instance="", log=""
        )
    )
    lock.close()


def prune(logs: Path) -> list[SlotName]:
    return prune_forgotten(logs, logs.parent / "replicas", NOW)


def left(logs: Path) -> list[str]:
    return sorted(path.name for path in logs.iterdir())


def test_all_files_of_a_slot_that_is_gone_for_long_are_deleted(logs: Path) -> None:
    write(logs, KEPT_S + 1, *NAMES)
    assert prune(logs) == [SLOT]
    assert left(logs) == []
    assert list((logs.parent / "replicas").iterdir()) == [], "no record is left of looking"


def test_they_are_kept_for_the_stated_time(logs: Path) -> None:
    write(logs, KEPT_S - 1, "web.0.log")
    write(logs, 10 * KEPT_S, *NAMES[1:])
    assert prune(logs) == []
    assert left(logs) == sorted(NAMES)


def test_a_slot_that_has_a_record_keeps_its_output_however_old(logs: Path) -> None:
    write(logs, 10 * KEPT_S, *NAMES, "web.1.log")
    record(logs, "web.0")
    assert prune(logs) == ["web.1"]
    assert left(logs) == sorted(NAMES)


def test_a_slot_that_somebody_is_just_taking_up_keeps_its_output(logs: Path) -> None:
    write(logs, 10 * KEPT_S, *NAMES)
    held = lock_record(logs.parent / "replicas", SLOT)
    assert held is not None
    assert prune(logs) == []
    held.close()
    assert left(logs) == sorted(NAMES)


def test_a_record_that_nobody_ever_wrote_keeps_nothing(logs: Path) -> None:
    write(logs, 10 * KEPT_S, *NAMES)
    (logs.parent / "replicas" / SLOT).touch()
    assert prune(logs) == [SLOT]


def test_other_files_are_none_of_its_business(logs: Path) -> None:
    names = ("notes.txt", "web.log", "web.0.log.bak", "web.0.log.17")
    write(logs, 10 * KEPT_S, *names)
    assert prune(logs) == []
    assert left(logs) == sorted(names)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    made = Host(tmp_path)
    yield made
    made.kill_all()


async def test_a_forgotten_slots_output_is_there_until_its_time_is_over(host: Host) -> None:
    await host.spawn(host.shell("echo a line; echo up >&3; exit 0"))
    await host.hear(1)
    await host.exited()
    await host.sweep()
    host.processes.perform(Forget(SLOT))
    path = host.processes.log_path(SLOT)
    written = path.stat().st_mtime
    folders = host.state / "logs", host.state / "replicas"
    assert prune_forgotten(*folders, written + KEPT_S) == []
    assert path.read_text() == "a line\n"
    assert prune_forgotten(*folders, written + KEPT_S + 1) == [SLOT]
    assert not path.exists()
