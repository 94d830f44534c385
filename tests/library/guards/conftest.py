"""A real Redis and a real PostgreSQL, started once each."""

from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import psycopg
import pytest

from bench.postgresql_server import PostgresServer
from bench.processes import running, scratch
from interrex.library.guards import sql


@pytest.fixture(scope="session")
def redis_socket() -> Iterator[Path]:
    """Of a server without persistence."""
    with scratch() as folder:
        path = folder / "redis.sock"
        options = ("--port", "0", "--unixsocket", path, "--save", "", "--dir", folder)
        with running(["redis-server", *options], stdout=PIPE) as server:
            assert server.stdout is not None
            assert any("ready to accept" in line for line in server.stdout), "it has ended"
            yield path
            server.stdout.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server's database, with the table that ``sql.SCHEMA`` makes."""
    with PostgresServer() as server:
        with psycopg.connect(server.url) as connection:
            connection.execute(sql.SCHEMA)
            connection.execute(sql.SCHEMA)
        yield server.url


@pytest.fixture
def database(postgresql: str) -> str:
    """With nobody admitted, an account, and a list of what was done."""
    with psycopg.connect(postgresql) as connection:
        connection.execute("TRUNCATE interrex_epochs")
        connection.execute("DROP TABLE IF EXISTS account, done")
        connection.execute("CREATE TABLE account (id integer, balance integer, epoch bigint)")
        connection.execute("INSERT INTO account VALUES (1, 0, 0)")
        connection.execute("CREATE TABLE done (place serial, epoch bigint)")
    return postgresql
