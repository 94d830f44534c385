"""Users whom a real ZooKeeper ensemble lets in or not: said at once, and tried again for ever."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError, NotEmptyError
from kazoo.security import OPEN_ACL_UNSAFE

from bench.zookeeper_ensemble import ZooKeeperEnsemble
from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.spec import ZooKeeper
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import FOLDERS
from interrex.runtime.coordination.interface import BadCredentials
from interrex.runtime.coordination.zookeeper import ZooKeeperClient
from interrex.runtime.coordination.zookeeper_access import access_from
from interrex.runtime.coordination.zookeeper_session import ZooKeeperConnection
from tests.runtime.coordination.asking import Asker

HOST = HostName("h1")
USERS = {"shop": "s3cret", "eve": "evil"}


@pytest.fixture(scope="module")
def ensemble() -> Iterator[ZooKeeperEnsemble]:
    with ZooKeeperEnsemble(users=USERS) as ensemble:
        ensemble.wait_serving()
        yield ensemble


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    return file


def asker(
    ensemble: ZooKeeperEnsemble, folder: str, password: Path, user: str = "shop"
) -> tuple[Asker, list[InterrexError]]:
    """A client of a user, and what it is refused."""
    hosts = tuple(ensemble.hosts.split(","))
    options = ZooKeeper(hosts=hosts, session=5.0, user=user, password_file=str(password))
    connection = ZooKeeperConnection(access_from(options, HOST))
    refused: list[InterrexError] = []
    found = Asker(lambda post: ZooKeeperClient(connection, folder, post, refused=refused.append))
    return found, refused


async def connected(asker: Asker) -> q.Connected:
    while not isinstance(news := await asker.next_news(), q.Connected):
        pass
    return news


async def unserved(asker: Asker) -> q.Unserved:
    while not isinstance(news := await asker.next_news(), q.Unserved):
        pass
    return news


async def test_a_wrong_password_is_told_and_the_right_one_lets_in_as_soon_as_it_is_written(
    ensemble: ZooKeeperEnsemble, password: Path
) -> None:
    password.write_text("wrong\n")
    mine, refused = asker(ensemble, "/test/wrong", password)
    assert (await unserved(mine)).text == "ZooKeeper refuses the user 'shop'"
    assert [type(one) for one in refused] == [BadCredentials]
    password.write_text("s3cret\n")
    await connected(mine)
    assert len(refused) == 1
    assert isinstance(await mine.ask(q.Read("line")), q.Found)
    await mine.client.close()


async def test_a_user_who_is_refused_after_having_worked_is_let_in_again_by_itself(
    ensemble: ZooKeeperEnsemble, password: Path
) -> None:
    """ZooKeeper reads its users when it starts."""
    mine, refused = asker(ensemble, "/test/later", password)
    await connected(mine)
    for users in ({**USERS, "shop": "another"}, USERS):
        ensemble.set_users(users)
        for server in range(3):
            ensemble.kill(server)
        for server in range(3):
            ensemble.start(server)
        ensemble.wait_serving()
        if users is USERS:
            await connected(mine)
        else:
            assert "refuses the user 'shop'" in (await unserved(mine)).text
    assert len(refused) == 1
    assert isinstance(await mine.ask(q.Read("line")), q.Found)
    await mine.client.close()


async def test_who_may_not_make_the_nodes_is_told_why_until_it_may(
    ensemble: ZooKeeperEnsemble, password: Path, tmp_path: Path
) -> None:
    owner, _ = asker(ensemble, "/owned/shop", password)
    await connected(owner)
    evil = tmp_path / "evil"
    evil.write_text("evil\n")
    eve, refused = asker(ensemble, "/owned/eve", evil, "eve")
    told = await unserved(eve)
    assert told.text == "ZooKeeper refuses 'eve' the nodes under /owned/eve: NoAuthError"
    assert "setAcl" in told.advice
    assert [type(one) for one in refused] == [BadCredentials]
    with kazoo_of(ensemble, "shop", "s3cret") as kazoo:
        await asyncio.to_thread(kazoo.set_acls, "/owned", OPEN_ACL_UNSAFE)
    await connected(eve)
    for one in (owner, eve):
        await one.client.close()


@contextmanager
def kazoo_of(ensemble: ZooKeeperEnsemble, user: str, password: str) -> Iterator[KazooClient]:
    """Any client of ZooKeeper's that shows this user."""
    shown = {"mechanism": "DIGEST-MD5", "username": user, "password": password}
    kazoo = KazooClient(hosts=ensemble.hosts, sasl_options=shown)
    kazoo.start()
    try:
        yield kazoo
    finally:
        kazoo.stop()
        kazoo.close()


async def test_another_user_may_do_nothing_with_the_nodes(
    ensemble: ZooKeeperEnsemble, password: Path
) -> None:
    mine, _ = asker(ensemble, "/mine", password)
    await connected(mine)
    with kazoo_of(ensemble, "eve", "evil") as eve:
        for path in ("/mine", *(f"/mine/{name}" for name in FOLDERS)):
            for deed in (
                eve.get,
                eve.get_children,
                eve.delete,
                eve.get_acls,
                partial(eve.set, value=b"x"),
                partial(eve.set_acls, acls=OPEN_ACL_UNSAFE),
                lambda path: eve.create(f"{path}/strange", b""),
            ):
                # The root is anybody's, so what lies there is kept by what is in it.
                with pytest.raises((NoAuthError, NotEmptyError)):
                    await asyncio.to_thread(deed, path)
    assert isinstance(await mine.ask(q.Read("active")), q.Found)
    await mine.client.close()
