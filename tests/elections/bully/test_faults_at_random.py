"""Random crashes, pauses and partitions; a failing seed is added to ``KEPT`` and stays there.

``BULLY_SEEDS=20000 pytest tests/elections/bully/test_faults_at_random.py`` looks for more.
"""

import os

import pytest

from tests.elections.bully.chaos import Chaos, ObeyingChaos

SEEDS = int(os.environ.get("BULLY_SEEDS", "12"))
KEPT = [18, 2027, 2266, 2275]
WORLDS = {
    "crashes": (False, False, False),
    "partitions": (False, True, False),
    "partitions and lost disks": (False, True, True),
    "quorum, crashes and lost disks": (True, False, True),
    "quorum, partitions and lost disks": (True, True, True),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("seed", [*range(SEEDS), *KEPT])
def test_faults_at_random(seed: int, world: str) -> None:
    quorum, partitions, disks = WORLDS[world]
    Chaos(seed, quorum=quorum, partitions=partitions, disks=disks).run(steps=60)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("seed", range(SEEDS // 3))
def test_workers_obey_at_random_what_no_election_has_heard_of(seed: int, world: str) -> None:
    quorum, partitions, disks = WORLDS[world]
    ObeyingChaos(seed, quorum=quorum, partitions=partitions, disks=disks).run(steps=60)
