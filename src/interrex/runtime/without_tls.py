"""A worker that speaks no TLS loads none: OpenSSL would be an eighth of its memory.

uvloop and asyncio name some things of ``ssl`` while they are loaded, and use them only for
connections with TLS. Where there are none, a module that has these names stands in for it. It has
to be there before either is loaded, and nobody can go back: which worker speaks TLS is decided by
its cluster's genesis, whose hosts and election stay what they are.
"""

import importlib
import sys
from types import ModuleType

from interrex.core.errors import InterrexError
from interrex.elections.guarantees import guarantees_of
from interrex.runtime.genesis import find_genesis
from interrex.runtime.layout import Layout

_CLASSES = (
    "CertificateError",
    "MemoryBIO",
    "SSLContext",
    "SSLError",
    "SSLSyscallError",
    "SSLWantReadError",
    "SSLZeroReturnError",
    "create_default_context",
)
_NUMBERS = ("SSL_ERROR_SYSCALL", "SSL_ERROR_WANT_READ", "SSL_ERROR_WANT_WRITE")


class _LeftOut(Exception):  # noqa: N818
    """Stands for each class: it is compared with and caught, and never made."""


class _StandIn(ModuleType):
    def __init__(self) -> None:
        super().__init__("ssl", "Stands in for the module of this name, which is not loaded.")
        vars(self).update(dict.fromkeys(_CLASSES, _LeftOut), **dict.fromkeys(_NUMBERS, -1))

    def __getattr__(self, name: str) -> object:
        """A name that only some other version of uvloop or asyncio knows: the real one's."""
        if name.startswith("__"):
            raise AttributeError(name)
        sys.modules.pop("ssl", None)
        return getattr(importlib.import_module("ssl"), name)


def leave_tls_out(layout: Layout) -> None:
    """Load no OpenSSL in this process, if a worker of this cluster never speaks TLS: it has no
    peers on other hosts and asks no coordination service. Called before asyncio is loaded."""
    try:
        spec = find_genesis(layout).spec
        may_speak = bool(spec.hosts) or guarantees_of(spec).coordinated
    except InterrexError:
        return  # which is said where the worker needs it
    if not may_speak:
        sys.modules["ssl"] = _StandIn()
