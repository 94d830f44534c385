"""A real Redis, asked by redis-py: it compares the epoch and runs one command, as one step."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from redis import Redis
from redis import asyncio as redis_asyncio
from redis.exceptions import ResponseError

from interrex.core.errors import InterrexError
from interrex.library.errors import StaleEpoch
from interrex.library.guards import redis

BIG = 2**53
WRITERS = 8


@pytest.fixture(params=[False, True], ids=["bytes", "decoded"])
def client(redis_socket: Path, request: pytest.FixtureRequest) -> Iterator[Redis]:
    """Of an empty database, by a client that hands out bytes, or text."""
    with Redis(unix_socket_path=str(redis_socket), decode_responses=request.param) as client:
        client.flushall()
        yield client


def text(answer: object) -> object:
    return answer.decode() if isinstance(answer, bytes) else answer


def test_redis_is_not_asked_with_an_epoch_below_zero(client: Redis) -> None:
    assert text(redis.run(client, "e", 0, ["x"], "SET", "x", "first")) == "OK"
    redis.run(client, "e", 5, ["x"], "SET", "x", "1")
    for epoch in (-1, -(10**6)):
        with pytest.raises(ValueError, match=f"from 0 to .* and {epoch} is not"):
            redis.run(client, "e", epoch, ["x"], "SET", "x", "stale")
    assert (text(client.get("e")), text(client.get("x"))) == ("5", "1")


@pytest.mark.parametrize("held", ["x", "-1", "1.5", "", "not an epoch at all, and long"])
def test_a_key_that_holds_something_else_is_told_and_stays_as_it_is(
    client: Redis, held: str
) -> None:
    """It may be another program's, and a short text would count as an old epoch."""
    client.set("e", held)
    with pytest.raises(InterrexError, match="'e' is to hold an epoch") as told:
        redis.run(client, "e", 12345678, ["x"], "SET", "x", "1")
    assert not isinstance(told.value, StaleEpoch)
    assert (text(client.get("e")), client.get("x")) == (held, None)


def test_redis_compares_and_runs_the_command_in_one_step(client: Redis) -> None:
    assert text(redis.run(client, "e", BIG, ["x"], "SET", "x", "1")) == "OK"
    assert redis.run(client, "e", BIG + 2, ["x"], "INCR", "x") == 2
    with pytest.raises(StaleEpoch) as caught:
        redis.run(client, "e", BIG + 1, ["x"], "SET", "x", "stale")
    assert (caught.value.epoch, caught.value.newest) == (BIG + 1, BIG + 2)
    assert text(client.get("x")) == "2"
    assert redis.run(client, "e", 10 * BIG, ["none"], "GET", "none") is None
    assert redis.run(client, "e", 10 * BIG, ["l"], "RPUSH", "l", b"\x00\xff") == 1
    with pytest.raises(StaleEpoch):
        redis.run(client, "e", 9, ["x"], "SET", "x", "stale")


def test_a_command_that_fails_raises_the_clients_error_and_its_epoch_counts(client: Redis) -> None:
    client.set("word", "hello")
    with pytest.raises(ResponseError, match="not an integer"):
        redis.run(client, "e", 7, ["word"], "INCR", "word")
    with pytest.raises(StaleEpoch):
        redis.run(client, "e", 6, ["word"], "SET", "word", "stale")


async def test_what_many_do_at_once_is_done_in_the_order_of_their_epochs(
    redis_socket: Path,
) -> None:
    """Through redis-py's own client for asyncio, a connection each."""
    chance = Random(1)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(redis_asyncio.Redis(unix_socket_path=str(redis_socket)))
            for _ in range(WRITERS)
        ]
        await clients[0].flushall()
        refused: list[int] = []

        async def write(client: redis_asyncio.Redis, epochs: list[int]) -> None:
            for epoch in epochs:
                try:
                    await redis.run_async(client, "e", epoch, ["done"], "RPUSH", "done", str(epoch))
                except StaleEpoch:
                    refused.append(epoch)

        epochs = [[BIG + chance.randrange(100) for _ in range(50)] for _ in clients]
        await asyncio.gather(*map(write, clients, epochs))
        done = [int(one) for one in await clients[0].lrange("done", 0, -1)]
    assert done == sorted(done)
    assert sorted(done + refused) == sorted(chain.from_iterable(epochs))
    assert refused
