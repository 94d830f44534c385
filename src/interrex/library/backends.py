"""Which backend a URL's scheme names. Each is imported only when it is asked for."""

from interrex.library.errors import UnknownScheme
from interrex.library.standing import Backend, Standing
from interrex.library.urls import ElectionUrl

LOCAL = "interrex"


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
    raise UnknownScheme(url.scheme, (*EMBEDDED, LOCAL))
