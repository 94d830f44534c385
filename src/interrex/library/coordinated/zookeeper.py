"""``zookeeper://USER:PASSWORD@HOST:PORT,.../NAME``: leaderships kept by a ZooKeeper ensemble.

The election's core and client are those that fleets use; docs/zookeeper.md has what they promise.
"""

from collections.abc import Callable
from random import Random
from urllib.parse import quote

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.elections.interface import Ask
from interrex.elections.zookeeper.settings import LEAST_SESSION_S, ZooKeeperSettings
from interrex.elections.zookeeper.zookeeper import ZooKeeper
from interrex.library.coordinated.options import (
    certificates,
    credentials,
    name_in,
    servers,
)
from interrex.library.coordinated.service import HEAD_START, Post
from interrex.library.coordinated.sharing import borrow, give_back
from interrex.library.errors import BadTimes, UnknownOption
from interrex.library.urls import ElectionUrl
from interrex.runtime.coordination.zookeeper import ZooKeeperClient
from interrex.runtime.coordination.zookeeper_access import ZooKeeperAccess
from interrex.runtime.coordination.zookeeper_session import ZooKeeperConnection

SESSION_S = 10.0
PATIENCE_S = 10.0
LAST_WORDS_S = 2.0


def zookeeper_service(url: ElectionUrl) -> "ZooKeeperService":
    """Raises MalformedUrl, UnknownOption."""
    url.only(
        "session", "patience", "root", "tls", "ca", "certificate", "key", "password_file",
        user=True,
    )  # fmt: skip
    user, password = credentials(url)
    access = ZooKeeperAccess(
        hosts=tuple(servers(url, 2181)),
        session=url.duration("session", SESSION_S, LEAST_SESSION_S),
        user=user,
        password=password,
        **certificates(url)._asdict(),
    )
    root = url.options.get("root", "/interrex").rstrip("/")
    if {".", ".."} & set(root.split("/")) or not f"{root}/".isprintable():
        raise UnknownOption(
            "root", f"{root!r} is no path of ZooKeeper: /NAME/NAME, without . and .."
        )
    folder = f"{root}/elections/{quote(name_in(url), safe='')}"
    return ZooKeeperService(access, folder, url.duration("patience", PATIENCE_S, 0))


class ZooKeeperService:
    """Implements ``Service``."""

    last_words = LAST_WORDS_S

    def __init__(self, access: ZooKeeperAccess, folder: str, patience: float) -> None:
        self._access = access
        self._folder = folder
        self._connection: ZooKeeperConnection | None = None
        self._client: ZooKeeperClient | None = None
        self.asked = ZooKeeperSettings().believed(round(access.session * 1000))
        self.patience = patience

    async def open(self, post: Post, refused: Callable[[InterrexError], None]) -> None:
        """Raises ElectionError."""
        connection = self._connection = await borrow(
            self._access,
            lambda: ZooKeeperConnection(self._access),
            ZooKeeperConnection.introduce,
            self.patience,
        )
        self._client = ZooKeeperClient(connection, self._folder, post, shares=True, refused=refused)

    def new_core(self, worker: WorkerName, priority: int, who: str, random: Random) -> ZooKeeper:
        settings = ZooKeeperSettings(priority=priority, stagger=HEAD_START)
        return ZooKeeper(worker, 0, settings, random, who)

    def check_granted(self, believed: int) -> None:
        """The ensemble's own bounds may have made the session shorter than was asked for."""
        if self._connection is not None:
            short = ZooKeeperSettings().shortness(self._connection.granted_ms)
            if short:
                raise BadTimes(f"{short}\n{self._access.session:g} s were asked for")

    def ask(self, ask: Ask) -> None:
        if self._client is not None:
            self._client.ask(ask)

    async def close(self, *, settled: bool) -> None:
        client, self._client = self._client, None
        if client is None or self._connection is None:
            return
        await client.close()
        if not settled:
            await self._connection.reset()
        await give_back(self._access)
