"""TLS by the library's own URLs, on real servers: whose certificate does not fit is refused."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

import interrex
from bench.postgresql_server import PASSWORD, USER, PostgresServer
from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.library import Unreachable, WrongCertificate
from tests.certificates import server_tls
from tests.etcd_by_tls import etcd_by_tls


class Served(NamedTuple):
    """A service whose servers' certificate names 127.0.0.1, and who may come in."""

    scheme: str
    place: str
    files: Path

    def url(self, host: str = "127.0.0.1", **options: str) -> str:
        given = {"ca": "ca.pem", "certificate": "h1.pem", "key": "h1.key", **options}
        files = "&".join(f"{name}={self.files / file}" for name, file in given.items() if file)
        place = self.place.replace("127.0.0.1", host)
        return f"{self.scheme}://{place}x?tls=1&patience=20&{files}"


@pytest.fixture(scope="module", params=["etcd", "zookeeper", "postgresql"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("certificates")
    tls = server_tls(folder)
    with ExitStack() as stack:
        if request.param == "etcd":
            port = stack.enter_context(etcd_by_tls(folder, tls))
            yield Served("etcd", f"127.0.0.1:{port}/", folder)
        elif request.param == "zookeeper":
            ensemble = stack.enter_context(ZooKeeperEnsemble(tick_ms=250, tls=tls))
            ensemble.wait_serving()
            yield Served("zookeeper", f"{ensemble.hosts}/", folder)
        else:
            server = stack.enter_context(PostgresServer(tls=tls))
            place = f"{USER}:{PASSWORD}@{server.address}/postgres/"
            yield Served("postgresql", place, folder)


async def entering(url: str) -> None:
    async with interrex.election(url, identity="a"):
        raise AssertionError("it was entered")


async def test_whoever_has_a_certificate_leads_over_tls(served: Served) -> None:
    async with (
        interrex.election(served.url(), identity="a") as election,
        election.lead() as leadership,
    ):
        assert leadership.epoch > 0


async def test_a_server_whose_certificate_names_another_host_is_refused(served: Served) -> None:
    with pytest.raises(WrongCertificate, match=r"localhost(?s:.)*name the host"):
        await entering(served.url(host="localhost"))


async def test_a_server_whose_authority_is_not_the_given_one_is_refused(
    served: Served, tmp_path: Path
) -> None:
    other = server_tls(tmp_path)
    with pytest.raises(WrongCertificate, match="not to be trusted"):
        await entering(served.url(ca=str(other.ca)))


async def test_a_program_without_a_certificate_that_the_servers_take_does_not_come_in(
    served: Served, tmp_path: Path
) -> None:
    """TLS 1.3 tells of it after the handshake: the connection's end may come before the reason."""
    server_tls(tmp_path)
    strange = {"certificate": str(tmp_path / "h1.pem"), "key": str(tmp_path / "h1.key")}
    for given in ({"certificate": "", "key": ""}, strange):
        with pytest.raises((WrongCertificate, Unreachable)):
            await entering(served.url(**given))
