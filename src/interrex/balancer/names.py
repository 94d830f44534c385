"""Names as HAProxy takes them: letters, digits, ``-``, ``.``, ``_`` and ``:``."""

import re

from interrex.core.digest import digest
from interrex.core.ids import ServiceName, SlotName

WAITING_ROOM = "waiting-room"
"""The backup server of every backend. No slot is called so: a slot's name holds a dot."""

_ESCAPED = re.compile(r":([0-9a-f]+):")


def escaped(name: str) -> str:
    """Any text as a name for HAProxy; two texts never become one name."""
    return "".join(
        char if char.isascii() and (char.isalnum() or char in "-._") else f":{ord(char):x}:"
        for char in name
    )


def unescaped(name: str) -> str:
    """The text that ``escaped`` made this name of."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)


def backend_name(service: ServiceName) -> str:
    """The backend of a service."""
    return f"to:{escaped(service)}"


def frontend_name(service: ServiceName) -> str:
    """The frontend of a service: its exposed port."""
    return f"from:{escaped(service)}"


def waiting_name(service: ServiceName) -> str:
    """The frontend in which a service's requests wait for a server."""
    return f"waiting:{escaped(service)}"


def waiting_socket(service: ServiceName) -> str:
    """The file name of that frontend's socket: short whatever the service is called, and the
    same in every process that serves it."""
    return f"waiting.{digest(service.encode(), 12)}.sock"


def server_name(slot: SlotName) -> str:
    """The server of a slot."""
    return escaped(slot)


def slot_of(server: str) -> SlotName:
    """The slot of a server."""
    return SlotName(unescaped(server))
