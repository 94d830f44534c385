"""The power is cut at every possible moment: what was acknowledged is there, and nothing half."""

import random
from pathlib import Path

import pytest

from interrex.core.storage import Stored
from interrex.runtime.log_store import LogStore
from tests.runtime.faulty_disk import MortalDisk, PowerCut
from tests.runtime.log_samples import SMALL_HALF, Model


class Life:
    """A worker's log through many power cuts.

    ``possible`` are the states that a restart may find: the acknowledged one and, if a write was
    under way, the one after it.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = random.Random(seed)
        self.model = Model()
        self.completed = False
        self.possible = [Stored()]

    def live(self, calls: int | None) -> None:
        """Runs until the power is cut at the ``calls``-th call to the disk."""
        disk = MortalDisk(calls, self.rng)
        store = LogStore(self.folder, open_file=disk.open, half_bytes=SMALL_HALF)
        try:
            stored = store.load()
            self._restart_with(stored)
            for _ in range(20):
                self._write(store)
            store.close()
        except PowerCut:
            return

    def _restart_with(self, stored: Stored) -> None:
        assert stored in self.possible
        self.possible = [stored]
        self.model = Model()
        self.model.facts = dict(stored.facts)
        self.model.snapshot = stored.snapshot
        self.model.entries = {entry.index: entry for entry in stored.entries}

    def _write(self, store: LogStore) -> None:
        batch = []
        for _ in range(self.rng.choice([1, 2, 12])):
            batch.append(self.model.draw(self.rng, large=0.1))
            self.model.add(batch[-1])
        after = self.model.stored()
        self.possible.append(Stored(dict(after.facts), after.snapshot, after.entries))
        store.write(batch)
        del self.possible[0]


@pytest.mark.parametrize("seed", range(6))
def test_an_acknowledged_batch_survives_any_power_cut(tmp_path: Path, seed: int) -> None:
    life = Life(tmp_path, seed)
    for calls in range(120):
        life.live(calls)
    life.live(None)


@pytest.mark.parametrize("seed", range(3))
def test_many_short_lives(tmp_path: Path, seed: int) -> None:
    life = Life(tmp_path, 100 + seed)
    for _ in range(200):
        life.live(life.rng.randint(0, 25))
    life.live(None)
