"""etcd's JSON gateway over aiohttp: several endpoints, TLS, a user's password.

Each question is one attempt at one endpoint. Whatever fails there makes the next endpoint the one
in use, and ends the watches at the one that failed: a member that was stopped says nothing, also to
those who only listen.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, cast
from weakref import WeakSet

import aiohttp
import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.placeholders import fill
from interrex.core.secret import Secret
from interrex.core.spec import Etcd
from interrex.elections.etcd.questions import (
    Answer,
    Certainty,
    Compare,
    Failed,
    Grant,
    KeepAlive,
    Put,
    Question,
    Revoke,
    Transact,
    Watch,
)
from interrex.elections.interface import Ask, Noticed, Told
from interrex.runtime.coordination.certificates import certificate_problem, tls_context
from interrex.runtime.coordination.etcd_json import (
    NONSENSE,
    REFUSALS,
    UNAUTHENTICATED,
    Refused,
    Words,
    decode_body,
    encode_body,
    error_of,
    refusal,
)
from interrex.runtime.coordination.etcd_leases import Leases, SharedLease
from interrex.runtime.coordination.etcd_tokens import Tokens
from interrex.runtime.coordination.etcd_watches import Watched, Watches
from interrex.runtime.coordination.interface import (
    BadCredentials,
    Post,
    Unreachable,
    WrongService,
)
from interrex.runtime.coordination.passwords import password_from

OLDEST = (3, 4)
"""The oldest etcd whose gateway takes these questions."""
TURNS_TO_END = 16
"""In so many turns of its loop asyncio reads that a connection has ended, and closes it."""


class EtcdAccess(msgspec.Struct, frozen=True):
    """How a cluster is reached. ``endpoints`` are URLs; ``timeout`` is in seconds; files are paths,
    empty where there is none."""

    endpoints: tuple[str, ...]
    timeout: float = 1.0
    user: str = ""
    password: Secret = Secret()
    password_file: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""


def access_from(options: Etcd, host: HostName) -> EtcdAccess:
    """What a cluster file says, for one machine.

    Raises:
        InterrexError: the password cannot be read.
    """
    values = {"host": host}
    return EtcdAccess(
        endpoints=options.endpoints,
        timeout=options.timeout,
        user=options.user,
        password=password_from("etcd", options.user, options.password_file),
        password_file=options.password_file if options.user else "",
        ca=fill(options.ca, values),
        certificate=fill(options.certificate, values),
        key=fill(options.key, values),
    )


class EtcdConnection:
    """One cluster, as a client reaches it. Any number of elections on one event loop may share it.

    Args:
        access: endpoints and how to reach them.

    Raises:
        BadCertificates: a certificate cannot be used.
    """

    def __init__(self, access: EtcdAccess) -> None:
        self.timeout = access.timeout
        self._access = access
        self._endpoints = tuple(endpoint.rstrip("/") for endpoint in access.endpoints)
        self._at = 0
        self._fit: set[str] = set()
        """Endpoints that have told who they are, and were not left since."""
        self._clusters: dict[str, str] = {}
        """Which cluster each endpoint belongs to, as far as it has said so."""
        self._tokens = Tokens(
            access.user, access.password, access.password_file, self._send, self._password_refused
        )
        self.refused: list[Callable[[InterrexError], None]] = []
        """Who hears that the password is not taken any more; it is tried again all the same."""
        self._sockets: WeakSet[socket.socket] = WeakSet()
        context = _tls(access)
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=context if context is not None else True,
            socket_factory=self._open_socket,
        )
        self._http = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=access.timeout)
        )
        self.watches = Watches(self)
        self.leases = Leases()

    async def close(self) -> None:
        """End every connection.

        One whose question failed was given up with a polite end of TLS, which aiohttp forgets and
        a server may leave unanswered: it is ended here too.
        """
        await self._tokens.close()
        await asyncio.gather(self._http.close(), self.watches.close(), self.leases.close())
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for _ in range(TURNS_TO_END):
            if any(one.fileno() >= 0 for one in self._sockets):
                await asyncio.sleep(0)

    def _open_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        opened = socket.socket(family, kind, protocol)
        self._sockets.add(opened)
        return opened

    async def answer(self, words: Words, question: Question) -> Answer:
        """Ask once."""
        endpoint = self.endpoint
        path, body = words.request(question)
        try:
            return words.answer(question, await self._call(endpoint, path, body))
        except WrongService as error:
            self.leave(endpoint)
            return Failed(Certainty.REFUSED, str(error))
        except Refused as error:
            answer = refusal(question, error.body)
            if isinstance(answer, Failed) and answer.certainty is Certainty.UNKNOWN:
                self.leave(endpoint)
            return answer
        except (TimeoutError, aiohttp.ClientError, OSError, *NONSENSE) as error:
            self.leave(endpoint)
            problem = certificate_problem(endpoint, error)
            if problem is not None:
                return Failed(Certainty.NOT_DONE, str(problem).partition("\n")[0])
            nobody = isinstance(error, aiohttp.ClientConnectorError)
            certainty = Certainty.NOT_DONE if nobody else Certainty.UNKNOWN
            return Failed(certainty, f"{endpoint}: {why(error)}")

    async def ask(self, question: Question) -> Answer:
        """Ask once what is not about keys."""
        return await self.answer(Words(""), question)

    async def introduce(self, words: Words) -> None:
        """Whether this is an etcd that may be written to under the folder of ``words``.

        Raises:
            Unreachable: no endpoint answers.
            WrongService: what answers is no etcd, or too old a one, or another cluster's too.
            WrongCertificate: its certificate does not fit, or it does not take ours.
            BadCredentials: it does not let this user write there.
        """
        found: InterrexError | None = None
        for _ in self._endpoints:
            endpoint = self.endpoint
            try:
                await self._try_to_write(endpoint, words)
            except (BadCredentials, WrongService) as error:
                self.leave(endpoint)
                found = error
            except (aiohttp.ClientError, TimeoutError, OSError, Refused) as error:
                self.leave(endpoint)
                problem = certificate_problem(endpoint, error)
                found = problem or found or Unreachable(f"{endpoint}: {why(error)}")
            else:
                return
        assert found is not None
        raise found

    async def _meet(self, endpoint: str) -> None:
        """Raises WrongService."""
        await self._check_version(endpoint)
        is_first = not self._clusters
        cluster = await self._cluster_of(endpoint)
        if is_first or not set(self._clusters.values()) <= {cluster}:
            others = [one for one in self._endpoints if one != endpoint]
            await asyncio.gather(*map(self._cluster_of, others))
        for other, found in self._clusters.items():
            if cluster and found != cluster:
                raise WrongService(
                    f"{endpoint} and {other} are of two clusters of etcd: name the endpoints of one"
                )

    async def _cluster_of(self, endpoint: str) -> str:
        """Its cluster's id; empty, and forgotten, where it does not say."""
        self._clusters.pop(endpoint, None)
        try:
            found = await self._send(endpoint, "/v3/maintenance/status", {}, {})
            self._clusters[endpoint] = str(found["header"]["cluster_id"])
        except (aiohttp.ClientError, TimeoutError, OSError, Refused, *NONSENSE):
            return ""
        return self._clusters[endpoint]

    async def _check_version(self, endpoint: str) -> None:
        """Raises WrongService."""
        async with self._http.get(f"{endpoint}/version") as response:
            if response.status >= 500:
                response.raise_for_status()  # what stands before etcd does not reach it now
            body = await response.read()
        try:
            version = str(decode_body(body)["etcdserver"])
            numbers = tuple(int(part) for part in version.split(".")[:2])
        except NONSENSE:
            raise WrongService(f"what answers at {endpoint} is no etcd") from None
        if numbers < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise WrongService(f"etcd at {endpoint} is {version}, and {oldest} is the oldest")

    async def _try_to_write(self, endpoint: str, words: Words) -> None:
        """A transaction that writes nothing, and that etcd refuses to who may not write."""
        never = Transact((Compare("", created=-1),), (Put("", b""),))
        try:
            await self._call(endpoint, *words.request(never))
        except Refused as error:
            code, text = error_of(error.body)
            if code not in REFUSALS:
                raise
            raise self._refusal(endpoint, text) from None

    def _refusal(self, endpoint: str, text: str) -> BadCredentials:
        user = f"the user {self._access.user!r}" if self._access.user else "who shows no user"
        return BadCredentials(f"{endpoint} refuses {user}: {text}")

    def _password_refused(self, endpoint: str, body: Any) -> None:
        for hear in list(self.refused):
            hear(self._refusal(endpoint, error_of(body)[1]))

    async def _call(self, endpoint: str, path: str, body: Any) -> Any:
        """One request, and once more with a new token where the old one is refused."""
        headers = await self.headers(endpoint)
        try:
            return await self._send(endpoint, path, body, headers)
        except Refused as error:
            if not headers or error_of(error.body)[0] != UNAUTHENTICATED:
                raise
        self._tokens.forget(headers)
        return await self._send(endpoint, path, body, await self.headers(endpoint))

    async def _send(self, endpoint: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = encode_body(body)
        async with self._http.post(f"{endpoint}{path}", data=data, headers=headers) as response:
            found = decode_body(await response.read())
            if response.status != 200 or "error" in found:
                raise Refused(found)
            return found

    # What the watches need

    @property
    def http(self) -> aiohttp.ClientSession:
        return self._http

    async def headers(self, endpoint: str) -> dict[str, str]:
        """What shows who asks.

        Before it is asked anything, an endpoint has to tell its version and its cluster.

        Raises:
            WrongService: it is no etcd, or too old a one, or one of another cluster than others.
        """
        if endpoint not in self._fit:
            await self._meet(endpoint)
            self._fit.add(endpoint)
        return await self._tokens.headers(endpoint)

    def forget_token(self) -> None:
        """It may be what was refused."""
        self._tokens.forget()

    @property
    def endpoint(self) -> str:
        """The one in use."""
        return self._endpoints[self._at % len(self._endpoints)]

    def leave(self, endpoint: str) -> None:
        """Use the next endpoint, unless somebody has changed to another already. This one may be
        another when it is used again."""
        self._fit.discard(endpoint)
        if endpoint != self.endpoint:
            return
        self._at += 1
        if self.endpoint != endpoint:
            self.watches.end("another endpoint is in use")


class EtcdClient:
    """One election's questions. Implements ``CoordinationClient``.

    Args:
        connection: asks them.
        folder: under which all keys lie.
        post: takes answers and news.
        shares: whether the connection is others' too, and is not to be closed; then its lease is
            also theirs.
    """

    def __init__(
        self, connection: EtcdConnection, folder: str, post: Post, *, shares: bool = False
    ) -> None:
        self.folder = folder
        self._connection = connection
        self._words = Words(folder)
        self._post = post
        self._shares = shares
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: Watched | None = None
        self._lease: SharedLease | None = None
        self._closed = False

    def ask(self, ask: Ask) -> None:
        """Begin to ask; ``Told`` is posted once, later."""
        question = cast(Question, ask.question)
        if isinstance(question, Watch):
            if self._watch is not None:
                self._connection.watches.remove(self._watch, "another watch is in its place")
            self._watch = Watched(ask.request, self._words, question.revision, self.say)
            self._connection.watches.add(self._watch)
        else:
            self._spawn(self._tell(ask.request, question))

    async def give_up_lease(self) -> None:
        """End the lease for all who share it: something of this election's is left under it."""
        if self._lease is not None:
            await self._lease.give_up()

    async def close(self) -> None:
        """Nothing is posted any more; what is only this election's ends."""
        self._closed = True
        if self._lease is not None:
            self._lease.sharers.remove(self)
            self._lease = None
        if self._watch is not None:
            self._connection.watches.remove(self._watch, "its election was left")
        # With the connection all requests end at once; one that was cancelled before would give it
        # back, with a polite end of TLS that nobody waits for.
        if not self._shares:
            await self._connection.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, request: int, question: Question) -> None:
        self.say(Told(request, await self._answer(question)))

    async def _answer(self, question: Question) -> Answer:
        lease = self._lease
        if lease is None and self._shares and isinstance(question, Grant):
            lease = self._connection.leases.join(self, question.ttl_s, self._connection.ask)
            self._lease = lease
        if lease is not None:
            match question:
                case Grant():
                    return await lease.grant(question)
                case KeepAlive():
                    return await lease.keep_alive(question)
                case Revoke():
                    return await lease.revoke(question)
                case _:
                    pass
        return await self._connection.answer(self._words, question)

    def say(self, event: Told | Noticed) -> None:
        """Post what there is to say, until closed."""
        if not self._closed:
            self._post(event)


def why(error: BaseException) -> str:
    """An error in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        return error.strerror or str(cause) or f"no connection ({type(cause).__name__})"
    return str(error) or repr(error)


def _tls(access: EtcdAccess) -> ssl.SSLContext | None:
    if not (access.ca or access.certificate):
        return None
    return tls_context("etcd", access.ca, access.certificate, access.key)
