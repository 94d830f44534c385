"""Every backend of the library, one after the other."""

from collections.abc import Iterator

import pytest

from interrex.elections.embedding import EMBEDDED
from interrex.library.backends import COORDINATED, LOCAL
from tests.library.contract.arenas import (
    Arena,
    Meeting,
    Servers,
    Service,
    arena_of,
    service_of,
)
from tests.library.programs import Programs


@pytest.fixture(scope="module", params=(LOCAL, *EMBEDDED, *COORDINATED))
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    with arena_of(request.param) as arena:
        yield arena


@pytest.fixture(scope="module", params=COORDINATED)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A backend that rests on servers outside."""
    with service_of(request.param) as service:
        yield service


@pytest.fixture
def servers(service: Service) -> Iterator[Servers]:
    """As they were, afterwards too."""
    yield service.servers
    service.servers.wait_well()


@pytest.fixture
def meeting(arena: Arena) -> Meeting:
    return arena.election()


@pytest.fixture
def programs() -> Iterator[Programs]:
    running = Programs()
    try:
        yield running
    finally:
        running.end()
