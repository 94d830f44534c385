"""Workers of one host find each other, lose each other and find each other again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.runtime.frames import MAX_FRAME
from interrex.runtime.link import Limits
from interrex.runtime.peer_socket import Address, UnixAddress
from tests.proxies import UnixProxy
from tests.runtime.workers_on_sockets import (
    A,
    B,
    C,
    Node,
    addresses,
    hello_of,
    local_node,
    open_sockets,
    socket_of,
)


class Town:
    """Nodes that are closed at the end, whatever happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[Node] = []
        self.proxies: list[UnixProxy] = []

    def node(
        self,
        name: WorkerName,
        peers: dict[WorkerName, Address] | None = None,
        limits: Limits | None = None,
    ) -> Node:
        known = peers or addresses(self.folder, (A, B))
        node = local_node(self.folder, name, known, limits=limits or Limits())
        self.nodes.append(node)
        return node

    async def proxied_pair(self, limits: Limits | None = None) -> tuple[Node, Node, UnixProxy]:
        """``a`` dials ``b`` through a proxy; connected."""
        path = socket_of(self.folder, WorkerName("proxy"))
        proxy = UnixProxy(path, socket_of(self.folder, B))
        await proxy.start()
        self.proxies.append(proxy)
        a = self.node(A, {B: UnixAddress(path)}, limits)
        b = self.node(B, None, limits)
        await a.next("connected")
        await b.next("connected")
        return a, b, proxy

    async def close(self) -> None:
        for node in self.nodes:
            await node.transport.close()
        for proxy in self.proxies:
            await proxy.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    before = open_sockets()
    town = Town(tmp_path)
    yield town
    await town.close()
    await asyncio.sleep(0)
    assert open_sockets() == before


async def connect(*nodes: Node) -> None:
    for node in nodes:
        for _ in range(len(nodes) - 1):
            await node.next("connected")


@pytest.mark.parametrize("order", [(A, B), (B, A)])
async def test_two_workers_meet_whoever_starts_first(
    town: Town, order: tuple[WorkerName, WorkerName]
) -> None:
    first = town.node(order[0])
    await asyncio.sleep(0)
    second = town.node(order[1])
    heard = await first.next("connected")
    assert heard.hello == second.transport.hello
    assert (await second.next("connected")).hello == first.transport.hello
    assert first.transport.connected() == {second.name: second.transport.hello}


async def test_messages_go_both_ways_and_keep_their_order(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    await connect(a, b)
    sent = [b"%d" % number for number in range(500)]
    for payload in sent:
        assert a.transport.send(B, payload)
        assert b.transport.send(A, payload)
    assert [(await b.next("message")).payload for _ in sent] == sent
    assert [(await a.next("message")).payload for _ in sent] == sent


async def test_the_longest_message_arrives_and_a_longer_one_is_not_sent(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    await connect(a, b)
    assert a.transport.send(B, b"x" * MAX_FRAME)
    assert (await b.next("message")).payload == b"x" * MAX_FRAME
    assert not a.transport.send(B, b"x" * (MAX_FRAME + 1))
    assert not a.transport.send(B, b"")
    assert a.transport.counters["unsendable"] == 2


async def test_who_is_not_connected_is_not_sent_to(town: Town) -> None:
    a = town.node(A)
    assert not a.transport.send(B, b"x")
    assert not a.transport.send(WorkerName("nobody"), b"x")


async def test_three_workers_are_all_connected(town: Town) -> None:
    everybody = addresses(town.folder)
    nodes = [town.node(name, everybody) for name in (C, A, B)]
    await connect(*nodes)
    assert all(len(node.transport.connected()) == 2 for node in nodes)


@pytest.mark.parametrize("restarting", [A, B])
async def test_a_restarted_worker_is_connected_again(town: Town, restarting: WorkerName) -> None:
    nodes = {name: town.node(name) for name in (A, B)}
    await connect(*nodes.values())
    left = nodes[B if restarting == A else A]
    for _ in range(5):
        old = nodes[restarting].transport
        await old.close()
        lost = await left.next("lost")
        assert (lost.hello, lost.proved) == (old.hello, False)
        nodes[restarting] = town.node(restarting)
        connected = await left.next("connected")
        assert connected.hello == nodes[restarting].transport.hello
        await nodes[restarting].next("connected")
        assert left.transport.send(restarting, b"again")
        assert (await nodes[restarting].next("message")).payload == b"again"


async def test_a_knock_makes_the_other_dial_at_once(town: Town) -> None:
    """``a`` has given up hope by then: it tries only every second."""
    a = town.node(A)
    dialer = a.transport._dialers[B]
    dialer._failures = 1000
    b = town.node(B)
    await connect(a, b)
    assert dialer._failures <= 1


async def test_a_reset_is_noticed_at_both_ends_and_mended(town: Town) -> None:
    a, b, proxy = await town.proxied_pair()
    for _ in range(5):
        proxy.reset()
        assert not (await a.next("lost")).proved
        assert not (await b.next("lost")).proved
        await a.next("connected")
        await b.next("connected")
    assert a.transport.send(B, b"still here")
    assert (await b.next("message")).payload == b"still here"


async def test_each_direction_fails_by_itself(town: Town) -> None:
    a, b, proxy = await town.proxied_pair()
    proxy.forward.pause()
    a.transport.send(B, b"held")
    b.transport.send(A, b"through")
    assert (await a.next("message")).payload == b"through"
    assert b.listener.is_idle
    proxy.forward.resume()
    assert (await b.next("message")).payload == b"held"


async def test_a_delay_keeps_the_order(town: Town) -> None:
    a, b, proxy = await town.proxied_pair()
    proxy.back.delay_s = 0.002
    for number in range(20):
        b.transport.send(A, b"%d" % number)
    assert [(await a.next("message")).payload for _ in range(20)] == [b"%d" % n for n in range(20)]


async def test_a_peer_that_never_reads_is_cut_off(town: Town) -> None:
    limits = Limits(unsent_bytes=1 << 20)
    a, _, proxy = await town.proxied_pair(limits)
    for end in proxy.ends:
        assert end._transport
        end._transport.pause_reading()
    for _ in range(100):
        a.transport.send(B, b"x" * 60_000)
        await asyncio.sleep(0)
    assert not (await a.next("lost")).proved
    assert a.transport.counters["slow_readers"] == 1


async def test_a_peer_that_sends_nonsense_is_disconnected_and_dialed_again(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    await connect(a, b)
    a.transport.disconnect(B, "its message makes no sense")
    await a.next("lost")
    await b.next("lost")
    await connect(a, b)
    assert a.transport.counters["disconnected"] == 1


async def test_peers_come_and_go(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    await connect(a, b)
    a.transport.set_peers({})
    await a.next("lost")
    await b.next("lost")
    assert a.transport.connected() == {}
    a.transport.set_peers(addresses(town.folder))
    await connect(a, b)


async def test_a_peer_that_moved_is_found_at_its_new_address(town: Town) -> None:
    elsewhere = socket_of(town.folder, WorkerName("elsewhere"))
    a = town.node(A, {B: UnixAddress(elsewhere)})
    b = town.node(B)
    a.transport.set_peers(addresses(town.folder))
    await connect(a, b)


async def test_a_second_incarnation_replaces_the_first(town: Town) -> None:
    """As when a stopped worker was replaced: it still holds its connection."""
    a, old = town.node(A), town.node(B)
    await connect(a, old)
    new = town.node(B)
    lost = await a.next("lost")
    assert (lost.hello, lost.proved) == (old.transport.hello, False)
    assert (await a.next("connected")).hello == new.transport.hello
    await new.next("connected")
    assert a.transport.send(B, b"to the new one")
    assert (await new.next("message")).payload == b"to the new one"


async def test_a_connection_that_takes_anothers_place_is_told_at_both_ends(town: Town) -> None:
    """What was under way on the older one may be lost: who sent it must know to send it again.

    Found by the simulator: one end saw a reset and dialed anew, the other saw nothing; it never
    sent its report again, and a leader would not have sent its commands again.
    """
    a, b = town.node(A), town.node(B)
    await connect(a, b)
    a.transport._dialers[B].poke()
    for node in (a, b):
        lost = await node.next("lost")
        assert not lost.proved
        assert (await node.next("connected")).hello == lost.hello


@pytest.mark.parametrize("is_led", [False, True])
async def test_a_worker_that_is_not_known_is_told_as_of_which_state(
    town: Town, is_led: bool
) -> None:
    """It may have been removed while nobody could tell it."""
    a, b = town.node(A), town.node(B)
    await connect(a, b)
    a.transport.peers_as_of = 17
    a.transport.is_led = is_led
    a.transport.set_peers({})
    await b.next("lost")
    async with asyncio.timeout(60):
        assert await b.listener.refusals.get() == (17, is_led)


async def test_after_close_nobody_is_told_anything(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    await connect(a, b)
    await a.transport.close()
    await b.next("lost")
    assert a.listener.is_idle


async def test_closing_at_any_moment_leaves_nothing_behind(town: Town) -> None:
    """The fixture counts what is open."""
    for turns in range(12):
        a, b = town.node(A), town.node(B)
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.gather(a.transport.close(), b.transport.close())


async def test_a_dead_predecessors_socket_is_replaced(tmp_path: Path) -> None:
    path = socket_of(tmp_path, A)
    for _ in range(3):
        node = Node(A)
        node.transport.listen_unix(path)
        assert path.stat().st_mode & 0o777 == 0o600
        await node.transport.close()
        assert path.exists()


async def test_a_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    path = socket_of(tmp_path, A)
    path.parent.chmod(0o755)
    node = Node(A)
    with pytest.raises(InterrexError, match="0700"):
        node.transport.listen_unix(path)
    await node.transport.close()


async def test_something_else_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    path = socket_of(tmp_path, A)
    path.write_text("precious")
    node = Node(A)
    with pytest.raises(InterrexError, match="no socket"):
        node.transport.listen_unix(path)
    assert path.read_text() == "precious"
    await node.transport.close()


async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    a, b = (local_node(folder, name, addresses(folder, (A, B))) for name in (A, B))
    await connect(a, b)
    await a.transport.close()
    await b.transport.close()


async def test_another_member_id_is_told_with_the_hello(town: Town) -> None:
    a = town.node(A)
    node = local_node(town.folder, B, hello=hello_of(B))
    town.nodes.append(node)
    heard = await a.next("connected")
    assert heard.hello
    assert heard.hello.member == ord("b")
