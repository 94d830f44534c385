"""What ``up`` waits for: everything that is asked for runs and does what it is there for."""

import msgspec

from interrex.core.time import MS
from interrex.worker.status import is_ready, missing_parts, status_of
from tests.worker.town import Town, cluster, service


def test_a_balancer_is_waited_for_until_it_follows_the_routes() -> None:
    """One that runs without any listens nowhere, and may have to start again for them."""
    town = Town(cluster(service("web", 2, port=8080)))
    town.start()
    town.run_until(town.all_ready)
    town.run_for(500 * MS)
    status = status_of(town.workers[town.leader()], town.now)
    assert is_ready(status)
    first, *others = status.balancer
    late = msgspec.structs.replace(first, routes=None)
    assert missing_parts(msgspec.structs.replace(status, balancer=[late, *others])) == [
        f"{first.name} follows no routes yet"
    ]
