"""What tests of workers share: the same cluster under every election that keeps its state."""

from collections.abc import Iterator

import pytest

from tests.worker.town import ELECTION

WITH_A_LOG = ("raft", "paxos")
BY_A_MAJORITY = (*WITH_A_LOG, "bully-quorum")


@pytest.fixture(params=[*BY_A_MAJORITY, "bully"])
def each_election(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test once for each election."""
    token = ELECTION.set(request.param)
    yield request.param
    ELECTION.reset(token)


by_a_majority = pytest.mark.parametrize("each_election", BY_A_MAJORITY, indirect=True)
"""What does not hold where every part that is cut off has a leader."""

with_a_log = pytest.mark.parametrize("each_election", WITH_A_LOG, indirect=True)
"""What is about votes: Bully has none, and asks and waits for who is higher before."""
