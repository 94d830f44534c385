"""What a service that speaks TLS only is started with."""

from pathlib import Path
from typing import NamedTuple


class ServerTls(NamedTuple):
    """PEM files: the servers' own key (PKCS #8) and certificate in one, and who signs clients'."""

    identity: Path
    ca: Path
