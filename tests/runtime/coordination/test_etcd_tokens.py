"""Tokens for etcd's user: asked for once for all, and with the password that holds by then."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from interrex.core.secret import Secret
from interrex.runtime.coordination import etcd_tokens
from interrex.runtime.coordination.etcd_json import Refused
from interrex.runtime.coordination.etcd_tokens import Tokens

WRONG = {"code": 3, "message": "authentication failed, invalid user ID or password"}


class Etcd:
    """Takes one password; ``heard`` are those that it was shown."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.heard: list[str] = []
        self.refused: list[str] = []

    async def send(self, endpoint: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        self.heard.append(body["password"])
        await asyncio.sleep(0)
        if body["password"] != self.password:
            raise Refused(WRONG)
        return {"token": f"token-{len(self.heard)}"}


def tokens(etcd: Etcd, file: Path | str = "") -> Tokens:
    return Tokens(
        "shop", Secret("s3cret"), str(file), etcd.send, lambda one, _: etcd.refused.append(one)
    )


async def test_who_asks_at_the_same_time_gets_one_token() -> None:
    etcd = Etcd("s3cret")
    mine = tokens(etcd)
    shown = await asyncio.gather(*(mine.headers("e1") for _ in range(200)))
    assert shown == [{"Authorization": "token-1"}] * 200
    mine.forget({"Authorization": "an older one"})
    assert await mine.headers("e1") == shown[0]
    mine.forget(shown[0])
    assert await mine.headers("e1") == {"Authorization": "token-2"}
    assert etcd.heard == ["s3cret"] * 2


async def test_an_endpoint_that_refused_is_not_asked_for_a_moment_and_another_is() -> None:
    etcd = Etcd("another")
    mine = tokens(etcd)
    for endpoint in ("e1", "e1", "e2", "e1"):
        with pytest.raises(Refused, match="authentication failed"):
            await mine.headers(endpoint)
    assert len(etcd.heard) == 2
    assert etcd.refused == ["e1", "e2"]


async def test_a_password_is_read_again_when_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd_tokens, "PAUSE", 0)
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    etcd = Etcd("s3cret")
    mine = tokens(etcd, file)
    await mine.headers("e1")
    etcd.password = "another"
    mine.forget()
    with pytest.raises(Refused):
        await mine.headers("e1")
    file.write_text("another\n")
    assert await mine.headers("e1") == {"Authorization": "token-3"}
    file.unlink()
    mine.forget()
    with pytest.raises(Refused):
        await mine.headers("e1")
    assert etcd.heard == ["s3cret", "s3cret", "another", "s3cret"]


async def test_who_leaves_while_others_wait_takes_nothing_from_them() -> None:
    mine = tokens(Etcd("s3cret"))
    leaving = asyncio.create_task(mine.headers("e1"))
    staying = asyncio.create_task(mine.headers("e1"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == {"Authorization": "token-1"}
    await mine.close()
