"""The runtime is tested on the loop it runs on; what asks the kernel most, on both."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

ON_BOTH_LOOPS = {"test_processes.py", "test_probes.py"}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Which loops a test runs on."""
    if item.path.name in ON_BOTH_LOOPS:
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}
