"""etcd's JSON gateway over aiohttp: several endpoints, TLS, a user's password.

Each question is one attempt at one endpoint. Whatever fails there makes the next endpoint the one
in use, and ends the watch at the one that failed: a member that was stopped says nothing, also to
those who only listen.
"""

import asyncio
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

import aiohttp
import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.placeholders import fill
from interrex.core.spec import Etcd
from interrex.elections.etcd.questions import (
    Answer,
    Certainty,
    Failed,
    Question,
    Watch,
    Watching,
    WatchLost,
)
from interrex.elections.interface import Ask, Noticed, Told
from interrex.runtime.coordination.etcd_json import (
    UNAUTHENTICATED,
    Words,
    decode_body,
    encode_body,
    error_of,
    refusal,
)
from interrex.runtime.coordination.interface import Post

_NONSENSE = (KeyError, TypeError, ValueError, AttributeError, msgspec.MsgspecError)
_LARGEST_LINE = 256 * 1024 * 1024


class _Refused(Exception):  # noqa: N818
    """An endpoint answered with an error; ``body`` says which."""

    def __init__(self, body: Any) -> None:
        super().__init__(str(body))
        self.body = body


class EtcdClient:
    """One cluster's client. Implements ``CoordinationClient``.

    Args:
        options: endpoints and how to reach them.
        folder: under which all keys lie.
        host: this machine, for the names of its certificate's files.
        post: takes answers and news.

    Raises:
        InterrexError: a certificate or the password cannot be read.
    """

    def __init__(self, options: Etcd, folder: str, host: HostName, post: Post) -> None:
        self._options = options
        self._words = Words(folder)
        self._post = post
        self._ssl = _tls(options, host)
        self._password = _password(options)
        self._token: str | None = None
        self._at = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._untold: set[int] = set()
        """The watches whose ``Told`` is still to come."""
        self._open: set[int] = set()
        """The watches whose end is still to be told."""
        self._closed = False
        connector = aiohttp.TCPConnector(limit=0, ssl=self._ssl if self._ssl is not None else True)
        self._http = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=options.timeout)
        )

    def ask(self, ask: Ask) -> None:
        """Begin to ask; ``Told`` is posted once, later."""
        question = cast(Question, ask.question)
        if isinstance(question, Watch):
            if self._watch is not None:
                self._watch.cancel()
            self._untold.add(ask.request)
            self._open.add(ask.request)
            self._watch = self._spawn(self._follow(ask.request, question))
            self._watch.add_done_callback(lambda task: self._watch_ended(ask.request))
        else:
            self._spawn(self._tell(ask.request, question))

    async def close(self) -> None:
        """End every connection; nothing is posted any more."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.close()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _say(self, event: Told | Noticed) -> None:
        if not self._closed:
            self._post(event)

    # Single questions

    async def _tell(self, request: int, question: Question) -> None:
        self._say(Told(request, await self._answer(question)))

    async def _answer(self, question: Question) -> Answer:
        endpoint = self._endpoint
        path, body = self._words.request(question)
        try:
            return self._words.answer(question, await self._call(endpoint, path, body))
        except _Refused as error:
            answer = refusal(question, error.body)
            if isinstance(answer, Failed) and answer.certainty is Certainty.UNKNOWN:
                self._leave(endpoint)
            return answer
        except aiohttp.ClientConnectorError as error:
            self._leave(endpoint)
            return Failed(Certainty.NOT_DONE, f"{endpoint}: {error.strerror or error}")
        except (TimeoutError, aiohttp.ClientError, OSError, *_NONSENSE) as error:
            self._leave(endpoint)
            return Failed(Certainty.UNKNOWN, f"{endpoint}: {_why(error)}")

    async def _call(self, endpoint: str, path: str, body: Any) -> Any:
        """One request, and once more with a new token where the old one is refused."""
        try:
            return await self._send(endpoint, path, body, await self._headers(endpoint))
        except _Refused as error:
            if self._password is None or error_of(error.body)[0] != UNAUTHENTICATED:
                raise
        self._token = None
        return await self._send(endpoint, path, body, await self._headers(endpoint))

    async def _send(self, endpoint: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = encode_body(body)
        async with self._http.post(f"{endpoint}{path}", data=data, headers=headers) as response:
            found = decode_body(await response.read())
            if response.status != 200 or "error" in found:
                raise _Refused(found)
            return found

    async def _headers(self, endpoint: str) -> dict[str, str]:
        if self._password is None:
            return {}
        if self._token is None:
            asked = {"name": self._options.user, "password": self._password}
            found = await self._send(endpoint, "/v3/auth/authenticate", asked, {})
            self._token = str(found["token"])
        return {"Authorization": self._token}

    # Watching

    async def _follow(self, request: int, question: Watch) -> None:
        """Read one watch to its end. Its ``Told`` is posted before any news of it."""
        endpoint = self._endpoint
        lost = WatchLost(request, f"{endpoint} has ended the connection")
        try:
            async with asyncio.timeout(self._options.timeout) as limit:
                lost = await self._read_watch(endpoint, request, question, limit) or lost
        except (TimeoutError, aiohttp.ClientError, OSError, _Refused, *_NONSENSE) as error:
            lost = WatchLost(request, f"{endpoint}: {_why(error)}")
            self._leave(endpoint, watching=False)
        self._watch_ended(request, lost)

    async def _read_watch(
        self, endpoint: str, request: int, question: Watch, limit: asyncio.Timeout
    ) -> WatchLost | None:
        """Post what a watch says; ``limit`` is lifted once it is up."""
        path, body = self._words.request(question)
        headers = await self._headers(endpoint)
        async with self._http.post(
            f"{endpoint}{path}",
            data=encode_body(body),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            lines = _Lines(response.content)
            while (line := await lines.next()) is not None:
                news = self._words.news(request, line)
                if isinstance(news, WatchLost):
                    self._token = None  # it may be what was refused
                    return news
                if request in self._untold:
                    limit.reschedule(None)
                    self._untold.discard(request)
                    self._say(Told(request, Watching()))
                if news is not None:
                    self._say(Noticed(news))
        return None

    def _watch_ended(self, request: int, lost: WatchLost | None = None) -> None:
        """The end of a watch is told once, also where its task never came to run."""
        if request not in self._open:
            return
        self._open.discard(request)
        lost = lost or WatchLost(request, "another endpoint is in use")
        if request in self._untold and not lost.compacted:
            self._untold.discard(request)
            self._say(Told(request, Failed(Certainty.NOT_DONE, lost.text)))
            return
        if request in self._untold:
            self._untold.discard(request)
            self._say(Told(request, Watching()))
        self._say(Noticed(lost))

    # Endpoints

    @property
    def _endpoint(self) -> str:
        return self._options.endpoints[self._at % len(self._options.endpoints)].rstrip("/")

    def _leave(self, endpoint: str, watching: bool = True) -> None:
        """Use the next endpoint, unless somebody has changed to another already."""
        if endpoint != self._endpoint:
            return
        self._at += 1
        if watching and self._watch is not None and self._endpoint != endpoint:
            self._watch.cancel()
            self._watch = None


class _Lines:
    """The JSON documents of a stream, one a line, however it is cut."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream
        self._kept = bytearray()

    async def next(self) -> Any:
        """The next document, None at the end."""
        while (end := self._kept.find(b"\n")) < 0:
            data = await self._stream.readany()
            if not data:
                return decode_body(bytes(self._kept)) if self._kept.strip() else None
            self._kept += data
            if len(self._kept) > _LARGEST_LINE:
                raise ValueError("a line of a watch is too long")
        line = bytes(self._kept[:end])
        del self._kept[: end + 1]
        return decode_body(line)


def _why(error: BaseException) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error) or repr(error)


def _password(options: Etcd) -> str | None:
    if not options.user:
        return None
    try:
        return Path(options.password_file).read_text().rstrip("\n")
    except OSError as error:
        raise InterrexError(
            f"the password of etcd's user {options.user} cannot be read: {error}"
        ) from error


def _tls(options: Etcd, host: HostName) -> ssl.SSLContext | None:
    if not (options.ca or options.certificate):
        return None
    try:
        context = ssl.create_default_context(cafile=fill(options.ca, {"host": host}) or None)
        if options.certificate:
            context.load_cert_chain(
                fill(options.certificate, {"host": host}), fill(options.key, {"host": host})
            )
    except (OSError, ssl.SSLError) as error:
        raise InterrexError(f"the certificates for etcd cannot be used: {error}") from error
    return context
