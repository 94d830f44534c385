"""A leader's host is cut off, its packets dropped in both directions: until the others know.

Three hosts, as network namespaces on one bridge, over mutual TLS.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator

from bench.failover import ask_for_leader, wait_answers
from bench.figures import Effort, Figure, at_most
from bench.processes import running
from bench.progress import progress
from bench.specs import bare
from bench.statistics import percentile, summary
from bench.tools import leave_out
from tests.system.machines import Machine, all_ready, machines

PATIENCE_S = 60.0
CUT = "; ".join(
    (
        "add table inet cut",
        "add chain inet cut input { type filter hook input priority 0 ; }",
        "add chain inet cut output { type filter hook output priority 0 ; }",
        "add rule inet cut input iifname eth0 drop",
        "add rule inet cut output oifname eth0 drop",
    )
)
"""One line, so one transaction: both directions are cut at once."""
SETTLE_S = 3.0
"""What was cut off answers late at first, and the leader allows for long round trips then."""


def partition(effort: Effort) -> Iterator[Figure]:
    """A leader's host cut off by packet filters, until the last of the others knows the next."""
    if os.geteuid() != 0:
        leave_out("network namespaces need root: sudo make bench ARGS=partition")
        return
    with machines(bare()) as hosts:
        cuts = progress(range(effort.count(12)), "cut")
        took = [_cut_leader(list(hosts.values())) for _ in cuts]
    yield Figure(
        measure="leader cut off, the others know the next: p50",
        value=percentile(took, 0.5),
        unit="ms",
        goal=at_most(300.0),
        note=summary(took),
    )


def _cut_leader(hosts: list[Machine]) -> float:
    """Milliseconds. The filter's program is started before, so that its start does not count."""
    leader, epoch = _agreed(hosts)
    command = ["ip", "netns", "exec", leader.namespace, "nft", "-i"]
    with contextlib.ExitStack() as stack:
        filters = stack.enter_context(running(command, stdin=subprocess.PIPE)).stdin
        assert filters is not None
        time.sleep(SETTLE_S)
        asked = [
            stack.enter_context(ask_for_leader(host.fleet, host.fleet.workers[0], epoch))
            for host in hosts
            if host is not leader
        ]
        begin = time.perf_counter()
        filters.write(f"{CUT}\n")
        filters.flush()
        took = max(answered - begin for answered in wait_answers(asked)) * 1e3
    leader.heal()
    return took


def _agreed(hosts: list[Machine]) -> tuple[Machine, int]:
    """Who leads, and its epoch, once every host says the same and is well."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        said = {(s.leader, s.epoch) for host in hosts if (s := host.status()) is not None}
        if len(said) == 1 and all_ready(hosts):
            ((leader, epoch),) = said
            for host in hosts:
                if leader in host.fleet.workers:
                    return host, epoch
        time.sleep(0.02)
    raise TimeoutError("the hosts do not agree on a leader")
