"""What the URLs of services have in common, and how a service's refusal is told."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import NamedTuple

from interrex.core.errors import InterrexError
from interrex.core.secret import Secret
from interrex.core.time import S
from interrex.library import errors
from interrex.library.urls import ElectionUrl, is_place
from interrex.runtime.coordination import interface

RETRY_S = 0.1
"""Until a service that was not there is looked for again."""

_AS_TOLD: dict[type[InterrexError], type[errors.ElectionError]] = {
    interface.Unreachable: errors.Unreachable,
    interface.WrongService: errors.WrongService,
    interface.WrongCertificate: errors.WrongCertificate,
    interface.BadCertificates: errors.BadCertificates,
    interface.BadCredentials: errors.BadCredentials,
}


class Files(NamedTuple):
    """What TLS takes; empty where it is not given."""

    tls: bool
    ca: str
    certificate: str
    key: str


def servers(url: ElectionUrl, default_port: int) -> list[str]:
    """``host:port`` of each server. Raises MalformedUrl."""
    found = [_with_port(url, address, default_port) for address in url.addresses]
    if not found or len(set(found)) != len(found):
        raise errors.MalformedUrl(
            url.text, f"it is to be {url.scheme}://HOST:PORT,.../NAME, each server once"
        )
    return found


def _with_port(url: ElectionUrl, address: str, default_port: int) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, f"{default_port}"
    if not is_place(host, port):
        raise errors.MalformedUrl(url.text, f"{address!r} is no HOST:PORT")
    return f"{host}:{port}"


def name_in(url: ElectionUrl) -> str:
    """The election's name, all of the path. Raises MalformedUrl."""
    if len(url.path) != 1 or url.path[0] in (".", ".."):
        raise errors.MalformedUrl(url.text, f"it is to be {url.scheme}://HOST:PORT,.../NAME")
    return url.path[0]


def credentials(url: ElectionUrl) -> tuple[str, Secret]:
    """User and password. Raises UnknownOption."""
    password = url.password or Secret(url.file("password_file"))
    if "password_file" in url.options and (url.password or not url.user):
        raise errors.UnknownOption(
            "password_file", "it goes with a user in the URL, who has no password there"
        )
    if url.user and not password:
        raise errors.UnknownOption(
            "password_file", f"the user {url.user!r} has no password: USER:PASSWORD@, or this file"
        )
    return url.user, password


def certificates(url: ElectionUrl) -> Files:
    """The files for TLS. Raises UnknownOption."""
    given = {name: url.options.get(name, "") for name in ("ca", "certificate", "key")}
    if bool(given["certificate"]) != bool(given["key"]):
        raise errors.UnknownOption("certificate, key", "they are needed together")
    asked = url.whole("tls", range(2))
    needed = any(given.values())
    if needed and asked == 0:
        raise errors.UnknownOption("tls", "0 does not go with certificates")
    return Files(bool(asked) or needed, **given)


def check_times(timeout: float, tries: int, lease: float, believed: int) -> None:
    """Raises BadTimes where a leader could stop before it had tried to renew its lease.

    Args:
        believed: how much of the lease (s) a leader counts on, in ns.
    """
    if tries * timeout * S >= believed:
        raise errors.BadTimes(
            f"{tries} time-outs of {timeout:g} s do not fit into the {believed / S:g} s that count "
            f"of a lease of {lease:g} s: a leader would stop before it had asked another server\n"
            f"take a timeout below {believed / S / tries:g} s, or a longer lease"
        )


def told(error: InterrexError) -> errors.ElectionError:
    """What a client says, as the library names it."""
    return _AS_TOLD.get(type(error), errors.ElectionError)(str(error))


async def waited_for(introduce: Callable[[], Coroutine[None, None, None]], patience: float) -> None:
    """Let a client meet its service, which may still be starting.

    Args:
        introduce: tries once.
        patience: for how many seconds it is tried.

    Raises:
        Unreachable, WrongService, WrongCertificate, BadCertificates, BadCredentials: as the
            library names them. Only the first is waited out.
    """
    unheard = f"no server has answered within {patience:g} s"
    try:
        async with asyncio.timeout(patience):
            while True:
                try:
                    return await introduce()
                except interface.Unreachable as error:
                    unheard = f"{error}\nit was tried again for {patience:g} s (option patience)"
                await asyncio.sleep(RETRY_S)
    except TimeoutError:
        raise errors.Unreachable(unheard) from None
    except InterrexError as error:
        raise told(error) from error
