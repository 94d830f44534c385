"""What shows etcd who asks: a token, which it gives for a user's password.

To look at a password costs etcd a tenth of a second of a processor. So a token is asked for once
for all who need it at the same time, and who was refused is not asked for again for a moment.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from interrex.core.secret import Secret
from interrex.core.time import S
from interrex.runtime.clock import now_ns
from interrex.runtime.coordination.etcd_json import Refused
from interrex.runtime.coordination.passwords import password_now

PAUSE = S
"""How long (ns) an endpoint that refused the password is not asked again."""

Send = Callable[[str, str, Any, dict[str, str]], Awaitable[Any]]
"""Puts one question: endpoint, path, body, headers."""


class Tokens:
    """The token of one user.

    Args:
        user: its name; empty where nobody is to be shown.
        password: its password.
        file: where the password is read again, since it may have been changed; empty for nowhere.
        send: asks.
        refused: takes the endpoint that does not take the password, and its words.
    """

    def __init__(
        self,
        user: str,
        password: Secret,
        file: str,
        send: Send,
        refused: Callable[[str, Any], None],
    ) -> None:
        self._user = user
        self._password = password
        self._file = file
        self._send = send
        self._tell = refused
        self._token: str | None = None
        self._asking: dict[str, asyncio.Task[str]] = {}
        self._refused: dict[str, tuple[int, Any]] = {}
        """Until when each endpoint is not asked again, and what it said."""

    async def headers(self, endpoint: str) -> dict[str, str]:
        """What goes with a question.

        Raises:
            Refused: the endpoint does not take the password.
            aiohttp.ClientError, TimeoutError, OSError: it does not answer.
        """
        if not self._user:
            return {}
        if self._token is None:
            self._token = await self._new_token(endpoint)
        return {"Authorization": self._token}

    def forget(self, headers: dict[str, str] | None = None) -> None:
        """It may be what was refused; with ``headers`` only if it is the one in them."""
        if headers is None or headers.get("Authorization") == self._token:
            self._token = None

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _new_token(self, endpoint: str) -> str:
        until, said = self._refused.get(endpoint, (0, None))
        if now_ns() < until:
            raise Refused(said)
        asking = self._asking.get(endpoint)
        if asking is None:
            asking = asyncio.get_running_loop().create_task(self._ask(endpoint))
            self._asking[endpoint] = asking
            asking.add_done_callback(lambda done: self._asked(endpoint, done))
        return await asyncio.shield(asking)

    async def _ask(self, endpoint: str) -> str:
        password = password_now(self._password, self._file)
        asked = {"name": self._user, "password": str(password)}
        found = await self._send(endpoint, "/v3/auth/authenticate", asked, {})
        return str(found["token"])

    def _asked(self, endpoint: str, done: asyncio.Task[str]) -> None:
        del self._asking[endpoint]
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Refused):
            self._refused[endpoint] = (now_ns() + PAUSE, error.body)
            self._tell(endpoint, error.body)
