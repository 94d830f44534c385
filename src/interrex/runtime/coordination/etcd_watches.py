"""The watches of one client of etcd, sixteen on a stream: HTTP/1.1 takes a connection for each.

A stream's one request asks for all its watches, each from the revision that it has come to. So
where one is added the stream is begun anew, and none misses anything; the other streams are left
alone. docs/decisions/0086 says why.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp

from interrex.elections.etcd.questions import (
    Certainty,
    Failed,
    Watch,
    Watching,
    WatchLost,
)
from interrex.elections.interface import Noticed, Told
from interrex.runtime.coordination.etcd_json import (
    NONSENSE,
    Refused,
    Words,
    decode_body,
    encode_body,
)
from interrex.runtime.coordination.interface import WrongService

_LARGEST_LINE = 256 * 1024 * 1024
_PATH = "/v3/watch"
MOST_WATCHES = 16
"""On one stream."""


class Gateway(Protocol):
    """What the watches use of the client."""

    timeout: float
    """In seconds."""

    @property
    def http(self) -> aiohttp.ClientSession: ...

    @property
    def endpoint(self) -> str: ...

    async def headers(self, endpoint: str) -> dict[str, str]:
        """Raises WrongService."""

    def forget_token(self) -> None: ...

    def leave(self, endpoint: str) -> None: ...


class Watched:
    """One watch, from its ``Told`` to its ``WatchLost``, each of which is said once.

    Args:
        request: the number of the ``Ask``.
        words: of the election that asks.
        revision: the first that is of interest.
        say: takes what there is to say.
    """

    def __init__(
        self, request: int, words: Words, revision: int, say: Callable[[Told | Noticed], None]
    ) -> None:
        self.request = request
        self.words = words
        self.revision = revision
        self._say = say
        self._is_told = False
        self._is_over = False

    def begun(self) -> None:
        """It is up."""
        if not self._is_told and not self._is_over:
            self._is_told = True
            self._say(Told(self.request, Watching()))

    def take(self, line: Any) -> WatchLost | None:
        """Say what a line of the stream says; returns the watch's end, where it is that."""
        news = self.words.news(self.request, line)
        if isinstance(news, WatchLost):
            return news
        self.begun()
        if news is not None and not self._is_over:
            self.revision = max(event.modified for event in news.events) + 1
            self._say(Noticed(news))
        return None

    def lost(self, text: str, compacted: bool = False) -> None:
        """It has ended."""
        if self._is_over:
            return
        if not self._is_told and not compacted:
            self._is_told = self._is_over = True
            self._say(Told(self.request, Failed(Certainty.NOT_DONE, text)))
            return
        self.begun()
        self._is_over = True
        self._say(Noticed(WatchLost(self.request, text, compacted)))


class Watches:
    """The watches that there are, and their streams."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._streams: list[_Stream] = []

    def add(self, watched: Watched) -> None:
        """Begin to watch."""
        stream = next((one for one in self._streams if one.count < MOST_WATCHES), None)
        if stream is None:
            stream = _Stream(self._gateway)
            self._streams.append(stream)
        stream.add(watched)

    def remove(self, watched: Watched, text: str) -> None:
        """Watch no more; its end is said."""
        for stream in self._streams:
            stream.remove(watched)
        self._streams = [one for one in self._streams if one.count]
        watched.lost(text)

    def end(self, text: str) -> None:
        """All of them are lost."""
        streams, self._streams = self._streams, []
        for stream in streams:
            stream.end(text)

    async def close(self) -> None:
        """End the streams; nothing is said."""
        streams, self._streams = self._streams, []
        for stream in streams:
            await stream.close()


class _Stream:
    """A few watches, and the connection that tells of them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._watched: dict[int, Watched] = {}
        self._added = 0
        self._stream: asyncio.Task[None] | None = None
        self._restart: asyncio.Handle | None = None

    @property
    def count(self) -> int:
        """How many watches it has."""
        return len(self._watched)

    def add(self, watched: Watched) -> None:
        """Begin to watch, with all the others anew."""
        self._added += 1
        self._watched[self._added] = watched
        if self._restart is None:
            self._restart = asyncio.get_running_loop().call_soon(self._begin)

    def remove(self, watched: Watched) -> None:
        """Watch no more, if it is one of these; nothing is said."""
        # etcd goes on telling of it until the stream is begun anew; nobody takes that.
        numbers = [number for number, one in self._watched.items() if one is watched]
        for number in numbers:
            del self._watched[number]
        if not self._watched:
            self._cut()

    def end(self, text: str) -> None:
        """All of them are lost."""
        watched, self._watched = self._watched, {}
        self._cut()
        for one in watched.values():
            one.lost(text)

    async def close(self) -> None:
        """End the stream; nothing is said."""
        self._watched.clear()
        stream = self._stream
        self._cut()
        if stream is not None:
            await asyncio.gather(stream, return_exceptions=True)

    def _cut(self) -> None:
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    def _begin(self) -> None:
        self._cut()
        self._stream = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        """Read the stream to its end, which is that of all watches."""
        endpoint = self._gateway.endpoint
        text = f"{endpoint} has ended the connection"
        try:
            async with asyncio.timeout(self._gateway.timeout) as limit:
                await self._read(endpoint, limit)
        except TimeoutError:
            text = f"{endpoint}: no answer in time"
        except (aiohttp.ClientError, OSError, Refused, WrongService, *NONSENSE) as error:
            text = f"{endpoint}: {str(error) or repr(error)}"
        self._gateway.forget_token()
        self._stream = None
        self._gateway.leave(endpoint)
        self.end(text)

    async def _read(self, endpoint: str, limit: asyncio.Timeout) -> None:
        """Hand out what the stream says; ``limit`` is lifted once it is up."""
        headers = await self._gateway.headers(endpoint)
        asked = dict(self._watched)
        body = b"".join(encode_body(_request(number, one)) for number, one in asked.items())
        async with self._gateway.http.post(
            f"{endpoint}{_PATH}",
            data=body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            connection = response.connection
            try:
                lines = _Lines(response.content)
                while (line := await lines.next()) is not None:
                    if "error" in line:
                        raise ValueError(line["error"].get("message", line["error"]))
                    limit.reschedule(None)
                    self._take(line)
            finally:
                # Over TLS a polite end waits for the other side, and nobody here would wait for it.
                if connection is not None and connection.transport is not None:
                    connection.transport.abort()

    def _take(self, line: Any) -> None:
        number = int(line["result"].get("watch_id", 0))
        watched = self._watched.get(number)
        if watched is None:
            return
        lost = watched.take(line)
        if lost is not None:
            if not lost.compacted:
                self._gateway.forget_token()
            self._watched.pop(number, None)
            watched.lost(lost.text, lost.compacted)


def _request(number: int, watched: Watched) -> Any:
    _, body = watched.words.request(Watch(watched.revision))
    return {"create_request": {**body["create_request"], "watch_id": str(number)}}


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
