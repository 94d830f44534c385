"""A session with a ZooKeeper ensemble, through kazoo, that elections share.

kazoo's threads do the talking, everything is handed to the one event loop, in its order. kazoo
keeps the session alive and, when it has ended, begins another by itself.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from kazoo.client import KazooClient
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.placeholders import fill
from interrex.core.secret import Secret
from interrex.core.spec import ZooKeeper
from interrex.elections.interface import Noticed
from interrex.elections.zookeeper import questions as q
from interrex.runtime.coordination.certificates import certificate_problem, tls_context
from interrex.runtime.coordination.interface import Unreachable, WrongService

_log = logging.getLogger(__name__)
_SILENT = logging.getLogger("interrex.kazoo")
_SILENT.setLevel(logging.CRITICAL)

OLDEST = (3, 5)
"""The oldest ZooKeeper that is known to do."""
ATTEMPT_S = 2.0
RETRY_S = 0.2
"""How long servers are asked who they are before they are asked anew, and how long after that."""


class ZooKeeperAccess(msgspec.Struct, frozen=True):
    """How an ensemble is reached. ``hosts`` are ``host:port``; ``session`` is in seconds; files are
    paths, empty where there is none."""

    hosts: tuple[str, ...]
    session: float
    user: str = ""
    password: Secret = Secret()
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""


def access_from(options: ZooKeeper, host: HostName) -> ZooKeeperAccess:
    """What a cluster file says, for one machine.

    Raises:
        InterrexError: the password cannot be read.
    """
    values = {"host": host}
    return ZooKeeperAccess(
        hosts=options.hosts,
        session=options.session,
        user=options.user,
        password=Secret(_password(options)),
        tls=bool(options.ca or options.certificate),
        ca=fill(options.ca, values),
        certificate=fill(options.certificate, values),
        key=fill(options.key, values),
    )


class Follower(Protocol):
    """An election, as the connection speaks to it."""

    def connected(self, session: int, granted_ms: int) -> None: ...

    def refused(self, text: str, /) -> None: ...

    def say(self, event: Noticed, /) -> None: ...


class ZooKeeperConnection:
    """One session with an ensemble. Any number of elections on one event loop may share it.

    Args:
        access: servers and how to reach them.
    """

    def __init__(self, access: ZooKeeperAccess) -> None:
        self._access = access
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self.granted_ms = 0
        """The session's time-out, as the ensemble granted it last."""
        self._session = 0
        self._refusal = ""
        """Why the servers give no session."""
        self._reset: asyncio.Task[None] | None = None
        self._clients: list[Follower] = []
        self.user = access.user
        self.acl = [make_acl("sasl", access.user, all=True)] if access.user else None
        retry = KazooRetry(max_tries=-1, delay=0.05, backoff=2, max_delay=1.0)
        self.kazoo = KazooClient(
            hosts=",".join(access.hosts),
            timeout=access.session,
            connection_retry=retry,
            logger=_SILENT,
            **_security(access),
        )
        self._note_granted_time()
        self.kazoo.add_listener(self._state_changed)
        self._is_introduced = False
        self._beginning: asyncio.Task[None] | None = None
        self._forgetting: asyncio.TimerHandle | None = None

    def join(self, client: Follower) -> None:
        """Let an election hear of the session, beginning with the one that there is.

        kazoo begins with the first, and only with servers that have been introduced: others are
        not to be led by. Until they are the clients hear why not.
        """
        self._clients.append(client)
        if self._beginning is None:
            self._beginning = self._loop.create_task(self._begin())
        if self.kazoo.connected and self._session:
            self._loop.call_soon(client.connected, self._session, self.granted_ms)
        elif self._refusal:
            self._loop.call_soon(self._tell_refusal, client)

    def leave(self, client: Follower) -> None:
        """It hears no more."""
        self._clients.remove(client)

    async def _begin(self) -> None:
        while not self._is_introduced:
            try:
                async with asyncio.timeout(ATTEMPT_S):
                    await self.introduce()
            except (Unreachable, TimeoutError):
                await asyncio.sleep(RETRY_S)
            except InterrexError as error:
                self._refuse(str(error).partition("\n")[0])
                await asyncio.sleep(RETRY_S)
        self.kazoo.start_async()

    async def close(self) -> None:
        """End the session."""
        self._closed = True
        self._remember()
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self.kazoo.stop()
        self.kazoo.close()

    def hand(self, take: Callable[..., None], *arguments: Any) -> None:
        """From one of kazoo's threads to the event loop."""
        if not self._closed:
            self._loop.call_soon_threadsafe(take, *arguments)

    async def reset(self) -> None:
        """Let kazoo end its session, and begin another; once for all who ask meanwhile."""
        if self._reset is None or self._reset.done():
            self._reset = self._loop.create_task(self._begin_anew())
        await asyncio.shield(self._reset)

    async def _begin_anew(self) -> None:
        await asyncio.to_thread(self.kazoo.stop)
        if not self._closed:
            self.kazoo.start_async()

    async def introduce(self) -> None:
        """Whether these servers are ZooKeeper's.

        Raises:
            Unreachable: none of them answers.
            WrongService: what answers is no ZooKeeper, or too old a one.
            WrongCertificate: its certificate does not fit, or it does not take ours.
        """
        # All at once: one that says nothing hides none of the others.
        asking = [asyncio.create_task(self._problem_at(host)) for host in self._access.hosts]
        problems: list[InterrexError] = []
        try:
            for answer in asyncio.as_completed(asking):
                problem = await answer
                if problem is None:
                    self._is_introduced = True
                    return
                problems.append(problem)
        finally:
            for task in asking:
                task.cancel()
            await asyncio.wait(asking)
        telling = (one for one in problems if not isinstance(one, Unreachable))
        raise next(telling, problems[0])

    async def _problem_at(self, host: str) -> InterrexError | None:
        """What is wrong with one server."""
        try:
            async with asyncio.timeout(self._access.session):
                return _judge(host, await self._said_by(host))
        except (OSError, TimeoutError) as error:
            text = f"{host}: {str(error) or 'no answer in time'}"
            return certificate_problem(host, error) or Unreachable(text)

    async def _said_by(self, host: str) -> str:
        """A server's own account of itself."""
        name, _, port = host.rpartition(":")
        context = _tls(self._access)
        reader, writer = await asyncio.open_connection(name.strip("[]"), int(port), ssl=context)
        try:
            writer.write(b"srvr")
            said = await reader.read(4096)
            if not said:  # by what forwards to no server, or by one that is full
                raise ConnectionError("it hangs up without a word")
            return said.decode(errors="replace")
        finally:
            writer.close()

    # News

    def _note_granted_time(self) -> None:
        """kazoo keeps the time-out that ZooKeeper grants to itself, so it is read on its way."""
        connection = self.kazoo._connection
        invoke = connection._invoke

        def noting(timeout_s: float, request: Any, xid: int | None = None) -> Any:
            answer = invoke(timeout_s, request, xid)
            if isinstance(request, Connect):
                self.granted_ms = answer[0].time_out
            return answer

        connection._invoke = noting

    def _state_changed(self, state: str) -> None:
        """In one of kazoo's threads."""
        if state == KazooState.CONNECTED:
            self.hand(self._connected, self.kazoo.client_id[0], self.granted_ms)
        elif state == KazooState.SUSPENDED:
            self.hand(self._suspended)
        else:
            self.hand(self._lost, self.kazoo.client_state == KeeperState.AUTH_FAILED)

    def _connected(self, session: int, granted_ms: int) -> None:
        self._session, self._refusal = session, ""
        self._remember()
        for client in list(self._clients):
            client.connected(session, granted_ms)

    def _suspended(self) -> None:
        _log.warning("the connection with ZooKeeper is lost; it is tried again")
        self._tell(q.Suspended())
        self._remember()
        self._forgetting = self._loop.call_later(self.granted_ms / 1000, self._forget)

    def _forget(self) -> None:
        """Servers that have lost data refuse whoever has seen more, for good. Whether what they
        have is older is for elections to see, which remember what was acknowledged."""
        self.kazoo.last_zxid = 0

    def _remember(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None

    def _lost(self, is_refused: bool) -> None:
        self._session = 0
        self._tell(q.Lost())
        if is_refused:
            self._refuse(f"ZooKeeper refuses the user {self._access.user!r}")

    def _refuse(self, text: str) -> None:
        """Somebody has to act; said once for as long as it is the same."""
        if text != self._refusal:
            self._refusal = text
            for client in list(self._clients):
                self._tell_refusal(client)

    def _tell_refusal(self, client: Follower) -> None:
        client.refused(self._refusal)
        client.say(Noticed(q.Unserved(self._refusal)))

    def _tell(self, news: q.News) -> None:
        for client in list(self._clients):
            client.say(Noticed(news))


def _judge(host: str, text: str) -> InterrexError | None:
    """What is wrong with a server that said this of itself."""
    if text.startswith("Zookeeper version: "):
        version = text.split()[2].split("-")[0]
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
        if numbers < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            return WrongService(f"ZooKeeper at {host} is {version}, and {oldest} is the oldest")
        return None
    if "whitelist" in text or "not currently serving" in text:
        return None  # it does not say, or will serve later
    return WrongService(f"what answers at {host} is no ZooKeeper")


def _password(options: ZooKeeper) -> str:
    if not options.user:
        return ""
    try:
        return Path(options.password_file).read_text().rstrip("\n")
    except OSError as error:
        raise InterrexError(
            f"the password of ZooKeeper's user {options.user} cannot be read: {error}"
        ) from error


def _tls(access: ZooKeeperAccess) -> ssl.SSLContext | None:
    """As kazoo makes it of the same files; both look at the host's name. Raises BadCertificates."""
    if not access.tls:
        return None
    return tls_context("ZooKeeper", access.ca, access.certificate, access.key)


def _security(access: ZooKeeperAccess) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if access.tls:
        found |= {"use_ssl": True, "ca": access.ca or None, "check_hostname": True}
    if access.certificate:
        found |= {"certfile": access.certificate, "keyfile": access.key}
    if access.user:
        found["sasl_options"] = {
            "mechanism": "DIGEST-MD5",
            "username": access.user,
            "password": str(access.password),
        }
    return found
