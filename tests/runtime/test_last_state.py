"""What a fleet was last asked to be, read from logs that nobody holds."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.run_folder import run_folder
from interrex.core.ids import ChangeId, ServiceName
from interrex.core.spec import ClusterSpec, ServiceSpec
from interrex.core.state import Change, Scale, encode_change, encode_state
from interrex.core.state import genesis as genesis_state
from interrex.core.storage import AppendEntries, Entry, Record, SaveSnapshot, Snapshot, TruncateFrom
from interrex.elections.replicated.payload import Configuration, change_data, snapshot_data
from interrex.runtime.genesis import Genesis, new_genesis
from interrex.runtime.last_state import last_spec, read_log
from interrex.runtime.layout import Layout
from interrex.runtime.log_store import HALF_NAMES, LogStore
from interrex.runtime.opening import create_log

WEB = ServiceName("web")


def asked_for(replicas: int) -> ClusterSpec:
    web = ServiceSpec(name=WEB, command=("serve",), replicas=replicas)
    return ClusterSpec(name="shop", services={WEB: web})


class Shop:
    """A cluster of three workers' logs."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.genesis: Genesis = new_genesis(asked_for(1), "id")
        for worker in self.genesis.members.values():
            create_log(layout, self.genesis, worker)

    def write(self, number: int, *records: Record) -> None:
        """Let a worker's log go on, a batch for each record."""
        store = LogStore(self.layout.store(self.genesis.members[number]), must_exist=True)
        store.load()
        for record in records:
            store.write([record])
        store.close()

    def replicas(self) -> int:
        return last_spec(self.layout, self.genesis).services[WEB].replicas


def scale(index: int, replicas: int) -> Entry:
    name = ChangeId(f"c{index}-{replicas}")
    change = Change(name, 0, (Scale(WEB, replicas),))
    return Entry(index, 1, change_data(name, encode_change(change)))


@pytest.fixture
def shop() -> Iterator[Shop]:
    folder = Path(tempfile.mkdtemp(prefix="ixs-", dir=run_folder()))
    yield Shop(Layout(folder, "shop"))
    shutil.rmtree(folder)


def test_a_fleet_that_was_never_changed_is_as_it_began(shop: Shop) -> None:
    assert shop.replicas() == 1
    shutil.rmtree(shop.layout.home / "workers")
    assert shop.replicas() == 1


def test_the_worker_that_heard_of_most_is_believed(shop: Shop) -> None:
    shop.write(1, AppendEntries((scale(1, 2),)))
    shop.write(2, AppendEntries((scale(1, 2), Entry(2, 1, b""), scale(3, 5))))
    assert shop.replicas() == 5


def test_what_was_taken_back_does_not_count(shop: Shop) -> None:
    shop.write(1, AppendEntries((scale(1, 2), scale(2, 7))), TruncateFrom(2))
    shop.write(1, AppendEntries((scale(2, 3),)))
    assert shop.replicas() == 3


def test_a_snapshot_stands_for_what_was_before_it(shop: Shop) -> None:
    state = genesis_state(asked_for(4))
    state.index = 9
    members = Configuration(voters=dict(shop.genesis.members))
    snapshot = Snapshot(9, 1, snapshot_data(members, encode_state(state)))
    shop.write(1, SaveSnapshot(snapshot, keep_after=9, discard_log=True))
    assert shop.replicas() == 4
    shop.write(1, AppendEntries((scale(10, 6),)))
    assert shop.replicas() == 6


def test_damaged_logs_are_passed_over(shop: Shop) -> None:
    shop.write(1, AppendEntries((scale(1, 2),)))
    shop.write(2, AppendEntries((Entry(1, 1, b"\x01\x00\x01c\xff"), scale(2, 9))))
    folder = shop.layout.store(shop.genesis.members[3])
    for name in HALF_NAMES:
        (folder / name).write_bytes(b"nonsense")
    assert shop.replicas() == 2
    assert read_log(folder) is None


def test_reading_changes_nothing(shop: Shop) -> None:
    shop.write(1, AppendEntries((scale(1, 2),)))
    folder = shop.layout.store(shop.genesis.members[1])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    stored = read_log(folder)
    assert stored is not None
    assert msgspec.structs.asdict(stored)["entries"] == (scale(1, 2),)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
