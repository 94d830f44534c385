"""``etcd://USER:PASSWORD@HOST:PORT,.../NAME``: leaderships kept by an etcd cluster.

The election's core and client are those that fleets use; docs/etcd.md has what they promise.
"""

import math
from collections.abc import Callable
from random import Random
from urllib.parse import quote

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.elections.etcd.etcd import Etcd
from interrex.elections.etcd.settings import LEAST_SESSION_S, EtcdSettings
from interrex.elections.interface import Ask
from interrex.library.coordinated.options import (
    certificates,
    check_times,
    credentials,
    name_in,
    servers,
)
from interrex.library.coordinated.service import HEAD_START, Post
from interrex.library.coordinated.sharing import borrow, give_back
from interrex.library.errors import UnknownOption
from interrex.library.urls import ElectionUrl
from interrex.runtime.coordination.etcd import EtcdAccess, EtcdClient, EtcdConnection
from interrex.runtime.coordination.etcd_json import Words

LEASE_S = 5.0
TRIES = 3
"""So many questions must go unanswered before a lease is in danger."""
PATIENCE_S = 10.0


def etcd_service(url: ElectionUrl) -> "EtcdService":
    """Raises MalformedUrl, UnknownOption, BadTimes."""
    url.only(
        "lease", "timeout", "patience", "prefix", "tls", "ca", "certificate", "key",
        "password_file", user=True,
    )  # fmt: skip
    lease = url.duration("lease", LEASE_S, LEAST_SESSION_S)
    if lease != int(lease):
        raise UnknownOption("lease", f"{lease:g} s is no whole number of seconds, as etcd counts")
    timeout = url.duration("timeout", min(1.0, lease / 5), 0.01)
    check_times(timeout, TRIES, lease, EtcdSettings(ttl_s=int(lease)).believed(int(lease)))
    user, password = credentials(url)
    files = certificates(url)
    scheme = "https" if files.tls else "http"
    access = EtcdAccess(
        endpoints=tuple(f"{scheme}://{server}" for server in servers(url, 2379)),
        timeout=timeout,
        user=user,
        password=password,
        ca=files.ca,
        certificate=files.certificate,
        key=files.key,
    )
    prefix = url.options.get("prefix", "/interrex").rstrip("/")
    folder = f"{prefix}/elections/{quote(name_in(url), safe='')}/"
    patience = url.duration("patience", PATIENCE_S, 0)
    return EtcdService(access, folder, math.ceil(lease), patience)


class EtcdService:
    """Implements ``Service``."""

    def __init__(self, access: EtcdAccess, folder: str, lease_s: int, patience: float) -> None:
        self._access = access
        self._folder = folder
        self._lease_s = lease_s
        self._client: EtcdClient | None = None
        self._connection: EtcdConnection | None = None
        self._refused: Callable[[InterrexError], None] | None = None
        self.asked = EtcdSettings(ttl_s=lease_s).believed(lease_s)
        self.patience = patience
        self.last_words = 2 * access.timeout

    async def open(self, post: Post, refused: Callable[[InterrexError], None]) -> None:
        """Raises ElectionError."""
        words = Words(self._folder)
        connection = self._connection = await borrow(
            self._access,
            lambda: EtcdConnection(self._access),
            lambda made: made.introduce(words),
            self.patience,
        )
        self._client = EtcdClient(connection, self._folder, post, shares=True)
        self._refused = refused
        connection.refused.append(refused)

    def new_core(self, worker: WorkerName, priority: int, who: str, random: Random) -> Etcd:
        settings = EtcdSettings(ttl_s=self._lease_s, priority=priority, stagger=HEAD_START)
        return Etcd(worker, 0, settings, random, who)

    def check_granted(self, believed: int) -> None:
        check_times(self._access.timeout, TRIES, self._lease_s, believed)

    def ask(self, ask: Ask) -> None:
        if self._client is not None:
            self._client.ask(ask)

    async def close(self, *, settled: bool) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            if self._connection is not None and self._refused is not None:
                self._connection.refused.remove(self._refused)
            if not settled:
                await client.give_up_lease()
            await client.close()
            await give_back(self._access)
