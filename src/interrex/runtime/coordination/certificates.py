"""The certificates of coordination services: the own ones, and whether it was one that a connection
ended for."""

import ssl

from interrex.runtime.coordination.interface import BadCertificates, WrongCertificate

_REFUSED = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
"""What OpenSSL's names for a server's alerts have in them when it does not take ours."""


def tls_context(service: str, ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """For connections with a service, out of files; empty where there is none.

    Raises:
        BadCertificates: a file cannot be read, or is not what it should be.
    """
    files = ca
    try:
        context = ssl.create_default_context(cafile=ca or None)
        if certificate:
            files = f"{certificate} with {key}"
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise BadCertificates(
            f"the certificates for {service} cannot be used: {files}: {why or error}\n"
            "they are to be PEM files that this user may read: ca, certificate and its own key"
        ) from error
    return context


def certificate_problem(place: str, error: BaseException) -> WrongCertificate | None:
    """What is wrong with a certificate, if that is what an error, or its cause, says."""
    found: BaseException | None = error
    while found is not None:
        # aiohttp's own errors are ssl's by name only: what was wrong says their cause.
        verdict = getattr(found, "verify_message", "")
        if isinstance(found, ssl.SSLCertVerificationError) and verdict:
            return WrongCertificate(
                f"{place}: the server's certificate is not to be trusted: {verdict}\n"
                "it has to be valid today, to name the host as it is written here, and to be "
                "signed by the given ca"
            )
        reason = getattr(found, "reason", None) or ""
        if isinstance(found, ssl.SSLError) and any(one in reason for one in _REFUSED):
            return not_taken(place, reason)
        found = found.__cause__ or found.__context__
    return None


def not_taken(place: str, reason: str) -> WrongCertificate:
    """The server wants another certificate of this program's, or one at all."""
    return WrongCertificate(
        f"{place}: the server does not take this program's certificate: {reason}\n"
        "give certificate and key of one that it knows"
    )
