"""Mutual TLS 1.3 between hosts: the cluster's own CA, and certificates that name hosts."""

import ssl
from collections.abc import Mapping
from typing import NamedTuple

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.spec import Tls


class TlsContexts(NamedTuple):
    """For accepting and for dialing; both demand a certificate of the cluster's CA."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def tls_contexts(files: Tls) -> TlsContexts:
    """Reads the certificate files.

    Raises:
        InterrexError: a file is missing or is not what it should be.
    """
    return TlsContexts(
        _context(files, ssl.PROTOCOL_TLS_SERVER), _context(files, ssl.PROTOCOL_TLS_CLIENT)
    )


def _context(files: Tls, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # A certificate names a host of the cluster, not an address: checked after the handshake.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:
        raise InterrexError(
            f"the TLS files cannot be used ({files.ca}, {files.certificate}, "
            f"{files.key}): {error}. Check the paths, and that key and certificate are a pair."
        ) from error
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # sessions are not resumed
    return context


def names_host(certificate: Mapping[str, object], host: HostName) -> bool:
    """Whether a verified certificate names this host as a DNS or URI subject alternative name.

    Args:
        certificate: as ``SSLSocket.getpeercert`` returns it.
    """
    names = certificate.get("subjectAltName", ())
    assert isinstance(names, tuple)
    return any(kind in {"DNS", "URI"} and name == host for kind, name in names)
