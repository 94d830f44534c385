"""Certificates that tests make: an authority's, a server's and a client's."""

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bench.server_tls import ServerTls


def server_tls(folder: Path, name: str = "127.0.0.1") -> ServerTls:
    """The certificate of servers of this name and that of host h1, signed by one authority.

    ``ca.pem``, ``h1.pem`` and ``h1.key`` in the folder are what a client takes.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    client, server = authority.issue_cert("h1"), authority.issue_cert(name)
    client.cert_chain_pems[0].write_to_path(folder / "h1.pem")
    client.private_key_pem.write_to_path(folder / "h1.key")
    key = load_pem_private_key(server.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(pkcs8 + server.cert_chain_pems[0].bytes())
    return ServerTls(folder / "server.pem", folder / "ca.pem")
