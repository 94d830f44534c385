"""The rules of Paxos, one leader a round, and nothing acknowledged lost, under random faults.

``PAXOS_SEEDS=20000`` runs many more; a seed that once failed stays in ``REGRESSIONS``.
"""

import os

import pytest

from .chaos import Chaos

SEEDS = int(os.environ.get("PAXOS_SEEDS", "320"))
FIRST = int(os.environ.get("PAXOS_FIRST_SEED", "0"))
CHUNKS = 8
REGRESSIONS = [44, 118, 272, 569, 679, 1062, 1170, 1295]


def run(seed: int) -> None:
    try:
        Chaos(seed).run(steps=60)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error!r}") from error


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.timeout(0)
def test_no_fault_breaks_a_rule(chunk: int) -> None:
    for seed in range(FIRST + chunk, FIRST + SEEDS, CHUNKS):
        run(seed)


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_what_once_went_wrong_stays_right(seed: int) -> None:
    run(seed)
