"""A backend that tests tell what to say."""

import asyncio

from interrex.core.time import S
from interrex.library.election import Election
from interrex.library.standing import Standing
from interrex.runtime.clock import now_ns

LEASE = 3600 * S


class Script:
    """Does nothing by itself, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.standing = Standing()
        self.said: list[str] = []
        self.lease = LEASE
        self.others: list[str] = []

    async def open(self) -> None:
        self.said.append("open")

    async def close(self) -> None:
        self.said.append("close")

    def stand(self) -> None:
        self.said.append("stand")

    def withdraw(self, successor: str | None = None) -> None:
        self.standing.end("withdrawn")
        self.said.append("withdraw" if successor is None else f"withdraw for {successor}")

    def waiting(self) -> list[str]:
        return self.others

    def grant(self, epoch: int = 1, lease: int = LEASE) -> None:
        self.standing.saw("a", epoch)
        self.standing.grant(epoch, now_ns() + lease)


def scripted(margin: float | None = None) -> tuple[Election, Script]:
    """An election of the identity ``a``, and its backend."""
    script = Script()
    return Election(script, script.standing, "a", margin), script


async def settled() -> None:
    """Until everything that can happen has happened."""
    for _ in range(20):
        await asyncio.sleep(0)
