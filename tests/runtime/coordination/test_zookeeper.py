"""ZooKeeper's client against a real ensemble of three: servers are killed and stopped."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.spec import ZooKeeper
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import FOLDERS
from interrex.runtime.coordination.interface import Unreachable
from interrex.runtime.coordination.zookeeper import ZooKeeperClient
from interrex.runtime.coordination.zookeeper_access import access_from
from interrex.runtime.coordination.zookeeper_session import ZooKeeperConnection
from tests.answering import OLD_ZOOKEEPER, answering
from tests.certificates import server_tls
from tests.runtime.coordination.asking import Asker

HOST = HostName("h1")
NUMBERS = count()


@pytest.fixture(scope="module")
def ensemble() -> Iterator[ZooKeeperEnsemble]:
    with ZooKeeperEnsemble() as ensemble:
        ensemble.wait_serving()
        yield ensemble


def asker(ensemble: ZooKeeperEnsemble, folder: str, session_s: float = 10.0) -> Asker:
    options = ZooKeeper(hosts=tuple(ensemble.hosts.split(",")), session=session_s)
    return asker_of(options, folder)


def asker_of(options: ZooKeeper, folder: str) -> Asker:
    connection = ZooKeeperConnection(access_from(options, HOST))
    return Asker(lambda post: ZooKeeperClient(connection, folder, post))


@pytest.fixture
def folder() -> str:
    return f"/test/{next(NUMBERS)}"


@pytest.fixture
async def zookeeper(ensemble: ZooKeeperEnsemble, folder: str) -> AsyncIterator[Asker]:
    found = asker(ensemble, folder)
    assert isinstance(await found.next_news(), q.Connected)
    yield found
    await found.client.close()


async def test_the_granted_time_out_is_told(ensemble: ZooKeeperEnsemble, folder: str) -> None:
    """ZooKeeper grants at most 20 of its ticks: 10 s here."""
    greedy = asker(ensemble, folder, session_s=3600)
    news = await greedy.next_news()
    assert news.granted_ms == 10_000
    assert news.session != 0
    await greedy.client.close()


async def test_the_nodes_are_there_before_anything_is_asked(zookeeper: Asker) -> None:
    for name in FOLDERS:
        assert isinstance(await zookeeper.ask(q.Read(name)), q.Found)
    assert await zookeeper.ask(q.Read("none")) == q.Missing()


async def test_a_transaction_is_done_whole_or_not_at_all(zookeeper: Asker) -> None:
    done = await zookeeper.ask(
        q.Transact((q.Check("active", 0), q.Write("active", b"a", 0), q.Create("log/1", b"x")))
    )
    assert done.created == ("log/1",)
    (stat,) = done.written
    assert await zookeeper.ask(q.Read("active")) == q.Found(b"a", stat)
    for operation, objection in (
        (q.Check("active", 0), q.Objection.VERSION),
        (q.Check("none", 0), q.Objection.MISSING),
        (q.Create("log/1", b""), q.Objection.EXISTS),
    ):
        refused = await zookeeper.ask(q.Transact((q.Create("log/2", b""), operation)))
        assert refused == q.NotHeld(1, objection)
    assert await zookeeper.ask(q.List("log")) == q.Names(("1",))
    assert await zookeeper.ask(q.Transact((q.Remove("log/1"),))) == q.Transacted()


async def test_later_transactions_have_higher_zxids(zookeeper: Asker) -> None:
    zxids = []
    for version in range(3):
        done = await zookeeper.ask(q.Transact((q.Write("active", b"", version),)))
        zxids.append(done.written[0].modified)
    assert zxids == sorted(set(zxids))


async def test_a_place_in_the_line_ends_with_its_session(
    ensemble: ZooKeeperEnsemble, folder: str, zookeeper: Asker
) -> None:
    other = asker(ensemble, folder)
    await other.next_news()
    stand = q.Create("line/a~", b"", ephemeral=True, sequential=True)
    (node,) = (await other.ask(q.Transact((stand,)))).created
    assert node == "line/a~0000000000"
    await zookeeper.ask(q.Sync())  # its server may be behind the other one's
    assert isinstance(await zookeeper.ask(q.Read(node, watch=True)), q.Found)
    await other.client.close()
    assert await zookeeper.next_news() == q.Fired(node)
    assert await zookeeper.ask(q.List("line")) == q.Names(())


async def test_a_reset_begins_another_session(zookeeper: Asker) -> None:
    stand = q.Create("line/a~", b"", ephemeral=True, sequential=True)
    await zookeeper.ask(q.Transact((stand,)))
    assert await zookeeper.ask(q.Reset()) == q.Done()
    news = await zookeeper.next_news()
    assert news == q.Lost()
    assert isinstance(await zookeeper.next_news(), q.Connected)
    assert await zookeeper.ask(q.List("line")) == q.Names(())


async def test_servers_that_have_lost_everything_take_in_who_has_seen_more(folder: str) -> None:
    """ZooKeeper refuses a client that has seen a later zxid than its own: it waits for another."""
    with ZooKeeperEnsemble() as ensemble:
        ensemble.wait_serving()
        begin_again(ensemble, lambda server: None)  # its zxids begin with a later epoch from now on
        mine = asker(ensemble, folder, session_s=3.0)
        assert isinstance(await mine.next_news(), q.Connected)
        assert isinstance(await mine.ask(q.Read("line")), q.Found)
        begin_again(ensemble, ensemble.lose_data)
        while not isinstance(await mine.next_news(), q.Connected):
            pass
        assert isinstance(await mine.ask(q.Read("line")), q.Found)
        await mine.client.close()


def begin_again(ensemble: ZooKeeperEnsemble, change: Callable[[int], None]) -> None:
    """All servers are killed and, once something was done to each one's disk, started."""
    servers = list(ensemble.alive)
    for server in servers:
        ensemble.kill(server)
    for server in servers:
        change(server)
        ensemble.start(server)
    ensemble.wait_serving()


async def test_servers_that_are_too_old_get_no_session(folder: str) -> None:
    async with answering(OLD_ZOOKEEPER) as port:
        options = ZooKeeper(hosts=(f"127.0.0.1:{port}",), session=5.0)
        mine = asker_of(options, folder)
        words = f"ZooKeeper at 127.0.0.1:{port} is 3.4.14, and 3.5 is the oldest"
        assert await mine.next_news() == q.Unserved(words)
        answer = await mine.ask(q.Sync())
        assert (type(answer), answer.refused) == (q.Failed, False)
        await mine.client.close()


async def test_a_server_that_hangs_up_may_be_one_that_comes_later() -> None:
    """So does a port that is forwarded to where nobody listens yet, and a server that is full."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        options = ZooKeeper(hosts=(f"127.0.0.1:{port}",), session=5.0)
        connection = ZooKeeperConnection(access_from(options, HOST))
        try:
            with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
                await connection.introduce()
        finally:
            await connection.close()


async def test_servers_that_are_not_there_at_first_are_waited_for(
    ensemble: ZooKeeperEnsemble, folder: str
) -> None:
    for server in list(ensemble.alive):
        ensemble.kill(server)
    mine = asker(ensemble, folder)
    assert isinstance(await mine.ask(q.Sync()), q.Failed)
    for server in range(3):
        ensemble.start(server)
    assert isinstance(await mine.next_news(), q.Connected)
    await mine.client.close()
    ensemble.wait_serving()


async def test_a_session_outlives_its_server(
    ensemble: ZooKeeperEnsemble, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever server serves it: each is killed in turn, and one of them is that one. Each loss of
    a connection is one line for people."""
    mine = asker(ensemble, folder, session_s=10)
    first = await mine.next_news()
    seen: list[q.News] = []
    for server in list(ensemble.alive):
        ensemble.kill(server)
        ensemble.start(server)
        ensemble.wait_serving()
    answer = await mine.ask(q.Sync())
    while not isinstance(answer, q.Done):
        seen.append(await mine.next_news())
        answer = await mine.ask(q.Sync())
    while not mine.news.empty():
        seen.append(mine.news.get_nowait())
    assert q.Suspended() in seen
    sessions = {news.session for news in seen if isinstance(news, q.Connected)}
    assert sessions <= {first.session}
    told = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert {one.levelno for one in told} == {logging.WARNING}
    assert len(told) == seen.count(q.Suspended())
    await mine.client.close()


def refuses(host: str, context: ssl.SSLContext) -> bool:
    """Whether a server ends a connection of these certificates."""
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), timeout=10) as raw:
        try:
            with context.wrap_socket(raw, server_hostname=name) as secured:
                return secured.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            return True


async def test_by_tls_only_the_user_with_the_password_reads_and_writes(tmp_path: Path) -> None:
    """A certificate lets a client in; what it may read and write, the password says."""
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    with ZooKeeperEnsemble(users={"shop": "s3cret"}, tls=server_tls(tmp_path)) as ensemble:
        ensemble.wait_serving()
        hosts = tuple(ensemble.hosts.split(","))
        options = ZooKeeper(
            hosts=hosts,
            session=5.0,
            user="shop",
            password_file=str(secret),
            ca=str(tmp_path / "ca.pem"),
            certificate=str(tmp_path / "{host}.pem"),
            key=str(tmp_path / "{host}.key"),
        )
        known = asker_of(options, "/shop")
        assert isinstance(await known.next_news(), q.Connected)
        done = await known.ask(q.Transact((q.Write("active", b"a", 0),)))
        assert isinstance(done, q.Transacted)
        assert refuses(hosts[0], ssl.create_default_context(cafile=tmp_path / "ca.pem"))
        stranger = KazooClient(
            hosts=ensemble.hosts,
            use_ssl=True,
            ca=str(tmp_path / "ca.pem"),
            certfile=str(tmp_path / "h1.pem"),
            keyfile=str(tmp_path / "h1.key"),
        )
        await asyncio.to_thread(stranger.start)
        with pytest.raises(NoAuthError):
            await asyncio.to_thread(stranger.get, "/shop/active")
        await asyncio.to_thread(stranger.stop)
        stranger.close()
        await known.client.close()


def test_a_password_that_cannot_be_read_is_an_error_for_people(tmp_path: Path) -> None:
    options = ZooKeeper(hosts=("x:1",), user="u", password_file=str(tmp_path / "none"))

    async def make() -> None:
        access_from(options, HOST)

    with pytest.raises(InterrexError, match="the password of ZooKeeper's user u cannot be read"):
        asyncio.run(make())
