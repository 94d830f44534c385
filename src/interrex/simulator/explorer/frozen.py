"""One server as plain, comparable data, and what happens to it without a core.

What is kept, and what is dropped and why it may be: docs/simulator-explorer.md.
"""

from operator import itemgetter
from typing import NamedTuple

from interrex.core.errors import ensure
from interrex.elections.raft.progress import State
from interrex.elections.replicated.detection import Loss
from interrex.simulator.explorer.letters import Letter

Log = tuple[tuple[int, bytes], ...]
"""Term and data of the entries 1, 2, ..."""


class VoteWritten(NamedTuple):
    term: int
    vote: int


class EntriesWritten(NamedTuple):
    first: int
    entries: Log


class Truncated(NamedTuple):
    start: int


FrozenRecord = VoteWritten | EntriesWritten | Truncated


class Disk(NamedTuple):
    """What a crash leaves."""

    term: int
    vote: int
    log: Log


class Write(NamedTuple):
    """A ``Persist`` under way, and up to which index of the log it reaches for the core."""

    records: tuple[FrozenRecord, ...]
    reaches: int


class Outbox(NamedTuple):
    """The core's own side of the disk: what is gathered, and what waits for which write."""

    records: tuple[FrozenRecord, ...]
    entries: int
    reaches: int
    urgent: bool
    held: tuple[tuple[int, int, Letter], ...]
    """Behind how many writes, to whom, what."""


class Belief(NamedTuple):
    """What is believed of the leader."""

    leader: int
    loss: Loss
    ended: int
    tried: bool
    former: tuple[int, int]
    dead: tuple[int, ...]
    remembered: tuple[tuple[int, Letter], ...]


class Following(NamedTuple):
    verified: int
    acknowledge: bool
    acknowledged: int


class Standing(NamedTuple):
    asking: bool
    answers: tuple[tuple[int, bool], ...]
    own_vote: int
    """Behind how many writes; only while ``stored`` is False."""
    stored: bool


class Reached(NamedTuple):
    """A leader's view of one follower."""

    match: int
    next: int
    state: State
    paused: bool
    inflight: tuple[int, ...]
    unsent: int
    """Bytes; only while entries are sent ahead, it is counted anew before that."""
    sent_round: int
    commit_sent: int


class Leading(NamedTuple):
    beats: int
    first_index: int
    reached: tuple[tuple[int, Reached], ...]
    handover: tuple[int, bool]
    """To whom, and whether it was told; (0, False) for none."""


class Core(NamedTuple):
    """A living server, as far as it decides what happens next."""

    term: int
    vote: int
    log: Log
    persisted: int
    commit: int
    outbox: Outbox
    belief: Belief
    term_led: tuple[int, int]
    role: Following | Standing | Leading


class Local(NamedTuple):
    """One server with its disk. ``core`` is None while its process is dead."""

    disk: Disk
    writing: tuple[Write, ...]
    core: Core | None


def written(disk: Disk, write: Write) -> Disk:
    """A disk after a write, by the storage contract."""
    term, vote, log = disk
    for record in write.records:
        match record:
            case VoteWritten(new_term, new_vote):
                term, vote = new_term, new_vote
            case Truncated(start):
                log = log[: start - 1]
            case EntriesWritten(first, entries):
                ensure(first == len(log) + 1, "entries are stored without gaps")
                log += entries
    return Disk(term, vote, log)


def without_round(local: Local, member: int) -> Local:
    """The same server when a peer's present campaign has become an earlier one."""
    core = local.core
    if core is None:
        return local
    held = tuple(
        (behind, to, letter.stale() if to == member and letter.is_live else letter)
        for behind, to, letter in core.outbox.held
    )
    remembered = tuple(
        (source, letter.stale() if source == member else letter)
        for source, letter in core.belief.remembered
    )
    outbox = core.outbox._replace(held=held)
    belief = core.belief._replace(remembered=remembered)
    return local._replace(core=core._replace(outbox=outbox, belief=belief))


_OTHER = (0, 1, 3, 2)


def swapped(local: Local) -> Local:
    """The same server where its two peers have exchanged their places."""
    disk, writing, core = local
    return Local(
        disk._replace(vote=_OTHER[disk.vote]),
        tuple(one._replace(records=_swapped_records(one.records)) for one in writing),
        None if core is None else _swapped_core(core),
    )


def _swapped_records(records: tuple[FrozenRecord, ...]) -> tuple[FrozenRecord, ...]:
    return tuple(
        VoteWritten(record.term, _OTHER[record.vote]) if isinstance(record, VoteWritten) else record
        for record in records
    )


def _swapped_core(core: Core) -> Core:
    outbox, belief, role = core.outbox, core.belief, core.role
    if isinstance(role, Standing):
        answers = sorted((_OTHER[one], granted) for one, granted in role.answers)
        role = role._replace(answers=tuple(answers))
    elif isinstance(role, Leading):
        target, told = role.handover
        role = role._replace(
            reached=tuple(sorted((_OTHER[one], reached) for one, reached in role.reached)),
            handover=(_OTHER[target], told),
        )
    remembered = [(_OTHER[source], letter) for source, letter in belief.remembered]
    return core._replace(
        vote=_OTHER[core.vote],
        term_led=(core.term_led[0], _OTHER[core.term_led[1]]),
        outbox=outbox._replace(
            records=_swapped_records(outbox.records),
            held=tuple((behind, _OTHER[to], letter) for behind, to, letter in outbox.held),
        ),
        belief=belief._replace(
            leader=_OTHER[belief.leader],
            former=(_OTHER[belief.former[0]], belief.former[1]),
            dead=tuple(sorted(_OTHER[one] for one in belief.dead)),
            remembered=tuple(sorted(remembered, key=itemgetter(0))),
        ),
        role=role,
    )
