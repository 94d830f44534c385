"""Services that cannot be used: told at once, each in its own type, before anything leads."""

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

import interrex
from bench.etcd_cluster import EtcdCluster
from bench.postgresql_server import PostgresServer
from bench.processes import free_ports
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.library.coordinated.options import credentials
from interrex.library.errors import (
    BadCertificates,
    BadCredentials,
    BadMargin,
    BadTimes,
    MalformedUrl,
    MissingExtra,
    UnknownOption,
    UnknownScheme,
    Unreachable,
    WrongPeers,
    WrongService,
)
from interrex.library.urls import parse
from interrex.runtime.coordination.postgresql import PostgresAccess
from tests.answering import OLD_ETCD, OLD_ZOOKEEPER, Answer, answering, http

CLIENTS = {"etcd": "aiohttp", "zookeeper": "kazoo", "postgresql": "asyncpg"}


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("etdc://h/x", UnknownScheme, r"there are: interrex://.*etcd://"),
        ("etcd://h", MalformedUrl, "etcd://HOST:PORT,.../NAME"),
        ("etcd:///x", MalformedUrl, "HOST:PORT"),
        ("etcd://h,h/x", MalformedUrl, "each server once"),
        ("etcd://h:0/x", MalformedUrl, "'h:0' is no HOST:PORT"),
        ("etcd://::1/x", MalformedUrl, "'::1' is no HOST:PORT"),
        ("etcd://h,g h/x", MalformedUrl, "'g h' is no HOST:PORT"),
        ("etcd://h/x/y", MalformedUrl, "NAME"),
        ("etcd://h/x?colour=red", UnknownOption, "colour.*there are: lease"),
        ("etcd://h/x?lease=1", UnknownOption, "1 s is out of its range, 2 to"),
        ("etcd://h/x?lease=2.5", UnknownOption, "whole number"),
        ("etcd://h/x?lease=nan", UnknownOption, "nan s"),
        ("etcd://h/x?lease=3&timeout=1", BadTimes, "3 time-outs of 1 s.*lease of 3 s"),
        ("etcd://h/x?lease=3&timeout=0.95", BadTimes, r"0\.95 s do not fit into the 2\.7 s"),
        ("etcd://h/x?lease=3&timeout=0.9", BadTimes, r"a timeout below 0\.9 s"),
        ("etcd://u@h/x", UnknownOption, "the user 'u' has no password"),
        ("etcd://u:p@h/x?password_file=/dev/null", UnknownOption, "password_file"),
        ("etcd://u@h/x?password_file=/none", UnknownOption, "cannot be read"),
        ("etcd://h/x?certificate=c", UnknownOption, "together"),
        ("etcd://h/x?tls=0&ca=c", UnknownOption, "does not go with"),
        ("zookeeper://h", MalformedUrl, "zookeeper://HOST:PORT"),
        ("zookeeper://h/..", MalformedUrl, "NAME"),
        ("zookeeper://h/x?lease=3", UnknownOption, "lease.*there are: session"),
        ("zookeeper://h/x?session=0.1", UnknownOption, "0.1 s is out of its range"),
        ("zookeeper://h/x?session=0.39", UnknownOption, "0.39 s is out of its range, 0.4 to"),
        ("zookeeper://h/x?session=soon", UnknownOption, "no number"),
        ("zookeeper://u@h/x", UnknownOption, "the user 'u' has no password"),
        ("zookeeper://h/x?root=/../b", UnknownOption, "no path of ZooKeeper"),
        ("zookeeper://h/x?root=/%01", UnknownOption, "no path of ZooKeeper"),
        ("postgresql://h/%00/x", MalformedUrl, "without NUL"),
        ("postgresql://h/db", MalformedUrl, "DATABASE/NAME"),
        ("postgresql://h/db/x/y", MalformedUrl, "DATABASE/NAME"),
        ("postgresql://h/db?name=", UnknownOption, "it is empty"),
        ("postgresql://h/db/x?lease=0.1", UnknownOption, "0.1 s is out of its range"),
        ("postgresql://h/db/x?lease=3&timeout=1", BadTimes, "3 time-outs of 1 s"),
        ("postgresql://h/db/x?lease=3&timeout=0.9", BadTimes, r"fit into the 2\.7 s that count"),
        ("postgresql://u@h/db/x", UnknownOption, "the user 'u' has no password"),
        ("raft://u:p@127.0.0.1:1/x?self=0", MalformedUrl, "not to have a user"),
        ("raft://127.0.0.1/x?self=0", WrongPeers, "'127.0.0.1' is no HOST:PORT"),
        ("raft://127.0.0.1:1/x?self=0&heartbeat=nan", UnknownOption, "nan s is out of its range"),
        ("interrex://u:p@/a/b", MalformedUrl, "not to have a user"),
    ],
)
def test_a_wrong_url_is_refused_with_the_reason(
    url: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        interrex.election(url)


@pytest.mark.parametrize(
    "url",
    [
        "etcd://u:s3cr3t@h:0/x",
        "etcd://u:pass/s3cr3t@h/x",
        "etcd://u:s3cr3t?pass@h/x",
        "etcd://u:123?s3cr3t@h/x",
        "etcd://u:123#s3cr3t@h/x",
        "etcd://u:123/s3cr3t@h/x",
        "etcd://u:s3cr3t\u2100@h/x",
        "postgresql://u:pass@s3cr3t/x@h/db/x",
    ],
)
def test_no_error_shows_a_password_however_it_was_typed(url: str) -> None:
    with pytest.raises(MalformedUrl) as caught:
        interrex.election(url)
    assert "s3cr3t" not in str(caught.value)
    assert "u:...@h" in str(caught.value)


def test_what_holds_a_password_does_not_show_it() -> None:
    url = parse("postgresql://u:s3cr3t@h/db/x")
    assert url.password == "s3cr3t"
    _, password = credentials(url)
    for holder in (url, PostgresAccess((), (), "", 1, 1, password=password)):
        assert "s3cr3t" not in repr(holder)
        assert "password='...'" in repr(holder)


def test_an_at_sign_of_a_name_is_no_password() -> None:
    assert parse("etcd://h:1/a@b?prefix=/c@d").path == ("a@b",)


@pytest.mark.parametrize("scheme", CLIENTS)
def test_an_identity_or_a_priority_that_no_service_could_hold_is_refused_at_once(
    scheme: str,
) -> None:
    url = f"{scheme}://h/x{'/y' if scheme == 'postgresql' else ''}"
    for identity in ("", "x" * 201, "half \ud800"):
        with pytest.raises(ValueError, match="an identity"):
            interrex.election(url, identity=identity)
    for priority in (1.5, "1", None, 10**10, -(10**10)):
        with pytest.raises(ValueError, match="a priority is a whole number"):
            interrex.election(url, priority=priority)  # type: ignore[arg-type]
    for margin in (float("nan"), float("inf"), -1):
        with pytest.raises(BadMargin):
            interrex.election(url, margin=margin)


@pytest.mark.parametrize("scheme", CLIENTS)
def test_a_client_that_is_not_installed_is_named_with_its_extra(scheme: str) -> None:
    program = (
        f"import sys; sys.modules[{CLIENTS[scheme]!r}] = None\n"
        "import interrex\n"
        f"try: interrex.election('{scheme}://h/x{'/y' if scheme == 'postgresql' else ''}')\n"
        "except interrex.ElectionError as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout.startswith(f"{MissingExtra.__name__} elections by {scheme} need")
    assert f"pip install 'interrex[{scheme}]'" in said.stdout


async def entering(url: str, margin: float | None = None) -> None:
    async with interrex.election(url, identity="a", margin=margin):
        raise AssertionError("it was entered")


@pytest.mark.parametrize("scheme", CLIENTS)
async def test_where_nobody_listens_it_is_said_which_server_does_not_answer(scheme: str) -> None:
    (port,) = free_ports(1)
    path = "x?name=y&" if scheme == "postgresql" else "x?"
    with pytest.raises(Unreachable, match=rf"127.0.0.1:{port}"):
        await entering(f"{scheme}://127.0.0.1:{port}/{path}patience=2")


async def test_another_program_on_the_port_is_no_etcd() -> None:
    for answer in (http(b"<html>hello</html>"), http(b"[]"), http(b'{"etcdserver": "new"}')):
        async with answering(answer) as port:
            with pytest.raises(WrongService, match=f"{port} is no etcd"):
                await entering(f"etcd://127.0.0.1:{port}/x")
    async with answering(lambda request: b"+OK\r\n") as port:
        with pytest.raises(Unreachable, match=str(port)):
            await entering(f"etcd://127.0.0.1:{port}/x?patience=0.5")


async def test_another_program_on_the_port_is_no_zookeeper() -> None:
    for said in (b"+OK\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        async with answering(lambda request, said=said: said) as port:  # type: ignore[misc]
            with pytest.raises(WrongService, match=f"{port} is no ZooKeeper"):
                await entering(f"zookeeper://127.0.0.1:{port}/x")


async def test_a_zookeeper_that_is_too_old_is_refused_with_its_version() -> None:
    async with answering(OLD_ZOOKEEPER) as port:
        with pytest.raises(WrongService, match=r"ZooKeeper at .* is 3\.4\.14, and 3\.5 is"):
            await entering(f"zookeeper://127.0.0.1:{port}/x")


async def test_an_etcd_that_is_too_old_is_refused_with_its_version() -> None:
    async with answering(OLD_ETCD) as port:
        with pytest.raises(WrongService, match=r"etcd at .* is 3\.3\.27, and 3\.4 is the oldest"):
            await entering(f"etcd://127.0.0.1:{port}/x")


async def test_a_server_that_says_nothing_is_not_waited_for_for_ever() -> None:
    async with answering(lambda request: b"") as port:
        with pytest.raises(Unreachable, match="no answer in time"):
            await entering(f"etcd://127.0.0.1:{port}/x?timeout=0.05&patience=0.5")


async def test_a_service_that_is_still_starting_is_waited_for() -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return b"" if len(asked) < 3 else OLD_ETCD(request)

    async with answering(answer) as port:
        with pytest.raises(WrongService, match=r"3\.3\.27"):
            await entering(f"etcd://127.0.0.1:{port}/x?timeout=0.05&patience=60")
    assert len(asked) >= 3


async def test_etcd_lets_in_who_shows_the_password_and_may_write() -> None:
    with EtcdCluster() as cluster:
        cluster.wait_agreed()
        for path, body in (
            ("user/add", {"name": "root", "password": "s3cret"}),
            ("role/add", {"name": "root"}),
            ("user/grant", {"user": "root", "role": "root"}),
            ("user/add", {"name": "guest", "password": "guest"}),
            ("enable", {}),
        ):
            assert cluster.ask(0, f"/v3/auth/{path}", body)
        place = cluster.endpoints[0].removeprefix("http://")
        with pytest.raises(BadCredentials, match="shows no user"):
            await entering(f"etcd://{place}/x")
        with pytest.raises(BadCredentials, match=r"'root': .*invalid user ID or password"):
            await entering(f"etcd://root:wrong@{place}/x")
        with pytest.raises(BadCredentials, match=r"'guest': .*permission denied"):
            await entering(f"etcd://guest:guest@{place}/x")
        async with (
            interrex.election(f"etcd://root:s3cret@{place}/x", identity="a") as election,
            election.lead() as leadership,
        ):
            assert leadership.epoch > 0
        shown = {"name": "root", "password": "s3cret"}
        token = cluster.ask(0, "/v3/auth/authenticate", shown)["token"]
        changed = {"name": "root", "password": "another"}

        def change() -> None:
            assert cluster.ask(0, "/v3/auth/user/changepw", changed, token)

        async with interrex.election(f"etcd://root:s3cret@{place}/x?lease=2") as election:
            with pytest.raises(BadCredentials, match=r"'root': .*invalid user ID or password"):
                await lead_on(election, change)
        async with (
            interrex.election(f"etcd://root:another@{place}/x") as election,
            election.lead() as later,
        ):
            assert later.epoch > leadership.epoch


async def lead_on(election: interrex.Election, change: Callable[[], None]) -> None:
    """Lead, and again whenever that has ended."""
    async with election.lead():
        change()
        await asyncio.Event().wait()
    while True:
        async with election.lead():
            await asyncio.Event().wait()


async def test_zookeeper_lets_in_who_shows_the_password_and_may_write() -> None:
    with ZooKeeperEnsemble(tick_ms=250, users={"app": "s3cret", "guest": "guest"}) as ensemble:
        ensemble.wait_serving()
        async with (
            interrex.election(f"zookeeper://app:s3cret@{ensemble.hosts}/x", identity="a") as a,
            a.lead() as leadership,
        ):
            assert leadership.epoch > 0
        with pytest.raises(BadCredentials, match="'app'"):
            await entering(f"zookeeper://app:wrong@{ensemble.hosts}/x")
        with pytest.raises(BadCredentials, match=r"'guest'.*/interrex/elections/x"):
            await entering(f"zookeeper://guest:guest@{ensemble.hosts}/x")
        with pytest.raises(BadCredentials, match=r"no user.*/interrex/elections/x"):
            await entering(f"zookeeper://{ensemble.hosts}/x")
        with pytest.raises(BadMargin, match=r"2 s does not fit into a lease of 2\.5 s"):
            await entering(f"zookeeper://app:s3cret@{ensemble.hosts}/x?session=60", margin=2)


async def test_a_session_of_which_a_leader_could_not_stop_in_time_is_refused_on_entering() -> None:
    with ZooKeeperEnsemble(tick_ms=250, granted_ms=(200, 300)) as ensemble:
        ensemble.wait_serving()
        words = (
            r"a session of 0\.3 s, of which a leader counts on 0\.15 s(?s:.*)10 s were asked for"
        )
        with pytest.raises(BadTimes, match=words):
            await entering(f"zookeeper://{ensemble.hosts}/x")


async def test_another_program_on_the_port_is_no_postgresql() -> None:
    for said in (b"+OK\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        async with answering(lambda request, said=said: said) as port:  # type: ignore[misc]
            with pytest.raises((WrongService, Unreachable), match=f"{port}"):
                await entering(
                    f"postgresql://127.0.0.1:{port}/db/x?timeout=0.2&lease=1&patience=0.5"
                )


def postgres(version: str) -> Answer:
    """Lets everybody in, and says which version it is."""
    said = b"server_version\0%s\0" % version.encode()
    messages = [(b"R", bytes(4)), (b"S", said), (b"K", bytes(8)), (b"Z", b"I")]
    answer = b"".join(kind + (4 + len(body)).to_bytes(4, "big") + body for kind, body in messages)
    return lambda request: answer


async def test_a_postgresql_that_is_too_old_is_refused_with_its_version() -> None:
    async with answering(postgres("13.4")) as port:
        with pytest.raises(WrongService, match=r"PostgreSQL at .* is 13, and 14 is the oldest"):
            await entering(f"postgresql://app:s3cret@127.0.0.1:{port}/db/x")


async def test_postgresql_lets_in_who_shows_the_password_and_may_write() -> None:
    with PostgresServer() as server:
        server.run("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        guest = f"postgresql://guest:guest@{server.address}/postgres/x"
        with pytest.raises(BadCredentials, match="permission denied for schema public"):
            await entering(guest)
        async with (
            interrex.election(f"{server.url}/x", identity="a") as election,
            election.lead() as leadership,
        ):
            assert leadership.epoch >= 2**40
        with pytest.raises(BadCredentials, match="'guest' no right to SELECT in the table"):
            await entering(guest)
        with pytest.raises(BadCredentials, match="password authentication failed"):
            await entering(f"postgresql://app:wrong@{server.address}/postgres/x")
        with pytest.raises(WrongService, match='database "none" does not exist'):
            await entering(f"postgresql://app:s3cret@{server.address}/none/x")
        with pytest.raises(BadMargin, match=r"1 s does not fit into a lease of 0\.9 s"):
            await entering(f"{server.url}/x?lease=1", margin=1)


@pytest.mark.parametrize("place", ["etcd://h/x", "postgresql://h/db/x"])
@pytest.mark.parametrize("times", ["", "lease=2", "lease=3&timeout=0.899"])
def test_time_outs_that_fit_into_what_counts_of_the_lease_are_taken(place: str, times: str) -> None:
    assert interrex.election(f"{place}?{times}", identity="a").identity == "a"


def test_a_margin_that_leaves_nothing_of_the_lease_is_refused_with_the_numbers() -> None:
    with pytest.raises(BadMargin, match=r"1 s does not fit into a lease of 1\.8 s"):
        interrex.election("etcd://h/x?lease=2", margin=1.0)


async def test_certificates_that_cannot_be_used_are_told_before_anything_is_asked() -> None:
    with pytest.raises(BadCertificates, match="certificates for etcd cannot be used"):
        await entering("etcd://h/x?ca=/none")
    with pytest.raises(BadCertificates, match="certificates for ZooKeeper cannot be used"):
        await entering("zookeeper://h/x?ca=/none")
    with pytest.raises(BadCertificates, match="certificates for PostgreSQL cannot be used"):
        await entering("postgresql://h/db/x?ca=/none")


class Pooler(asyncio.Protocol):
    """Stands between a client and PostgreSQL, and gives sessions numbers of its own, as pgbouncer
    does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Transport | None = None
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client = transport
        self._joining = asyncio.create_task(self._join())

    async def _join(self) -> None:
        pooler = self

        class Back(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                key = data.find(b"K\x00\x00\x00\x0c")
                if key >= 0:
                    data = data[: key + 5] + b"\x00\x12\x34\x56" + data[key + 9 :]
                pooler._client.write(data)

            def connection_lost(self, error: Exception | None) -> None:
                pooler._client.close()

        loop = asyncio.get_running_loop()
        self._server, _ = await loop.create_connection(Back, "127.0.0.1", self._port)
        self._server.write(self._waiting)

    def data_received(self, data: bytes) -> None:
        if self._server is None:
            self._waiting += data
        else:
            self._server.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._server is not None:
            self._server.close()


async def test_a_pooler_before_postgresql_is_noticed_and_refused() -> None:
    with PostgresServer() as server:
        port = int(server.address.rpartition(":")[2])
        loop = asyncio.get_running_loop()
        pooler = await loop.create_server(lambda: Pooler(port), "127.0.0.1", 0)
        async with pooler:
            place = pooler.sockets[0].getsockname()[1]
            with pytest.raises(WrongService, match="a pooler"):
                await entering(f"postgresql://app:s3cret@127.0.0.1:{place}/postgres/x")
            await entered_and_left(f"{server.url}/x")


async def entered_and_left(url: str) -> None:
    async with interrex.election(url, identity="a"):
        pass
