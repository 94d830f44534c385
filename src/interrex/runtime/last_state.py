"""What a cluster was last asked to be, read from its workers' logs while none of them answers.

Only reads, takes no lock, and passes over what makes no sense. Entries that were written and
never acknowledged count too: this is for people, and for nothing that decides.
"""

from pathlib import Path

import msgspec

from interrex.core.spec import ClusterSpec
from interrex.core.state import ClusterState, apply, decode_change, decode_state
from interrex.core.state import genesis as genesis_state
from interrex.core.storage import Record, Stored
from interrex.elections.registry import contents
from interrex.runtime import log_format as form
from interrex.runtime.genesis import Genesis
from interrex.runtime.layout import Layout
from interrex.runtime.log_format import Header, Kind
from interrex.runtime.log_state import LogState
from interrex.runtime.log_store import HALF_NAMES

_decode_records = msgspec.msgpack.Decoder(tuple[Record, ...]).decode


def last_spec(layout: Layout, genesis: Genesis) -> ClusterSpec:
    """The newest file that any of this machine's workers has heard of."""
    return last_state(layout, genesis).spec


def last_state(layout: Layout, genesis: Genesis) -> ClusterState:
    """The newest that any of this machine's workers has heard of; at index 0 where none has."""
    states = [genesis_state(genesis.spec)]
    for worker in layout.worker_names():
        stored = read_log(layout.store(worker))
        state = None if stored is None else state_in(genesis.spec, stored)
        if state is not None:
            states.append(state)
    return max(states, key=lambda state: state.index)


def read_log(folder: Path) -> Stored | None:
    """What a worker's log holds, None where there is none or it cannot be read.

    A log that is just being written may be read without its last batch.
    """
    halves = [half for name in HALF_NAMES if (half := _half(folder / name)) is not None]
    if not halves:
        return None
    header, data = max(halves, key=lambda half: half[0].generation)
    state = LogState(Stored())
    try:
        for batch in form.read_half(data, header).batches:
            if batch.kind is Kind.BASE:
                state = LogState(msgspec.msgpack.decode(batch.body, type=Stored))
            else:
                state.apply(_decode_records(batch.body))
    except msgspec.MsgspecError:
        return None
    return state.stored()


def was_used(folder: Path) -> bool:
    """Whether a worker's log was ever written to: one of an interrupted founding never was."""
    stored = read_log(folder)
    return (stored is not None and stored != Stored()) or any(folder.glob("*.corrupt-*"))


def _half(path: Path) -> tuple[Header, bytes] | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    header = form.decode_header(data)
    if header is None:
        return None
    retired = form.decode_retired(data[form.RETIRED_AT : form.RETIRED_AT + 64])
    return None if retired == header[:2] else (header, data)


def state_in(spec: ClusterSpec, stored: Stored) -> ClusterState | None:
    """The state that a log adds up to, None where it makes no sense.

    Args:
        spec: that the cluster began with; without a snapshot everything rests on it.
        stored: what the log holds.
    """
    try:
        snapshot, changes = contents(spec, stored)
        state = genesis_state(spec) if snapshot is None else decode_state(snapshot)
        for index, change in changes:
            apply(state, decode_change(change), index)
    except msgspec.MsgspecError:
        return None
    return state
