"""The runtime is tested on the loop it runs on; what asks the kernel most, on both."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
import uvloop

from tests.runtime.haproxy_harness import PATIENCE_S, haproxy_may_take

ON_BOTH_LOOPS = {"test_processes.py", "test_probes.py"}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Which loops a test runs on."""
    if item.path.name in ON_BOTH_LOOPS:
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def patience_with_haproxy() -> Iterator[None]:
    """One that runs is not taken for a hung one, however slow the machine is."""
    with haproxy_may_take(PATIENCE_S):
        yield
