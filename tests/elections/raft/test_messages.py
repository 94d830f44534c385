"""Bytes from outside: every message comes back as it was, and nothing else is taken."""

import msgspec
import pytest

from interrex.core.errors import InterrexError
from interrex.core.spec import Timing
from interrex.core.storage import Entry
from interrex.core.time import MS
from interrex.elections.interface import MalformedPayload
from interrex.elections.raft import RaftSettings, settings_from
from interrex.elections.raft import messages as m

from .solo import Solo, change

EXAMPLES: list[m.Message] = [
    m.PreVote(1, 2, 3, 4, 5, 6, 7),
    m.PreVoteAnswer(1, 2, 3, 4, granted=True),
    m.PreVoteWithdrawn(1, 2, 3, 4),
    m.RequestVote(1, 2, 3, 4, 5, 6, 7),
    m.Vote(1, 2, 3, 4, granted=False),
    m.AppendEntries(1, 2, 3, 0, 0, 0, (4, 5), (change(1, 1), change(2, 3))),
    m.AppendAccepted(1, 2, 3, 4),
    m.AppendRefused(1, 2, 3, 4, 5, 6),
    m.Advance(1, 2, 3, 4),
    m.Heartbeat(1, 2, 3, 4, 5, 6, 7, (8,)),
    m.HeartbeatAnswer(1, 2, 3, 4, 5, 6),
    m.InstallSnapshot(1, 2, 3, 4, 5, 0, 3, b"abc"),
    m.SnapshotWanted(1, 2, 3, 4, 5),
    m.TimeoutNow(1, 2, 3),
    m.NewerTerm(1, 2, 3),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_as_it_was(message: m.Message) -> None:
    assert m.decode(m.encode(message)) == message


def test_every_kind_of_message_has_an_example() -> None:
    assert {type(message) for message in EXAMPLES} == set(m.Message.__args__)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x93\x01",
        msgspec.msgpack.encode([99, 1, 2, 3]),
        msgspec.msgpack.encode([14, 1, 2]),
        msgspec.msgpack.encode([14, 1, 2, 3, "more"]),
        msgspec.msgpack.encode([14, 1, 2, -3]),
        msgspec.msgpack.encode([14, 0, 2, 3]),
        msgspec.msgpack.encode([14, "1", 2, 3]),
        m.encode(m.AppendEntries(1, 2, 3, 0, 0, 0, (), (change(2, 1),))),
        m.encode(m.AppendEntries(1, 2, 3, 0, 0, 0, (), (change(1, 9),))),
        m.encode(m.AppendEntries(1, 2, 3, 0, 0, 0, (), (change(1, 3), change(2, 1)))),
        m.encode(m.AppendEntries(1, 2, 3, 0, 0, 0, (), (Entry(1, 1, b"\x02junk"),))),
    ],
)
def test_what_is_no_message_is_malformed_and_changes_nothing(payload: bytes) -> None:
    from interrex.elections.interface import PayloadReceived

    from .solo import worker

    server = Solo()
    with pytest.raises(MalformedPayload):
        server.step(PayloadReceived(worker(2), payload))
    assert server.log == []
    server.hear(2, 3, change(1, 3))
    assert server.log == [(1, 3)]


def test_settings_say_both_numbers() -> None:
    words = r"is 0\.1 s, and must be at least 3 heartbeats: 0\.3 s"
    with pytest.raises(InterrexError, match=words):
        RaftSettings(heartbeat=100 * MS, election_timeout=100 * MS)


def test_a_cluster_files_times_become_settings() -> None:
    settings = settings_from(Timing(heartbeat=0.1, election_timeout=0.5))
    assert (settings.heartbeat, settings.election_timeout) == (100 * MS, 500 * MS)


def test_a_log_that_is_compacted_sooner_keeps_and_sends_less() -> None:
    usual, sooner = settings_from(Timing()), settings_from(Timing(), compact_after=100)
    assert sooner.snapshot_after == 100
    assert sooner.trailing_entries == usual.trailing_entries // 100
    assert sooner.snapshot_chunk_bytes == usual.snapshot_chunk_bytes // 100
    assert sooner.heartbeat == usual.heartbeat
