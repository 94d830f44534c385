"""A coordination service too old for a fleet: nobody leads by it, and everybody says why."""

import asyncio

import msgspec
import pytest

from bench.fleet import Fleet
from interrex.core.spec import ClusterSpec, Etcd, ZooKeeper
from tests.answering import OLD_ETCD, OLD_ZOOKEEPER, Answer, answering
from tests.system.conftest import shop


def elected_by(election: str, spec: ClusterSpec, port: int) -> ClusterSpec:
    place = f"127.0.0.1:{port}"
    if election == "etcd":
        etcd = Etcd(endpoints=(f"http://{place}",))
        return msgspec.structs.replace(spec, election=election, etcd=etcd)
    return msgspec.structs.replace(spec, election=election, zookeeper=ZooKeeper(hosts=(place,)))


@pytest.mark.parametrize(
    ("election", "answer", "words"),
    [
        ("etcd", OLD_ETCD, "is 3.3.27, and 3.4 is the oldest"),
        ("zookeeper", OLD_ZOOKEEPER, "is 3.4.14, and 3.5 is the oldest"),
    ],
)
async def test_a_fleet_says_which_version_its_service_is_of_and_nobody_leads(
    election: str, answer: Answer, words: str, worker_id: str
) -> None:
    async with answering(answer) as port:
        spec = elected_by(election, shop(worker_id), port)

        def all_say_so() -> None:
            with Fleet(spec) as fleet:
                fleet.wait_until(
                    lambda: [words in status.hindrance for status in fleet.statuses()] == [True] * 3
                )
                assert {status.leader for status in fleet.statuses()} == {None}

        await asyncio.to_thread(all_say_so)
