"""Bytes that are no message of this election end the connection, and change nothing."""

import msgspec
import pytest

from interrex.core.ids import WorkerName
from interrex.core.storage import Entry
from interrex.elections.bully import messages as m
from interrex.elections.interface import MalformedPayload, PayloadReceived
from tests.elections.bully.network import BullyNetwork

STANDING = m.Standing(((1001, 1), (2002, 5)), 9, 3, 4)
SAMPLES: tuple[m.Message, ...] = (
    m.Election(1, 1001, 7, 0),
    m.Answer(1, 1001, 7, True, WorkerName("w1")),
    m.Halt(1, 2001, 7, 1003, False),
    m.Halted(1, 2001, 7, STANDING),
    m.Refused(1, 3001, 2001, True, m.NOBODY),
    m.Coordinator(1, 2001, False, True),
    m.Joined(1, 2001, STANDING),
    m.Beat(1, 2001, 5, 3, 10**8, 10**5, False),
    m.BeatAnswer(1, 2001, 5, 3, 2),
    m.Copy(1, 2002, 8, 2001, 3, (Entry(9, 2002, b"x"),)),
    m.WholeCopy(1, 2002, STANDING, 8, 2002, 0, 3, b"abc"),
    m.ChunkWanted(1, 2002, 8, 3),
    m.Copied(1, 2002, 9),
    m.Fetch(1, 2002, STANDING),
    m.HandOver(1, 2002),
)


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_every_message_survives_its_bytes(message: m.Message) -> None:
    assert m.decode(m.encode(message)) == message


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_a_cut_message_is_malformed(message: m.Message) -> None:
    payload = m.encode(message)
    for end in range(len(payload)):
        with pytest.raises(MalformedPayload):
            m.decode(payload[:end])


@pytest.mark.parametrize(
    "message",
    [
        m.Copy(1, 2002, 8, 2001, 3, (Entry(10, 2002, b""),)),
        m.Copy(1, 2002, 8, 2001, 3, (Entry(9, 1001, b""),)),
        m.Copy(1, 2002, 8, 2001, 3, (Entry(9, 3003, b""),)),
        m.Joined(1, 2002, m.Standing(((2002, 1), (1001, 5)), 9, 3, 4)),
        m.Joined(1, 2002, m.Standing(((1001, 5), (2002, 5)), 9, 3, 4)),
        m.Joined(1, 2002, m.Standing(((1001, 5),), 4, 3, 4)),
        m.Joined(1, 2002, m.Standing(((1001, 1),), 4, 5, 4)),
    ],
)
def test_a_message_that_contradicts_itself_is_malformed(message: m.Message) -> None:
    with pytest.raises(MalformedPayload):
        m.decode(m.encode(message))


def test_a_negative_number_is_malformed() -> None:
    with pytest.raises(MalformedPayload):
        m.decode(msgspec.msgpack.encode([13, 1, -1, 0]))


def test_a_malformed_payload_changes_nothing() -> None:
    network = BullyNetwork(3)
    network.start()
    network.elect()
    epoch = network[3].bully.epoch
    with pytest.raises(MalformedPayload):
        network.step(network[3], PayloadReceived(WorkerName("w1"), b"\x00nonsense"))
    network.run_for(500)
    assert network.elect() is network[3]
    assert network[3].bully.epoch == epoch


def test_a_whole_copy_that_is_none_ends_the_connection() -> None:
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.run_for(60)
    epoch = network[3].bully.epoch
    whole = m.WholeCopy(3, epoch, STANDING, 50, 1001, 0, 3, b"abc")
    with pytest.raises(MalformedPayload, match="a whole copy that is none"):
        network.step(network[1], PayloadReceived(WorkerName("w3"), m.encode(whole)))
    too_large = m.WholeCopy(3, epoch, STANDING, 50, 1001, 0, 2**40, b"abc")
    with pytest.raises(MalformedPayload, match="is too large"):
        network.step(network[1], PayloadReceived(WorkerName("w3"), m.encode(too_large)))
