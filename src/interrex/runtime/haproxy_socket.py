"""Talks to HAProxy's Unix sockets. Nothing here waits for longer than it was allowed to.

A stopped HAProxy accepts connections (the kernel does) and never answers, so every exchange has a
time-out. A socket is reached through a descriptor of its folder: its path may be as long as it
likes, where a Unix socket's own address may not.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from interrex.core.errors import InterrexError

_PROMPT = b"\n> "
_MAX_ANSWER_BYTES = 16 * 1024 * 1024


class HaproxyUnreachable(InterrexError):  # noqa: N818
    """A HAProxy process did not answer: it is dead, starting, or hung."""


class Conversation:
    """An interactive connection: one answer to each command, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, command: str) -> str:
        """Send one line, return what is answered up to the next prompt."""
        self._writer.write(command.encode() + b"\n")
        answer = await self._reader.readuntil(_PROMPT)
        return answer[: -len(_PROMPT)].decode(errors="replace")


@contextlib.asynccontextmanager
async def conversation(path: Path, timeout_s: float) -> AsyncIterator[Conversation]:
    """Talk to the socket at ``path``, for ``timeout_s`` in all.

    Raises:
        HaproxyUnreachable: nobody listens, the connection ended, or the time is over.
    """
    try:
        async with asyncio.timeout(timeout_s):
            with _short(path) as address:
                reader, writer = await asyncio.open_unix_connection(
                    address, limit=_MAX_ANSWER_BYTES
                )
            try:
                talk = Conversation(reader, writer)
                await talk.ask("prompt")
                yield talk
            finally:
                writer.transport.abort()
    except TimeoutError as error:
        raise HaproxyUnreachable(f"{path} did not answer within {timeout_s:g} s") from error
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise HaproxyUnreachable(f"{path} does not answer: {error}") from error


async def ask_once(path: Path, command: str, timeout_s: float) -> str:
    """Send one command and return all that is answered until the connection is closed.

    Raises:
        HaproxyUnreachable: see ``conversation``.
    """
    try:
        async with asyncio.timeout(timeout_s):
            with _short(path) as address:
                reader, writer = await asyncio.open_unix_connection(address)
            try:
                writer.write(command.encode() + b"\n")
                writer.write_eof()
                return (await reader.read(-1)).decode(errors="replace")
            finally:
                writer.transport.abort()
    except TimeoutError as error:
        raise HaproxyUnreachable(f"{path} did not answer within {timeout_s:g} s") from error
    except OSError as error:
        raise HaproxyUnreachable(f"{path} does not answer: {error}") from error


def answers_now(path: Path, timeout_s: float) -> bool:
    """Whether a process answers on the socket; blocks for at most about ``timeout_s``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(timeout_s)
        try:
            with _short(path) as address:
                asked.connect(address)
            asked.sendall(b"show version\n")
            return asked.recv(64) != b""
        except OSError:
            return False


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """The path by way of /proc: short enough for a socket's address."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
