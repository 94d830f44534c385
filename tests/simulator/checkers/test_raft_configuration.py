"""Whom a server counts as voters, compared with the newest configuration in its own log."""

from interrex.core.ids import WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.storage import (
    AppendEntries,
    Entry,
    Record,
    SaveSnapshot,
    Snapshot,
    Stored,
    TruncateFrom,
)
from interrex.elections.interface import Member, Persist, Persisted
from interrex.elections.replicated.payload import (
    Configuration,
    configuration_data,
    snapshot_data,
)
from interrex.simulator.checkers.raft_configuration import NewestConfiguration
from interrex.simulator.observation import Step
from interrex.worker.interface import Started, WorkerEvent

from .histories import Core, Election, Told, began, handed_out, refuses, show, step

SPEC = ClusterSpec(name="shop", workers=3)


def voters(*numbers: int) -> Configuration:
    return Configuration({number: WorkerName(f"worker-{number}") for number in numbers})


def entry(index: int, *numbers: int, term: int = 1) -> Entry:
    """One with a configuration; without numbers, one of a leader that says nothing."""
    return Entry(index, term, configuration_data(voters(*numbers)) if numbers else b"")


def snapshot(index: int, *numbers: int) -> Snapshot:
    return Snapshot(index, 1, snapshot_data(voters(*numbers), b""))


def core(*numbers: int) -> Core:
    """A worker that goes by these voters."""
    named = voters(*numbers).voters.items()
    members = tuple(Member(worker, member, 0) for member, worker in named)
    return Core(election=Election(members=members))


def looks(core: Core, event: WorkerEvent | None = None) -> Step:
    """A step after which it is compared."""
    return step("worker-1", event=event or Persisted(1), core=core)


def wrote(*records: Record) -> list[Told]:
    return [began("worker-1"), handed_out("worker-1", *records)]


def test_who_has_appended_a_configuration_goes_by_it() -> None:
    history = wrote(AppendEntries((entry(1), entry(2, 1, 2))))
    show(NewestConfiguration(SPEC), [*history, looks(core(1, 2))])


def test_who_has_appended_none_goes_by_the_genesis() -> None:
    show(NewestConfiguration(SPEC), [*wrote(AppendEntries((entry(1),))), looks(core(1, 2, 3))])
    show(NewestConfiguration(SPEC), [began("worker-1"), looks(core(1, 2, 3), Started())])


def test_who_was_not_there_at_the_genesis_knows_nobody() -> None:
    start = began("worker-1", member=9)
    show(NewestConfiguration(SPEC), [start, looks(core(), Started())])
    refuses(NewestConfiguration(SPEC), [start, looks(core(1, 2, 3), Started())], "names nobody")


def test_a_configuration_that_is_not_gone_by_is_seen() -> None:
    refuses(
        NewestConfiguration(SPEC),
        [*wrote(AppendEntries((entry(1, 1, 2),))), looks(core(1, 2, 3))],
        r"goes by worker-1 \(1\), worker-2 \(2\), worker-3 \(3\), its log up to 1 names worker-1",
    )


def test_one_that_was_cut_off_and_is_gone_by_still_is_seen() -> None:
    cut: list[Record] = [AppendEntries((entry(1), entry(2, 1, 2))), TruncateFrom(2)]
    another = AppendEntries((entry(2, term=2),))
    for records in (cut, [*cut, another]):
        show(NewestConfiguration(SPEC), [*wrote(*records), looks(core(1, 2, 3))])
        refuses(NewestConfiguration(SPEC), [*wrote(*records), looks(core(1, 2))], "goes by")


def test_what_may_not_be_handed_out_yet_is_waited_for() -> None:
    history = wrote(AppendEntries((entry(1),)))
    show(NewestConfiguration(SPEC), [*history, looks(core(1, 2), Persisted(0))])
    next_one = Persist(2, (AppendEntries((entry(2),)),))
    more = step("worker-1", next_one, event=Persisted(1), core=core(1, 2))
    show(NewestConfiguration(SPEC), [*history, more])


def test_a_log_that_was_read_counts_from_the_start() -> None:
    stored = Stored(snapshot=snapshot(4, 1, 2, 3), entries=(entry(5, 1, 2),))
    start = began("worker-1", stored=stored)
    show(NewestConfiguration(SPEC), [start, looks(core(1, 2), Started())])
    refuses(NewestConfiguration(SPEC), [start, looks(core(1, 2, 3), Started())], "up to 5 names")


def test_who_installs_a_snapshot_goes_by_what_that_says() -> None:
    installed = SaveSnapshot(snapshot(9, 1, 2), 9, discard_log=True)
    history = wrote(AppendEntries((entry(1),)), installed)
    show(NewestConfiguration(SPEC), [*history, looks(core(1, 2))])
    refuses(NewestConfiguration(SPEC), [*history, looks(core(1, 2, 3))], "up to 9 names worker-1")


def test_a_snapshot_with_a_configuration_of_later_is_seen() -> None:
    log = AppendEntries((entry(1), entry(2), entry(3, 1, 2)))
    show(NewestConfiguration(SPEC), wrote(log, SaveSnapshot(snapshot(2, 1, 2, 3), 0)))
    refuses(
        NewestConfiguration(SPEC),
        wrote(log, SaveSnapshot(snapshot(2, 1, 2), 0)),
        r"a snapshot at 2 by which worker-1 \(1\), worker-2 \(2\) vote, by its log .* worker-3",
    )
