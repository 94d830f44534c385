"""``interrex demo``."""

import asyncio
import secrets
from typing import Annotated

from cyclopts import Parameter

from interrex.core.spec import ELECTIONS
from interrex.demo.fleet import election_line
from interrex.demo.performance import Options, perform
from interrex.demo.stage import new_stage


def demo(
    *,
    once: Annotated[bool, Parameter(negative="")] = False,
    seed: int | None = None,
    plain: Annotated[bool, Parameter(negative="")] = False,
    election: str = ELECTIONS[0],
) -> int:
    """Start a real fleet, kill every part of it under load, and show it heal.

    Three workers keep three replicas of a small shop alive behind a load balancer, while customers
    send 200 requests/s. A replica, a worker, the leader, a balancer process and several of them
    together are killed at moments drawn from the seed; then a summary is printed, and the fleet
    stays up to be played with until Ctrl-C. An order, a POST, that a kill cuts off was executed or
    not: it is not retried, and counted apart from what failed.

    Example: interrex demo --once --seed 7 --election etcd=http://127.0.0.1:2379

    Exit codes: 0 nothing failed; 1 something did, or the demo could not be played; 130 interrupted
    before the summary.

    Args:
        once: End after the summary.
        seed: Draws whom and when to kill; by default a new one, which is printed.
        plain: Plain lines instead of a live picture; as it is when the output is piped.
        election: What the workers elect by, as a cluster file names it; where that has servers of
            its own, with their address: etcd=http://127.0.0.1:2379, zookeeper=127.0.0.1:2181.
    """
    options = Options(
        seed=secrets.randbelow(10_000) if seed is None else seed,
        once=once,
        election=election_line(election),
    )
    return asyncio.run(perform(options, new_stage(plain)))
