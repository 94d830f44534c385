"""What tests of workers share: the same cluster under every election that stores its state."""

from collections.abc import Iterator

import pytest

from tests.worker.town import ELECTION


@pytest.fixture(params=["raft", "paxos"])
def each_election(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test once for each election."""
    token = ELECTION.set(request.param)
    yield request.param
    ELECTION.reset(token)
