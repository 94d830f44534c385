"""Which backend a URL's scheme names. Each is imported only when it is asked for."""

from typing import TYPE_CHECKING

from interrex.library.errors import MissingExtra, UnknownScheme
from interrex.library.standing import Backend, Standing
from interrex.library.urls import ElectionUrl

if TYPE_CHECKING:
    from interrex.library.coordinated.service import Service

LOCAL = "interrex"
COORDINATED = ("etcd", "zookeeper", "postgresql")


def backend_for(url: ElectionUrl, identity: str, priority: int, standing: Standing) -> Backend:
    """The backend, not opened yet.

    Raises:
        UnknownScheme: no backend goes by this name.
        ElectionError: the URL is not as the backend needs it.
    """
    from interrex.elections.embedding import EMBEDDED

    if url.scheme in EMBEDDED:
        from interrex.library.embedded.member import embedded_member

        return embedded_member(url, identity, priority, standing)
    if url.scheme == LOCAL:
        from interrex.library.local import local_candidate

        return local_candidate(url, identity, priority, standing)
    if url.scheme in COORDINATED:
        from interrex.library.coordinated.member import CoordinatedMember

        return CoordinatedMember(_service(url), identity, priority, standing)
    raise UnknownScheme(url.scheme, (LOCAL, *EMBEDDED, *COORDINATED))


def _service(url: ElectionUrl) -> "Service":
    """Raises MissingExtra where its client is not installed."""
    try:
        match url.scheme:
            case "etcd":
                from interrex.library.coordinated.etcd import etcd_service

                return etcd_service(url)
            case "zookeeper":
                from interrex.library.coordinated.zookeeper import zookeeper_service

                return zookeeper_service(url)
            case _:
                from interrex.library.coordinated.postgresql import postgresql_service

                return postgresql_service(url)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("interrex"):
            raise
        raise MissingExtra(url.scheme, error.name) from error
