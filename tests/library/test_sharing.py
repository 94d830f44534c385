"""Elections of one program at one service: what one more of them asks of it, counted there."""

import re
import urllib.request
from collections import Counter
from contextlib import AsyncExitStack
from itertools import pairwise

import interrex
from bench.etcd_cluster import EtcdCluster
from interrex.runtime.coordination.etcd_watches import MOST_WATCHES

STARTED = re.compile(r'^grpc_server_started_total\{grpc_method="(\w+)",.*\} (\d+)$', re.MULTILINE)
OPENED = 2 * MOST_WATCHES


def asked(cluster: EtcdCluster) -> Counter[str]:
    """How often each question was begun to be asked of etcd's members so far."""
    counted: Counter[str] = Counter()
    for endpoint in cluster.endpoints:
        with urllib.request.urlopen(f"{endpoint}/metrics") as page:
            for method, count in STARTED.findall(page.read().decode()):
                counted[method] += int(count)
    return counted


async def test_elections_share_one_lease_and_one_more_asks_no_more_than_the_first() -> None:
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(EtcdCluster())
        cluster.wait_agreed()
        places = ",".join(one.removeprefix("http://") for one in cluster.endpoints)
        counts = [asked(cluster)]
        for number in range(OPENED):
            url = f"etcd://{places}/shared-{number}?lease=60&timeout=15"
            election = await stack.enter_async_context(interrex.election(url, identity="a"))
            await stack.enter_async_context(election.lead())
            counts.append(asked(cluster))
    each = [after - before for before, after in pairwise(counts)]
    assert (counts[-1] - counts[0])["LeaseGrant"] == 1
    first, *others = (one["Txn"] + one["Watch"] + one["Range"] for one in each)
    assert max(others) <= first + 2, each
    assert sum(others[-10:]) <= 10 * (first + 1), each


async def test_members_of_one_election_in_one_program_are_told_apart() -> None:
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(EtcdCluster())
        cluster.wait_agreed()
        places = ",".join(one.removeprefix("http://") for one in cluster.endpoints)
        url = f"etcd://{places}/shared?lease=60&timeout=15"
        one = await stack.enter_async_context(interrex.election(url, identity="a"))
        other = await stack.enter_async_context(interrex.election(url, identity="b"))
        async with one.lead() as first:
            assert other.leadership is None
        async with other.lead() as second:
            assert second.epoch > first.epoch
        assert asked(cluster)["LeaseGrant"] == 2
