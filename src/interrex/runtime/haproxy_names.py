"""Looks up the host names in a table, within bounds."""

import asyncio
import socket

from interrex.balancer.addresses import host_names
from interrex.core.routes import RouteTable

LOOKUP_TIMEOUT_S = 1.0


class HostNames:
    """What the names in a table mean, as last found.

    Args:
        remembered: the addresses that an earlier process found.
    """

    def __init__(self, remembered: dict[str, str]) -> None:
        self._known = remembered

    async def look_up(self, table: RouteTable) -> dict[str, str]:
        """The address of each name that has, or once had, one."""
        names = host_names(table)
        found = await asyncio.gather(*(_look_up(name) for name in names))
        now = {name: address for name, address in zip(names, found, strict=True) if address}
        before = {name: self._known[name] for name in names if name in self._known}
        self._known = before | now
        return dict(self._known)


async def _look_up(name: str) -> str | None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return None
    # The first answer would change from look-up to look-up where a name has several.
    addresses = sorted({str(entry[4][0]) for entry in found}, key=lambda text: (":" in text, text))
    return addresses[0] if addresses else None
