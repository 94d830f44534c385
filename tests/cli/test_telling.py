"""``events``, ``logs`` and ``check``: what was written, as it is asked for."""

from pathlib import Path

import msgspec
import pytest

from interrex.cli.event_lines import event_line
from interrex.cli.exits import Exit
from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.journal import Note
from interrex.runtime.journal import Event, Journal
from interrex.runtime.layout import Layout
from tests.cli.conftest import Interrex


@pytest.fixture
def history(shop: Layout) -> Layout:
    """Two workers' events, and three replicas' output."""
    for number in (1, 2):
        name = WorkerName(f"worker-{number}")
        journal = Journal(shop.events(name), name, HostName("local"))
        slot = SlotName(f"web.{number}")
        journal.write(Note(kind="replica.exited", text=f"{slot} was killed", slot=slot), 3)
        journal.write(Note(kind="worker.lost", text="it is dead", worker=WorkerName("worker-3")), 3)
        journal.close()
    logs = shop.host(HostName("local")) / "logs"
    logs.mkdir()
    for number, text in enumerate((b"a\nb\nc\n", b"d\ne", b"")):
        (logs / f"web.{number}.log").write_bytes(text)
    (logs / "api.0.log").write_bytes(b"\xff\n")
    return shop


def test_events_of_all_workers_are_merged_by_time(interrex: Interrex, history: Layout) -> None:
    lines = interrex("events", "--json").out.splitlines()
    found = [msgspec.json.decode(line, type=Event) for line in lines]
    assert len(found) == 4
    assert [event.time for event in found] == sorted(event.time for event in found)


def test_events_can_be_asked_for_by_what_they_are_about(
    interrex: Interrex, history: Layout
) -> None:
    def told(name: str) -> list[str]:
        return [line.split("  ")[-1].strip() for line in interrex("events", name).out.splitlines()]

    assert told("web") == ["web.1 was killed", "web.2 was killed"]
    assert told("web.2") == ["web.2 was killed"]
    assert told("worker-3") == ["worker-3: it is dead"] * 2
    assert told("worker-1") == ["web.1 was killed", "worker-3: it is dead"]


@pytest.mark.parametrize(("count", "left"), [(0, 0), (1, 1), (3, 3), (9, 4)])
def test_only_the_last_events_are_shown(
    interrex: Interrex, history: Layout, count: int, left: int
) -> None:
    assert len(interrex("events", "-n", str(count)).out.splitlines()) == left


def test_an_event_is_one_line() -> None:
    event = Event(
        time=1.25, by=WorkerName("worker-1"), kind="worker.lost", text="worker-2 is dead",
        worker=WorkerName("worker-2"),
    )  # fmt: skip
    line = event_line(event)
    assert line.endswith(".250  worker-1    worker.lost           worker-2 is dead")


def test_the_lines_of_several_replicas_carry_their_names(
    interrex: Interrex, history: Layout
) -> None:
    expected = "web.0 | a\nweb.0 | b\nweb.0 | c\nweb.1 | d\nweb.1 | e\n"
    assert interrex("logs", "web").out == expected


def test_the_lines_of_one_replica_are_as_it_wrote_them(interrex: Interrex, history: Layout) -> None:
    assert interrex("logs", "web.0").out == "a\nb\nc\n"
    assert interrex("logs", "web.2").out == ""


@pytest.mark.parametrize(("count", "text"), [(0, ""), (2, "b\nc\n"), (9, "a\nb\nc\n")])
def test_only_the_last_lines_are_shown(
    interrex: Interrex, history: Layout, count: int, text: str
) -> None:
    assert interrex("logs", "web.0", "-n", str(count)).out == text


def test_check_sums_up_a_file_that_is_in_order(interrex: Interrex, file: Path) -> None:
    said = interrex("check", file)
    assert said.code == Exit.OK
    assert said.out.endswith("in order: cluster shop, 3 workers, 1 service, 2 replicas\n")


def test_check_tells_machines_the_same(interrex: Interrex, file: Path) -> None:
    file.write_text(file.read_text().replace("replicas", "replcas"))
    said = interrex("check", file, "--json")
    document = msgspec.json.decode(said.out)
    assert said.code == Exit.USAGE
    assert document["ok"] is False
    assert document["problems"][0]["line"] == 6
    assert "did you mean replicas?" in document["problems"][0]["message"]


def test_check_counts_the_descriptors_that_a_worker_may_need(
    interrex: Interrex, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interrex.cli.preflight.resource.getrlimit", lambda limit: (64, 64))
    said = interrex("check", file)
    assert said.code == Exit.USAGE
    assert "too few file descriptors: 64 are allowed" in said.out
