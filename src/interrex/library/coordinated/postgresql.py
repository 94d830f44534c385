"""``postgresql://USER:PASSWORD@HOST:PORT,.../DATABASE/NAME``: leaderships kept by a database."""

from collections.abc import Callable
from random import Random

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.elections.interface import Ask
from interrex.elections.postgresql.postgresql import Postgres
from interrex.elections.postgresql.settings import PostgresSettings
from interrex.library.coordinated.options import (
    certificates,
    check_times,
    credentials,
    servers,
)
from interrex.library.coordinated.service import HEAD_START, Post
from interrex.library.coordinated.sharing import borrow, give_back
from interrex.library.errors import MalformedUrl
from interrex.library.urls import ElectionUrl
from interrex.runtime.coordination.postgresql import (
    PostgresAccess,
    PostgresClient,
    PostgresConnection,
)

LEASE_S = 5.0
LEAST_LEASE_S = 0.5
TRIES = 3
PATIENCE_S = 10.0


def postgresql_service(url: ElectionUrl) -> "PostgresService":
    """Raises MalformedUrl, UnknownOption, BadTimes."""
    url.only(
        "name", "lease", "timeout", "patience", "tls", "ca", "certificate", "key",
        "password_file", user=True,
    )  # fmt: skip
    parts = (*url.path, url.options["name"]) if "name" in url.options else url.path
    if len(parts) != 2:
        raise MalformedUrl(
            url.text, "it is to be postgresql://HOST/DATABASE/NAME, or .../DATABASE?name=NAME"
        )
    lease = url.duration("lease", LEASE_S, LEAST_LEASE_S)
    timeout = url.duration("timeout", min(1.0, lease / 5), 0.01)
    check_times(timeout, TRIES, lease, PostgresSettings().believed(round(lease * 1000)))
    user, password = credentials(url)
    places = [place.rpartition(":") for place in servers(url, 5432)]
    access = PostgresAccess(
        hosts=tuple(host.strip("[]") for host, _, _ in places),
        ports=tuple(int(port) for _, _, port in places),
        database=parts[0],
        lease=lease,
        timeout=timeout,
        user=user,
        password=password,
        **certificates(url)._asdict(),
    )
    return PostgresService(access, parts[1], url.duration("patience", PATIENCE_S, 0))


class PostgresService:
    """Implements ``Service``."""

    def __init__(self, access: PostgresAccess, name: str, patience: float) -> None:
        self._access = access
        self._name = name
        self._connection: PostgresConnection | None = None
        self._client: PostgresClient | None = None
        self.asked = PostgresSettings().believed(round(access.lease * 1000))
        self.patience = patience
        self.last_words = 2 * access.timeout

    async def open(self, post: Post, refused: Callable[[InterrexError], None]) -> None:
        """Raises ElectionError."""
        connection = self._connection = await borrow(
            self._access,
            lambda: PostgresConnection(self._access),
            PostgresConnection.introduce,
            self.patience,
        )
        self._client = PostgresClient(connection, self._name, post)

    def new_core(self, worker: WorkerName, priority: int, who: str, random: Random) -> Postgres:
        settings = PostgresSettings(priority=priority, stagger=HEAD_START)
        return Postgres(worker, settings, who, random)

    def check_granted(self, believed: int) -> None:
        check_times(self._access.timeout, TRIES, self._access.lease, believed)

    def ask(self, ask: Ask) -> None:
        if self._client is not None:
            self._client.ask(ask)

    async def close(self, *, settled: bool) -> None:
        client, self._client = self._client, None
        if client is None or self._connection is None:
            return
        if not settled:
            self._connection.drop()
        await client.close()
        await give_back(self._access)
