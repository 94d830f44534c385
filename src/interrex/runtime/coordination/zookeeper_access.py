"""How a ZooKeeper ensemble is reached, as the client and the server's greeting take it."""

import ssl
from typing import Any

import msgspec

from interrex.core.ids import HostName
from interrex.core.placeholders import fill
from interrex.core.secret import Secret
from interrex.core.spec import ZooKeeper
from interrex.runtime.coordination.certificates import tls_context
from interrex.runtime.coordination.passwords import password_from


class ZooKeeperAccess(msgspec.Struct, frozen=True):
    """How an ensemble is reached. ``hosts`` are ``host:port``; ``session`` is in seconds; files are
    paths, empty where there is none."""

    hosts: tuple[str, ...]
    session: float
    user: str = ""
    password: Secret = Secret()
    password_file: str = ""
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""


def access_from(options: ZooKeeper, host: HostName) -> ZooKeeperAccess:
    """What a cluster file says, for one machine.

    Raises:
        InterrexError: the password cannot be read.
    """
    values = {"host": host}
    return ZooKeeperAccess(
        hosts=options.hosts,
        session=options.session,
        user=options.user,
        password=password_from("ZooKeeper", options.user, options.password_file),
        password_file=options.password_file if options.user else "",
        tls=bool(options.ca or options.certificate),
        ca=fill(options.ca, values),
        certificate=fill(options.certificate, values),
        key=fill(options.key, values),
    )


def tls_of(access: ZooKeeperAccess) -> ssl.SSLContext | None:
    """As kazoo makes it of the same files; both look at the host's name. Raises BadCertificates."""
    if not access.tls:
        return None
    return tls_context("ZooKeeper", access.ca, access.certificate, access.key)


def security_of(access: ZooKeeperAccess) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if access.tls:
        found |= {"use_ssl": True, "ca": access.ca or None, "check_hostname": True}
    if access.certificate:
        found |= {"certfile": access.certificate, "keyfile": access.key}
    if access.user:
        found["sasl_options"] = {
            "mechanism": "DIGEST-MD5",
            "username": access.user,
            "password": str(access.password),
        }
    return found
