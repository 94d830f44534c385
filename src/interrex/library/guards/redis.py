"""Redis: a script that compares the epoch and runs one command, as one step of the server.

Not guaranteed: more than Redis promises. Where a failover loses acknowledged writes it may lose the
newest epoch with them.
"""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from interrex.core.errors import InterrexError
from interrex.library.errors import StaleEpoch
from interrex.library.guards.epochs import whole_epoch

SCRIPT = """\
local newest = redis.call('GET', KEYS[1]) or '0'
local mine = ARGV[1]
if not string.match(newest, '^%d+$') then
    return {'foreign', newest}
end
-- As text: the script's numbers are exact only up to 2^53.
if #newest > #mine or (#newest == #mine and newest > mine) then
    return {'stale', newest}
end
redis.call('SET', KEYS[1], mine)
local command = {}
for at = 2, #ARGV do command[at - 1] = ARGV[at] end
return {'done', redis.call(unpack(command))}
"""
"""KEYS: the epoch's key, then those that the command uses. ARGV: the epoch, then the command."""


class Client(Protocol):
    """What is used of a client: ``eval`` of ``redis.Redis``, and of those like it."""

    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Any: ...


class AsyncClient(Protocol):
    """What is used of a client for asyncio: ``eval`` of ``redis.asyncio.Redis``."""

    def eval(self, script: str, numkeys: int, /, *keys_and_args: Any) -> Awaitable[Any]: ...


def run(client: Client, key: str, epoch: int, keys: list[str], *command: str | bytes) -> Any:
    """Run a command unless a newer leadership has run one: ``run(r, "job", 7, ["x"], "SET", "x",
    "1")``.

    Args:
        client: connected.
        key: where the newest epoch is kept; on a cluster, in the slot of ``keys``: ``{job}epoch``.
        epoch: ``leadership.epoch``, at least 0.
        keys: those that the command uses, as the cluster needs to know them.
        command: its name and arguments.

    Returns:
        What the command returned: as the server's scripts have it, not as the client's own method
        of that command would.

    Raises:
        ValueError: the epoch is none; nothing was done.
        InterrexError: what the key holds is no epoch; nothing was done.
        StaleEpoch: nothing was done; has the newest.
    """
    return _result(key, epoch, client.eval(SCRIPT, *_arguments(key, epoch, keys, command)))


async def run_async(
    client: AsyncClient, key: str, epoch: int, keys: list[str], *command: str | bytes
) -> Any:
    """As ``run``, by a client for asyncio."""
    return _result(key, epoch, await client.eval(SCRIPT, *_arguments(key, epoch, keys, command)))


def _arguments(
    key: str, epoch: int, keys: list[str], command: Sequence[str | bytes]
) -> tuple[Any, ...]:
    """How many keys there are, they, and what is no key."""
    # The script compares lengths first: a sign would count as a digit.
    return 1 + len(keys), key, *keys, str(whole_epoch(epoch)), *command


def _result(key: str, epoch: int, answer: Any) -> Any:
    """Of a client that decodes what it hears, or of one that does not."""
    word = answer[0].decode() if isinstance(answer[0], bytes) else answer[0]
    if word == "foreign":
        raise InterrexError(
            f"the key {key!r} is to hold an epoch, and holds {answer[1]!r}: name another key"
        )
    if word == "stale":
        raise StaleEpoch(epoch, int(answer[1]))
    return answer[1] if len(answer) > 1 else None
