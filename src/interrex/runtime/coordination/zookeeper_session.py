"""A session with a ZooKeeper ensemble, through kazoo, that elections share.

kazoo's threads do the talking, everything is handed to the one event loop, in its order. kazoo
keeps the session alive and, when it has ended, begins another by itself.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from kazoo.client import KazooClient
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

from interrex.core.errors import InterrexError
from interrex.elections.interface import Noticed
from interrex.elections.zookeeper import questions as q
from interrex.runtime.coordination.interface import BadCredentials, Unreachable
from interrex.runtime.coordination.passwords import password_now
from interrex.runtime.coordination.zookeeper_access import ZooKeeperAccess, security_of
from interrex.runtime.coordination.zookeeper_servers import introduce

_log = logging.getLogger(__name__)
_SILENT = logging.getLogger("interrex.kazoo")
_SILENT.setLevel(logging.CRITICAL)

ATTEMPT_S = 2.0
RETRY_S = 0.2
"""How long servers are asked who they are before they are asked anew, and how long after that."""
REFUSED_S = 2.0
"""Until a user who was not let in is shown again, and until servers that were reached before, and
are not any more, are asked why."""


class Follower(Protocol):
    """An election, as the connection speaks to it."""

    def connected(self, session: int, granted_ms: int) -> None: ...

    def refused(self, error: InterrexError, /) -> None: ...

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
        self._refusal: InterrexError | None = None
        """Why the servers give no session, and what to do."""
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
            **security_of(access),
        )
        self._note_granted_time()
        self.kazoo.add_listener(self._state_changed)
        self._is_introduced = False
        self._beginning: asyncio.Task[None] | None = None
        self._explaining: asyncio.Task[None] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None

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
        elif self._refusal is not None:
            self._loop.call_soon(self._tell_refusal, client, self._refusal)

    def leave(self, client: Follower) -> None:
        """It hears no more."""
        self._clients.remove(client)

    def serves(self, session: int) -> bool:
        """Whether this session is still served, as far as is known."""
        return self._session == session and self.kazoo.connected and not self._closed

    def let_in(self) -> None:
        """The user has been let do something: what was refused before is over."""
        self._refusal = None

    async def _begin(self) -> None:
        while not self._is_introduced:
            problem = await self._problem()
            if problem is not None:
                self._refuse(problem)
            if not self._is_introduced:
                await asyncio.sleep(RETRY_S)
        self.kazoo.start_async()

    async def _explain(self) -> None:
        """Servers that were reached before may have other certificates now, or be others. They are
        tried again whatever they say: nobody is refused for good."""
        while True:
            await asyncio.sleep(REFUSED_S)
            problem = await self._problem()
            if problem is not None and str(problem) != str(self._refusal):
                self._refusal = problem
                _log.error("%s", in_one_line(problem))
                for client in list(self._clients):
                    client.say(Noticed(unserved(problem)))

    async def _problem(self) -> InterrexError | None:
        """What keeps the servers from being led by, where that is more than that none answers."""
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await self.introduce()
        except (Unreachable, TimeoutError):
            return None
        except InterrexError as error:
            return error
        return None

    async def close(self) -> None:
        """End the session."""
        self._closed = True
        self._remember()
        if self._again is not None:
            self._again.cancel()
        tasks = [one for one in (self._beginning, self._explaining) if one is not None]
        for task in tasks:
            task.cancel()
        if self._reset is not None:
            tasks.append(self._reset)  # to its end: what it starts would outlive this
        await asyncio.gather(*tasks, return_exceptions=True)
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
        # Stopping one that has given up would end the next session at once.
        if self.kazoo.client_state != KeeperState.CLOSED:
            await asyncio.to_thread(self.kazoo.stop)
        if not self._closed:
            await asyncio.to_thread(self.kazoo.start_async)

    async def introduce(self) -> None:
        """Whether these servers are ZooKeeper's.

        Raises:
            InterrexError: they are not, as ``zookeeper_servers.introduce`` has it.
        """
        await introduce(self._access)
        self._is_introduced = True

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
        self._session = session
        self._remember()
        for client in list(self._clients):
            client.connected(session, granted_ms)

    def _suspended(self) -> None:
        _log.warning("the connection with ZooKeeper is lost; it is tried again")
        self._tell(q.Suspended())
        self._remember()
        self._forgetting = self._loop.call_later(self.granted_ms / 1000, self._forget)
        self._explaining = self._loop.create_task(self._explain())

    def _forget(self) -> None:
        """Servers that have lost data refuse whoever has seen more, for good. Whether what they
        have is older is for elections to see, which remember what was acknowledged."""
        self.kazoo.last_zxid = 0

    def _remember(self) -> None:
        """The connection is there again, or nobody waits for it any more."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        if self._explaining is not None:
            self._explaining.cancel()

    def _lost(self, is_refused: bool) -> None:
        self._session = 0
        self._tell(q.Lost())
        if is_refused and not self._closed:
            self._remember()
            self._refuse(
                BadCredentials(
                    f"ZooKeeper refuses the user {self._access.user!r}\n"
                    "let its password be the one that ZooKeeper has"
                )
            )
            self._again = self._loop.call_later(REFUSED_S, self._show_again)

    def _show_again(self) -> None:
        """kazoo has given up: its user is shown again, with the password that the file holds."""
        password = password_now(self._access.password, self._access.password_file)
        self.kazoo._connection.sasl_options["password"] = str(password)
        self._reset = self._loop.create_task(self._begin_anew())

    def _refuse(self, error: InterrexError) -> None:
        """Somebody has to act; said once for as long as it is the same."""
        if str(error) != str(self._refusal):
            self._refusal = error
            for client in list(self._clients):
                self._tell_refusal(client, error)

    def _tell_refusal(self, client: Follower, error: InterrexError) -> None:
        client.refused(error)
        client.say(Noticed(unserved(error)))

    def _tell(self, news: q.News) -> None:
        for client in list(self._clients):
            client.say(Noticed(news))


def unserved(error: InterrexError) -> q.Unserved:
    """What an election hears of it: what is wrong, and what to do."""
    what, _, advice = str(error).partition("\n")
    return q.Unserved(what, advice)


def in_one_line(error: InterrexError) -> str:
    """For a log."""
    return str(error).replace("\n", "; ")
