"""Host names in a table, replaced by addresses.

HAProxy would look names up while it starts (and not start when that fails), and never for a
server that is added at run time. So the driver looks them up, and the file remembers what was
found: routes outlive an outage of the name service.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address

import msgspec

from interrex.core.routes import Endpoint, RouteTable

_REMEMBERED = re.compile(r"^# address (\S+) (\S+)$", re.MULTILINE)


def is_address(text: str) -> bool:
    """Whether this is an IP address, not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def host_names(table: RouteTable) -> tuple[str, ...]:
    """The names in a table that are to be looked up, sorted."""
    found = {endpoint.address for route in table.services for endpoint in route.endpoints}
    return tuple(sorted(name for name in found if not is_address(name)))


def resolved(table: RouteTable, known: Mapping[str, str]) -> RouteTable:
    """The table with addresses instead of names; without the endpoints whose names are unknown.

    Args:
        table: with names.
        known: the address of each name that has one.
    """
    services = tuple(
        msgspec.structs.replace(
            route,
            endpoints=tuple(
                _with_address(endpoint, known)
                for endpoint in route.endpoints
                if is_address(endpoint.address) or endpoint.address in known
            ),
        )
        for route in table.services
    )
    return msgspec.structs.replace(table, services=services)


def remembered_lines(known: Mapping[str, str]) -> str:
    """What is added to a file so that ``parse_remembered`` finds it again."""
    return "".join(f"# address {name} {address}\n" for name, address in sorted(known.items()))


def parse_remembered(text: str) -> dict[str, str]:
    """The address of each name that a file remembers."""
    return {name: address for name, address in _REMEMBERED.findall(text) if is_address(address)}


def _with_address(endpoint: Endpoint, known: Mapping[str, str]) -> Endpoint:
    """In the spelling that HAProxy would answer with."""
    address = str(ip_address(known.get(endpoint.address, endpoint.address)))
    return msgspec.structs.replace(endpoint, address=address)
