"""What workers have promised, as their logs on disk say: whose votes, in which terms or rounds."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.fleet import Fleet
from interrex.core.storage import Record, SetFact, Stored
from interrex.elections.paxos.node import PROMISE
from interrex.elections.raft.node import VOTE
from interrex.runtime import log_format as form
from interrex.runtime.log_store import HALF_NAMES

NOBODY = 0


class Promised(NamedTuple):
    """One promise of a log's owner. ``number`` is a term or a round, ``to`` a member."""

    owner: int
    number: int
    to: int


def promises(folder: Path) -> list[Promised]:
    """All that a log still has, in the order in which they were written."""
    halves = []
    for name in HALF_NAMES:
        data = (folder / name).read_bytes()
        header = form.decode_header(data)
        if header is not None:
            halves.append((header.generation, form.read_half(data, header)))
    batches = [
        batch for _, half in sorted(halves, key=lambda one: one[0]) for batch in half.batches
    ]
    return [promise for batch in batches for promise in _in_batch(batch)]


def _in_batch(batch: form.Batch) -> Iterator[Promised]:
    if batch.kind is form.Kind.BASE:
        facts = list(msgspec.msgpack.decode(batch.body, type=Stored).facts.items())
    else:
        records = msgspec.msgpack.decode(batch.body, type=tuple[Record, ...])
        facts = [(one.key, one.value) for one in records if isinstance(one, SetFact)]
    for key, value in facts:
        if key in (VOTE, PROMISE):
            yield Promised(*msgspec.msgpack.decode(value, type=tuple[int, int, int]))


def assert_nobody_promised_twice(fleet: Fleet) -> None:
    """By each worker's log: what is promised never falls, and no number is two members'."""
    for worker in fleet.workers:
        found = promises(fleet.layout.store(worker))
        assert found, worker
        numbers = [one.number for one in found]
        assert numbers == sorted(numbers), (worker, found)
        given = {(one.number, one.to) for one in found if one.to != NOBODY}
        assert len(given) == len({number for number, _ in given}), (worker, found)
