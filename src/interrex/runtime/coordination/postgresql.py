"""Elections in a PostgreSQL database, through asyncpg: two tables, and locks on tokens.

One session serves all elections of an event loop that use the same database; its questions are
asked one after the other. Whatever leaves the outcome of one open ends the session: so do its
locks, and nothing is left in doubt.
"""

import asyncio
import ssl
from itertools import count
from typing import Any, assert_never, cast

import asyncpg
import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import WorkerName
from interrex.core.secret import Secret
from interrex.elections.coordinated.candidacy import Who
from interrex.elections.interface import Ask, Noticed, Told
from interrex.elections.postgresql import questions as q
from interrex.runtime.coordination.certificates import certificate_problem, not_taken, tls_context
from interrex.runtime.coordination.interface import (
    BadCredentials,
    Post,
    Unreachable,
    WrongService,
)

OLDEST = 14
"""The first to have ``idle_session_timeout``."""
CHANNEL = "interrex_elections"
AGAIN_S = 0.1
TABLES = """\
CREATE TABLE IF NOT EXISTS interrex_elections (
    name text PRIMARY KEY,
    epoch bigint NOT NULL DEFAULT 0,
    leader text NOT NULL DEFAULT '',
    token bigint NOT NULL DEFAULT 0,
    released boolean NOT NULL DEFAULT true,
    heir text
);
CREATE TABLE IF NOT EXISTS interrex_candidates (
    name text NOT NULL,
    member text NOT NULL,
    priority integer NOT NULL,
    since bigint GENERATED ALWAYS AS IDENTITY,
    token bigint NOT NULL,
    who text NOT NULL,
    session bigint NOT NULL,
    PRIMARY KEY (name, member)
)"""
RIGHTS = {
    "interrex_elections": ("SELECT", "INSERT", "UPDATE"),
    "interrex_candidates": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}
ALIVE = """\
EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::bigint = {token} >> 32 AND objid::bigint = {token} & 4294967295)"""
ROW = f"""\
SELECT epoch, leader, token, released, heir, {ALIVE.format(token="token")} AS alive
FROM interrex_elections WHERE name = $1"""
STANDERS = f"""\
SELECT member, priority, since, token FROM interrex_candidates
WHERE name = $1 AND {ALIVE.format(token="token")}"""
ENLIST = f"""\
INSERT INTO interrex_candidates AS old (name, member, priority, token, who, session)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name, member) DO UPDATE SET priority = excluded.priority, since = DEFAULT,
    token = excluded.token, who = excluded.who, session = excluded.session
WHERE NOT {ALIVE.format(token="old.token")}
RETURNING token"""
EPOCH = """\
UPDATE interrex_elections SET leader = $2, token = $3, released = false, heir = NULL,
    epoch = greatest(epoch + 1, (('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))
        ::bit(32)::bigint) << 40)
WHERE name = $1 RETURNING epoch"""
RELEASE = """\
UPDATE interrex_elections SET released = true, heir = $3 WHERE name = $1 AND token = $2"""
LEAVE = "DELETE FROM interrex_candidates WHERE name = $1 AND token = $2"


class PostgresAccess(msgspec.Struct, frozen=True):
    """How a database is reached. ``lease`` and ``timeout`` are in seconds; files are paths, empty
    where there is none."""

    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    database: str
    lease: float
    timeout: float
    user: str = ""
    password: Secret = Secret()
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""


_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The last is what asyncpg raises where the server's farewell has come and was not read yet."""


class PostgresConnection:
    """One session with the database's primary server, and another when that has ended.

    Args:
        access: servers and how to reach them.

    Raises:
        BadCertificates: a certificate cannot be used.
    """

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access
        self._tls = _tls(access)
        self._clients: list[PostgresClient] = []
        self._turn = asyncio.Lock()
        self._numbers = count(1)
        self._session: q.Connected | None = None
        self._database: Any = None
        self._keeping: asyncio.Task[None] | None = None
        self._closed = False

    def join(self, client: "PostgresClient") -> None:
        """Let an election hear of the session, beginning with the one that there is."""
        self._clients.append(client)
        if self._session is not None:
            asyncio.get_running_loop().call_soon(client.say, Noticed(self._session))

    def leave(self, client: "PostgresClient") -> None:
        """It hears no more."""
        self._clients.remove(client)

    async def introduce(self) -> None:
        """Have a session with a database that will do, and the tables in it.

        Raises:
            Unreachable: no server answers.
            WrongService: what answers is no PostgreSQL, too old a one, none that can be written to,
                or a pooler.
            WrongCertificate: its certificate does not fit, or it does not take ours.
            BadCredentials: it does not let this user in, or not make or write the tables.
        """
        async with self._turn:
            if self._database is None:
                await self._connect()

    async def close(self) -> None:
        """End the session."""
        self._closed = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self.drop()

    def drop(self) -> None:
        """End the session, with all that it has locked."""
        database, self._database = self._database, None
        if database is not None:
            database.terminate()
            self._session = None
            self._tell(q.Lost())
            self._reconnect()

    async def run(self, name: str, question: q.Question) -> q.Answer:
        """Ask once."""
        async with self._turn:
            database = self._database
            if database is None:
                return q.Failed("there is no session with PostgreSQL")
            try:
                async with asyncio.timeout(self._access.timeout):
                    return await _put(database, name, question)
            except (TimeoutError, OSError, *_FAILURES) as error:
                if database is self._database:
                    self.drop()
                return q.Failed(f"PostgreSQL: {str(error) or 'no answer in time'}")

    def _tell(self, news: q.News) -> None:
        for client in list(self._clients):
            client.say(Noticed(news))

    def _heard(self, database: Any, pid: int, channel: str, name: object) -> None:
        for client in list(self._clients):
            if client.name == name:
                client.say(Noticed(q.Changed()))

    def _ended(self, database: Any) -> None:
        if database is self._database:
            self.drop()

    def _reconnect(self) -> None:
        if not self._closed and (self._keeping is None or self._keeping.done()):
            self._keeping = asyncio.get_running_loop().create_task(self._try_again())

    async def _try_again(self) -> None:
        while self._database is None and not self._closed:
            try:
                async with self._turn:
                    await self._connect()
            except InterrexError:
                await asyncio.sleep(AGAIN_S)

    async def _connect(self) -> None:
        """Have a session with the first of the servers that gives one.

        Each has its own time: one that says nothing hides none of those behind it.
        """
        access = self._access
        found: InterrexError | None = None
        for host, port in zip(access.hosts, access.ports, strict=True):
            try:
                await self._connect_to(host, port)
            except Unreachable as error:
                found = found or error
            except InterrexError as error:
                found = error if isinstance(found, Unreachable | None) else found
            else:
                return
        assert found is not None
        raise found

    async def _connect_to(self, host: str, port: int) -> None:
        access, place = self._access, f"{host}:{port}"
        database: Any = None
        try:
            async with asyncio.timeout(access.lease):
                database = await asyncpg.connect(
                    host=host,
                    port=port,
                    user=access.user or None,
                    password=str(access.password) or None,
                    database=access.database,
                    ssl=self._tls or False,
                    timeout=access.timeout,
                )
                lasts_ms = await _prepare(database, access, place)
                await database.add_listener(CHANNEL, self._heard)
        except BaseException as error:
            if database is not None:
                database.terminate()
            if isinstance(error, Exception) and not isinstance(error, InterrexError):
                raise _why_not(place, error) from error
            raise
        if database.is_closed():
            raise Unreachable(f"PostgreSQL at {place}: it has ended the session at once")
        database.add_termination_listener(self._ended)
        self._database = database
        self._session = q.Connected(next(self._numbers), lasts_ms)
        self._tell(self._session)


class PostgresClient:
    """One election's questions. Implements ``CoordinationClient``.

    Args:
        connection: with the database.
        name: the election's.
        post: takes answers and news.
    """

    def __init__(self, connection: PostgresConnection, name: str, post: Post) -> None:
        self.name = name
        self._connection = connection
        self._post = post
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        connection.join(self)

    def ask(self, ask: Ask) -> None:
        """Begin to ask; ``Told`` is posted once, later."""
        task = asyncio.get_running_loop().create_task(self._tell(ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Nothing is posted any more."""
        self._closed = True
        self._connection.leave(self)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def say(self, event: Told | Noticed) -> None:
        """Post, unless it was closed."""
        if not self._closed:
            self._post(event)

    async def _tell(self, ask: Ask) -> None:
        answer = await self._connection.run(self.name, cast(q.Question, ask.question))
        self.say(Told(ask.request, answer))


async def _prepare(database: Any, access: PostgresAccess, place: str) -> int:
    """Make a session fit for elections; returns after what silence (ms) the server ends it."""
    version = database.get_server_version()
    if version.major < OLDEST:
        raise WrongService(f"PostgreSQL at {place} is {version.major}, and {OLDEST} is the oldest")
    if await database.fetchval("SELECT pg_is_in_recovery()"):
        raise WrongService(f"PostgreSQL at {place} is a standby: name the primary server")
    if await database.fetchval("SELECT pg_backend_pid()") != database.get_server_pid():
        raise WrongService(
            f"between this program and PostgreSQL at {place} is a pooler: it would share "
            "the session that leads\nname the server itself"
        )
    lease_ms = round(access.lease * 1000)
    # The server must not end a session earlier than the lease does, nor let one last longer.
    for name, value in (
        ("idle_session_timeout", f"{lease_ms}ms"),
        ("idle_in_transaction_session_timeout", f"{lease_ms}ms"),
        ("statement_timeout", f"{lease_ms}ms"),
        ("tcp_keepalives_idle", str(-(-lease_ms // 1000))),
        ("tcp_user_timeout", str(lease_ms)),
    ):
        await database.fetchval("SELECT set_config($1, $2, false)", name, value)
    granted = "SELECT setting::bigint FROM pg_settings WHERE name = 'idle_session_timeout'"
    lasts_ms: int = await database.fetchval(granted)
    async with database.transaction():
        # Two who make a table at once may meet although each asks whether it is there.
        await database.fetchval("SELECT pg_advisory_xact_lock(hashtext($1))", CHANNEL)
        missing = "SELECT to_regclass($1) IS NULL OR to_regclass($2) IS NULL"
        if await database.fetchval(missing, "interrex_elections", "interrex_candidates"):
            await database.execute(TABLES)
    for table, rights in RIGHTS.items():
        for right in rights:
            if not await database.fetchval("SELECT has_table_privilege($1, $2)", table, right):
                raise BadCredentials(
                    f"PostgreSQL at {place} gives the user {access.user!r} no right to "
                    f"{right} in the table {table}"
                )
    return lasts_ms


async def _put(database: Any, name: str, question: q.Question) -> q.Answer:
    match question:
        case q.Look():
            async with database.transaction(isolation="repeatable_read", readonly=True):
                row = await database.fetchrow(ROW, name)
                standers = await database.fetch(STANDERS, name)
            return q.Seen(_row(row), tuple(_stander(one) for one in standers))
        case q.Enlist():
            return await _enlist(database, name, question)
        case q.Leave(token):
            await database.execute(LEAVE, name, token)
            await database.fetchval("SELECT pg_advisory_unlock($1)", token)
            await _notify(database, name)
            return q.Done()
        case q.Claim(worker, token):
            return await _claim(database, name, worker, token)
        case q.Release(token, heir):
            await database.execute(RELEASE, name, token, heir)
            await _notify(database, name)
            return q.Done()
        case _:
            assert_never(question)


async def _enlist(database: Any, name: str, asked: q.Enlist) -> q.Answer:
    """The lock comes first: a row whose token is not locked is anybody's."""
    await database.fetchval("SELECT pg_advisory_lock($1)", asked.token)
    who = asked.who
    values = (name, asked.worker, asked.priority, asked.token, who.text, who.session)
    if await database.fetchval(ENLIST, *values) is not None:
        await _notify(database, name)
        return q.Done()
    await database.fetchval("SELECT pg_advisory_unlock($1)", asked.token)
    text = "SELECT token, who, session FROM interrex_candidates WHERE name = $1 AND member = $2"
    found = await database.fetchrow(text, name, asked.worker)
    if found is None:
        return q.Failed("whoever had the name has just gone")
    return q.Met(found["token"], Who(found["who"], found["session"]))


async def _claim(database: Any, name: str, worker: WorkerName, token: int) -> q.Claimed:
    """The row is locked first, so of two who claim the second sees the first's token alive."""
    async with database.transaction():
        insert = "INSERT INTO interrex_elections (name) VALUES ($1) ON CONFLICT DO NOTHING"
        await database.execute(insert, name)
        lock = "SELECT FROM interrex_elections WHERE name = $1 FOR UPDATE"
        await database.fetchrow(lock, name)
        row = _row(await database.fetchrow(ROW, name))
        if row.alive and not row.released:
            return q.Claimed(0)
        epoch = await database.fetchval(EPOCH, name, worker, token)
    await _notify(database, name)
    return q.Claimed(epoch)


async def _notify(database: Any, name: str) -> None:
    await database.fetchval("SELECT pg_notify($1, $2)", CHANNEL, name)


def _row(found: Any) -> q.Row:
    if found is None:
        return q.Row(0, WorkerName(""), 0, False, True, None)
    return q.Row(
        epoch=found["epoch"],
        leader=found["leader"],
        token=found["token"],
        alive=found["alive"],
        released=found["released"],
        heir=found["heir"],
    )


def _stander(found: Any) -> q.Stander:
    return q.Stander(found["member"], found["priority"], found["since"], found["token"])


def _why_not(place: str, error: Exception) -> InterrexError:
    """Why there is no session."""
    problem = certificate_problem(f"PostgreSQL at {place}", error)
    if problem is not None:
        return problem
    text = f"PostgreSQL at {place}: {str(error) or 'no answer in time'}"
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError() if "certificate" in str(error):
            return not_taken(f"PostgreSQL at {place}", str(error))
        case (
            asyncpg.InvalidAuthorizationSpecificationError() | asyncpg.InsufficientPrivilegeError()
        ):
            return BadCredentials(text)
        case asyncpg.CannotConnectNowError() | asyncpg.TooManyConnectionsError():
            return Unreachable(text)
        case asyncpg.PostgresConnectionError() | OSError() | TimeoutError():
            return Unreachable(text)
        case asyncpg.PostgresError():
            return WrongService(text)
        case _:
            return WrongService(f"what answers at {place} is no PostgreSQL: {error!r}")


def _tls(access: PostgresAccess) -> ssl.SSLContext | None:
    if not access.tls:
        return None
    return tls_context("PostgreSQL", access.ca, access.certificate, access.key)
