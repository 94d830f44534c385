"""Whatever a stranger sends is refused, counted and logged once, and costs a bounded amount."""

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from interrex.core.ids import HostName, WorkerName
from interrex.runtime.frames import encode_frame
from interrex.runtime.greeting import (
    MAX_GREETING,
    Greeting,
    Hello,
    Refused,
    Welcome,
    decode_greeting,
    encode_greeting,
)
from interrex.runtime.link import Limits
from interrex.runtime.peer_socket import connect_unix
from tests.runtime.workers_on_sockets import (
    A,
    B,
    Node,
    addresses,
    hello_of,
    local_node,
    open_sockets,
    socket_of,
)

PATIENT = Limits(greeting_s=60.0)
HASTY = Limits(greeting_s=0.01)


class Stranger:
    """A plain socket that talks to ``b``."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()

    async def say(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def greet(self, greeting: Greeting) -> None:
        await self.say(encode_frame(encode_greeting(greeting)))

    async def hear(self) -> Greeting:
        length = int.from_bytes(await self._exactly(4), "big")
        greeting: Greeting = decode_greeting(await self._exactly(length))
        return greeting

    async def is_turned_away(self) -> bool:
        """Waits for the end of the connection; whatever still comes is passed over."""
        try:
            while await self._loop.sock_recv(self.sock, 65536):
                pass
        except ConnectionError:
            pass
        return True

    async def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = await self._loop.sock_recv(self.sock, size - len(data))
            assert part, "turned away"
            data += part
        return data


class Town:
    """``b``, which knows ``a``; strangers call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[Node] = []
        self.strangers: list[Stranger] = []

    def b(self, limits: Limits = PATIENT) -> Node:
        self.nodes.append(local_node(self.folder, B, addresses(self.folder, (A, B)), limits=limits))
        return self.nodes[-1]

    def stranger(self) -> Stranger:
        self.strangers.append(Stranger(connect_unix(socket_of(self.folder, B))))
        return self.strangers[-1]

    async def close(self) -> None:
        for stranger in self.strangers:
            stranger.sock.close()
        for node in self.nodes:
            await node.transport.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    before = open_sockets()
    town = Town(tmp_path)
    yield town
    await town.close()
    await asyncio.sleep(0)
    assert open_sockets() == before


HOSTILE = {
    "huge length": (b"\xff\xff\xff\xff", "bad_frames"),
    "zero length": (b"\0\0\0\0", "bad_frames"),
    "longer than a greeting": ((MAX_GREETING + 1).to_bytes(4, "big"), "bad_frames"),
    "http": (b"GET / HTTP/1.1\r\n\r\n", "bad_frames"),
    "no msgpack": (encode_frame(b"\xc1\xc1"), "bad_greetings"),
    "another type": (encode_frame(b"\x93\x01\x02\x03"), "bad_greetings"),
    "fields missing": (encode_frame(msgspec.msgpack.encode({"type": "hello"})), "bad_greetings"),
    "welcome unasked": (encode_frame(encode_greeting(Welcome())), "bad_greetings"),
    "refused unasked": (encode_frame(encode_greeting(Refused("no"))), "refused_by_peer"),
    "deep": (encode_frame(b"\x91" * 3000 + b"\x01"), "bad_greetings"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
async def test_bytes_that_are_no_greeting_end_the_connection(town: Town, name: str) -> None:
    data, kind = HOSTILE[name]
    b = town.b()
    stranger = town.stranger()
    await stranger.say(data)
    assert await stranger.is_turned_away()
    assert b.transport.counters[kind] == 1
    assert b.listener.is_idle


@pytest.mark.parametrize("seed", range(5))
async def test_random_bytes_end_the_connection_or_wait_for_more(town: Town, seed: int) -> None:
    rng = random.Random(seed)
    b = town.b()
    for _ in range(20):
        stranger = town.stranger()
        await stranger.say(rng.randbytes(rng.choice([5, 50, 5000])))
        stranger.sock.shutdown(socket.SHUT_WR)
        assert await stranger.is_turned_away()
    assert b.listener.is_idle


@pytest.mark.parametrize("size", [0, 3, 4, 100])
async def test_who_does_not_finish_greeting_in_time_is_cut_off(town: Town, size: int) -> None:
    b = town.b(HASTY)
    stranger = town.stranger()
    whole = encode_frame(encode_greeting(hello_of(A)))
    if size:
        await stranger.say(whole[:size])
    assert await stranger.is_turned_away()
    assert b.transport.counters["greetings_overdue"] == 1


async def test_a_greeting_byte_by_byte_is_as_good_as_any(town: Town) -> None:
    b = town.b()
    stranger = town.stranger()
    for byte in encode_frame(encode_greeting(hello_of(A))):
        await stranger.say(bytes([byte]))
    assert await stranger.hear() == b.transport.hello
    await stranger.greet(Welcome())
    await b.next("connected")


OBJECTIONS: dict[str, tuple[dict[str, object], str]] = {
    "version": ({"version": 99}, "version 99"),
    "cluster": ({"cluster": "other"}, "another cluster"),
    "cluster id": ({"cluster_id": "0"}, "another cluster"),
    "unknown worker": ({"worker": "zed"}, "does not know a worker named zed"),
    "our own name": ({"worker": "b"}, "calls itself b"),
    "another host": ({"host": HostName("there")}, "is to be on this host"),
    "knocks but should dial": ({"knock": True}, "lower name dials"),
}


@pytest.mark.parametrize("name", sorted(OBJECTIONS))
async def test_a_hello_that_is_not_believed_is_refused_with_the_reason(
    town: Town, name: str
) -> None:
    change, reason = OBJECTIONS[name]
    b = town.b()
    stranger = town.stranger()
    hello: Hello = msgspec.structs.replace(hello_of(A), **change)
    await stranger.greet(hello)
    refused = await stranger.hear()
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert await stranger.is_turned_away()
    assert b.transport.counters["refused"] == 1
    assert b.listener.is_idle


async def test_a_later_version_with_more_fields_is_understood_and_refused(town: Town) -> None:
    town.b()
    stranger = town.stranger()
    fields = msgspec.structs.asdict(hello_of(A)) | {"type": "hello", "version": 2, "new": [1]}
    await stranger.say(encode_frame(msgspec.msgpack.encode(fields)))
    refused = await stranger.hear()
    assert isinstance(refused, Refused)
    assert "version 2" in refused.reason


async def greeted(town: Town) -> tuple[Node, Stranger]:
    b = town.b()
    stranger = town.stranger()
    await stranger.greet(hello_of(A))
    assert isinstance(await stranger.hear(), Hello)
    await stranger.greet(Welcome())
    await b.next("connected")
    return b, stranger


async def test_a_peer_that_announces_too_long_a_message_is_cut_off(town: Town) -> None:
    b, stranger = await greeted(town)
    await stranger.say(encode_frame(b"fine"))
    await stranger.say(b"\xff\xff\xff\xff")
    assert (await b.next("message")).payload == b"fine"
    await b.next("lost")
    assert b.transport.counters["bad_frames"] == 1


async def test_a_message_cut_in_the_middle_is_not_handed_up(town: Town) -> None:
    b, stranger = await greeted(town)
    await stranger.say(encode_frame(b"whole") + encode_frame(b"cut in the middle")[:9])
    stranger.sock.close()
    assert (await b.next("message")).payload == b"whole"
    await b.next("lost")


async def test_nothing_is_handed_up_before_the_welcome(town: Town) -> None:
    b = town.b()
    stranger = town.stranger()
    await stranger.greet(hello_of(A))
    assert isinstance(await stranger.hear(), Hello)
    await stranger.say(encode_frame(b"not welcome"))
    assert await stranger.is_turned_away()
    assert b.listener.is_idle


async def test_a_dialed_stranger_is_believed_no_more_than_a_caller(tmp_path: Path) -> None:
    """Something else listens at the peer's address."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.setblocking(False)
        listening.bind(str(socket_of(tmp_path, B)))
        listening.listen()
        a = local_node(tmp_path, A, addresses(tmp_path, (A, B)), limits=PATIENT)
        loop = asyncio.get_running_loop()
        for answer in (hello_of(WorkerName("c")), Welcome(), hello_of(A)):
            caller, _ = await loop.sock_accept(listening)
            stranger = Stranger(caller)
            assert isinstance(await stranger.hear(), Hello)
            await stranger.greet(answer)
            assert await stranger.is_turned_away()
            caller.close()
        await a.transport.close()
    assert a.listener.is_idle
    assert a.transport.counters["refused"] == 2


async def test_callers_who_never_greet_are_few(town: Town) -> None:
    """The oldest is cut off: those who fill the room cannot keep a worker out."""
    limits = Limits(greeting_s=60.0, strangers=4)
    b = town.b(limits)
    crowd = [town.stranger() for _ in range(40)]
    for stranger in crowd[:-4]:
        assert await stranger.is_turned_away()
    worker = town.stranger()
    await worker.greet(hello_of(A))
    assert isinstance(await worker.hear(), Hello)
    await worker.greet(Welcome())
    await b.next("connected")
    assert len(b.transport._open) <= 5


async def test_the_same_fault_is_logged_once(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    b = town.b()
    with caplog.at_level(logging.WARNING):
        for number in range(30):
            stranger = town.stranger()
            await stranger.say((MAX_GREETING + 1 + number).to_bytes(4, "big"))
            assert await stranger.is_turned_away()
    assert b.transport.counters["bad_frames"] == 30
    assert len(caplog.records) == 1
    assert "a stranger" in caplog.text
    assert b.transport._open == set()
