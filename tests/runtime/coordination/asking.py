"""A coordination service's client as a test holds it: ask, wait for what is told and noticed."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from interrex.elections.interface import Ask, Noticed, Told
from interrex.runtime.coordination.interface import CoordinationClient, Post

PATIENCE_S = 60.0


class Asker:
    """Numbers questions, and hands each answer to who asked."""

    def __init__(self, make: Callable[[Post], CoordinationClient]) -> None:
        self._asked = 0
        self._told: dict[int, asyncio.Future[msgspec.Struct]] = {}
        self.news: asyncio.Queue[Any] = asyncio.Queue()
        self.client = make(self._post)

    def _post(self, event: Told | Noticed) -> None:
        if isinstance(event, Told):
            self._told.pop(event.request).set_result(event.answer)
        else:
            self.news.put_nowait(event.news)

    def begin(self, question: msgspec.Struct) -> tuple[int, asyncio.Future[Any]]:
        """Ask; returns the number, and what will have the answer."""
        self._asked += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._told[self._asked] = future
        self.client.ask(Ask(self._asked, question))
        return self._asked, future

    async def ask(self, question: msgspec.Struct) -> Any:
        """Ask, and wait for the answer."""
        return await asyncio.wait_for(self.begin(question)[1], PATIENCE_S)

    async def next_news(self) -> Any:
        """Wait for what the client says by itself."""
        return await asyncio.wait_for(self.news.get(), PATIENCE_S)
