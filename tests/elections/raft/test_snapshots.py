"""Extended paper, section 7: log compaction."""

from collections.abc import Callable

import pytest

from interrex.core.storage import SaveSnapshot, Snapshot, Stored
from interrex.core.time import MS
from interrex.elections.interface import (
    MalformedPayload,
    Persist,
    Restored,
    SnapshotTaken,
    TakeSnapshot,
)
from interrex.elections.raft import RaftSettings
from interrex.elections.raft import messages as m
from interrex.elections.replicated.payload import Configuration, snapshot_data

from .network import Network, Server
from .solo import Solo, change, stored, voters

SMALL = RaftSettings(snapshot_after=5, trailing_entries=2, snapshot_chunk_bytes=100)


def filled(settings: RaftSettings = SMALL) -> Solo:
    server = Solo(settings=settings)
    server.hear(2, 1, *[change(index, 1) for index in range(1, 8)], commit=6)
    return server


def snapshot(index: int, term: int, data: bytes = b"state", members: int = 3) -> Snapshot:
    return Snapshot(index, term, snapshot_data(Configuration(voters(members)), data))


def send(server: Solo, snap: Snapshot, size: int = 1000, term: int = 2) -> None:
    for offset in range(0, len(snap.data), size):
        part = snap.data[offset : offset + size]
        server.receive(
            m.InstallSnapshot(1, 2, term, snap.index, snap.epoch, offset, len(snap.data), part)
        )


def test_each_server_takes_its_own_snapshot_when_the_log_has_grown() -> None:
    """7: servers snapshot independently, of committed entries only, when the log is long enough."""
    server = filled()
    assert [one.index for one in server.said(TakeSnapshot)] == [6]


def test_a_log_of_few_large_entries_is_compacted_too() -> None:
    """7: when it reaches a fixed size in bytes."""
    server = filled(RaftSettings(snapshot_after_bytes=20))
    assert [one.index for one in server.said(TakeSnapshot)] == [6]


def test_a_snapshot_replaces_the_log_up_to_its_index() -> None:
    """7: once written, all log entries up through the last included index may go; some stay
    behind it here, for followers that lag a little."""
    server = filled()
    server.step(SnapshotTaken(6, b"state"))
    assert server.log == [(5, 1), (6, 1), (7, 1)]
    assert server.disk.snapshot is not None
    assert (server.disk.snapshot.index, server.disk.snapshot.epoch) == (6, 1)


def test_a_snapshot_that_was_overtaken_is_dropped() -> None:
    server = filled()
    server.step(SnapshotTaken(6, b"state"))
    server.step(SnapshotTaken(3, b"old"))
    server.step(SnapshotTaken(7, b"not applied yet"))
    assert server.disk.snapshot is not None
    assert server.disk.snapshot.index == 6


def test_a_restarted_server_hands_out_its_snapshot_first() -> None:
    """7: the state machine is reset by the snapshot's contents; the log goes on behind it."""
    server = filled()
    server.step(SnapshotTaken(6, b"state"))
    again = Solo(stored=server.disk.stored(), settings=SMALL)
    assert again.said(Restored) == [Restored(6, b"state")]
    again.hear(2, 1, prev=7, commit=7)
    assert again.committed == [b"7.1"]


def test_a_snapshot_holds_the_configuration() -> None:
    """7: the snapshot also includes the latest configuration as of its index."""
    server = filled()
    send(server, snapshot(20, 2, members=5))
    again = Solo(stored=server.disk.stored())
    assert [one.member for one in again.core.members] == [1, 2, 3, 4, 5]


def test_a_follower_that_is_too_far_behind_gets_the_snapshot() -> None:
    """7: the leader sends it when it has discarded the next entry to send."""
    settings = RaftSettings(snapshot_after=10, trailing_entries=0, snapshot_chunk_bytes=50)
    network = Network(3, settings=settings)
    network.start()
    leader = network.elect()
    late = network.followers(leader)[0]
    network.kill(late)
    for number in range(40):
        network.propose(leader, f"c{number}")
        network.run(5 * MS)
    network.boot(late)
    network.run(200 * MS)
    assert late.data == leader.data
    assert late.disk.snapshot is not None


def test_a_snapshot_is_sent_in_chunks_and_each_is_answered() -> None:
    """7: InstallSnapshot sends chunks in order; each resets the election timer."""
    server = Solo(settings=SMALL)
    snap = snapshot(9, 1, b"x" * 500)
    send(server, snap, size=100)
    wanted = [one.offset for one in server.taken(m.SnapshotWanted)]
    assert wanted == list(range(100, len(snap.data), 100))
    assert server.said(Restored) == [Restored(9, b"x" * 500)]


def test_a_chunk_out_of_order_is_asked_for_again() -> None:
    """7, on a network that loses and repeats."""
    server = Solo()
    server.receive(m.InstallSnapshot(1, 2, 1, 9, 1, 100, 300, b"x" * 100))
    assert [one.offset for one in server.taken(m.SnapshotWanted)] == [0]
    server.receive(m.InstallSnapshot(1, 2, 1, 9, 1, 0, 300, b"x" * 100))
    server.receive(m.InstallSnapshot(1, 2, 1, 9, 1, 0, 300, b"x" * 100))
    assert [one.offset for one in server.taken(m.SnapshotWanted)] == [100, 100]


def test_an_installed_snapshot_is_acknowledged_when_it_is_on_disk() -> None:
    """7: reply once it is saved."""
    server = Solo(persists=False)
    send(server, snapshot(9, 1))
    assert server.taken(m.AppendAccepted) == []
    server.write()
    assert [one.matched for one in server.taken(m.AppendAccepted)] == [9]


def test_a_snapshot_of_a_prefix_keeps_what_follows() -> None:
    """7: if it describes a prefix of the log, the entries behind it are still valid."""
    server = Solo()
    server.hear(2, 1, *[change(index, 1) for index in range(1, 6)])
    send(server, snapshot(3, 1), term=1)
    assert server.log == [(4, 1), (5, 1)]


def test_a_snapshot_of_another_log_discards_it_all() -> None:
    """7: otherwise the follower discards its entire log."""
    server = Solo(stored=stored(1, 1, 1, 1, 1))
    send(server, snapshot(3, 2))
    saved = [
        record
        for persist in server.said(Persist)
        for record in persist.records
        if isinstance(record, SaveSnapshot)
    ]
    assert [one.discard_log for one in saved] == [True]
    assert server.log == []
    server.hear(2, 2, change(4, 2), prev=3, commit=4)
    assert server.committed == [b"4.2"]


def test_a_snapshot_of_what_is_applied_already_changes_nothing() -> None:
    """7: a stale one, delivered late."""
    server = filled()
    send(server, snapshot(4, 1), term=1)
    assert server.said(Restored) == []
    assert [one.matched for one in server.taken(m.AppendAccepted)][-1] == 7


def test_a_lost_chunk_is_sent_again() -> None:
    """7, on a network that loses: the next answered heartbeat shows that nothing moves."""
    settings = RaftSettings(snapshot_after=5, trailing_entries=0, snapshot_chunk_bytes=60)
    network = Network(3, settings=settings)
    network.start()
    leader = network.elect()
    late = network.followers(leader)[0]
    network.kill(late)
    for number in range(20):
        network.propose(leader, f"c{number}")
        network.run(5 * MS)
    network.boot(late)
    usual = network.latency
    dropped: list[m.Message] = []

    def lossy(sender: Server, target: Server, message: m.Message) -> int | None:
        if isinstance(message, m.InstallSnapshot) and len(dropped) < 3:
            dropped.append(message)
            return None
        return usual(sender, target, message)

    network.latency = lossy
    network.run(1_000 * MS)
    assert len(dropped) == 3
    assert late.data == leader.data


def test_a_doubled_question_for_a_chunk_does_not_double_the_traffic() -> None:
    """Each answered repetition would be repeated in turn, for ever (RFC 1123, 4.2.3.1)."""
    found = stored(1)
    server = Solo(stored=Stored(found.facts, snapshot(6, 1, b"x" * 900)), settings=SMALL)
    server.become_leader()
    server.receive(m.AppendRefused(1, 2, 2, 6, 0, 0))
    sent = []
    for offset in (100, 100, 200, 100, 200):
        server.receive(m.SnapshotWanted(1, 2, 2, 6, offset))
        sent += [one.offset for one in server.taken(m.InstallSnapshot)]
    assert sent == [0, 100, 200]


@pytest.mark.parametrize(
    "message",
    [
        lambda: m.InstallSnapshot(1, 2, 1, 9, 1, 0, 5, b"longer than it says"),
        lambda: m.InstallSnapshot(1, 2, 1, 9, 1, 0, 3, b"\xff\xff\xff"),
        lambda: m.InstallSnapshot(1, 2, 1, 9, 1, 0, 2**60, b"x"),
    ],
)
def test_a_snapshot_that_is_none_is_malformed(message: Callable[[], m.Message]) -> None:
    server = Solo()
    with pytest.raises(MalformedPayload):
        server.receive(message())


def test_a_stored_log_may_begin_before_its_snapshot() -> None:
    """Entries kept behind a snapshot are found again, but for the first, whose predecessor's term
    is unknown."""
    entries = tuple(change(index, 1) for index in range(3, 9))
    found = stored(1)
    disk = Stored(found.facts, snapshot(6, 1), entries)
    log = Solo(stored=disk).core._server.node.log
    assert (log.first_index, log.last_index, log.term_at(3), log.term_at(2)) == (4, 8, 1, None)
