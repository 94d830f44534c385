"""The options of elections in a cluster file, and what a file may require of them."""

from pathlib import Path

import pytest

from interrex.config import check
from interrex.config.difference import difference
from interrex.core.ids import WorkerName
from interrex.core.spec import Bully, ClusterSpec
from tests.config.cluster_files import said

BULLY = '[cluster]\nname = "shop"\nelection = "bully"\n'
SERVICE = '[service.web]\ncommand = "sleep 1"\n'


def read(tmp_path: Path, text: str) -> ClusterSpec:
    file = tmp_path / "shop.toml"
    file.write_text(text + SERVICE)
    spec = check(file).spec
    assert spec is not None, check(file).problems
    return spec


def warnings(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "shop.toml"
    file.write_text(text + SERVICE)
    return [f"{problem.key}: {problem.message}" for problem in check(file).warnings]


def test_bully_takes_one_line(tmp_path: Path) -> None:
    assert read(tmp_path, BULLY).election == "bully"
    assert read(tmp_path, BULLY).bully == Bully()


def test_the_options_of_bully_are_read(tmp_path: Path) -> None:
    text = f"{BULLY}[cluster.bully]\nquorum = true\npreempt = false\npriority.worker-1 = 7\n"
    expected = Bully(quorum=True, preempt=False, priority={WorkerName("worker-1"): 7})
    assert read(tmp_path, text).bully == expected


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("quorum = 1", "cluster.bully.quorum: 1 is neither true nor false"),
        (
            "priority.worker-9 = 1",
            "cluster.bully.priority.worker-9: there is no such worker; did you mean worker-3?",
        ),
        (
            'priority.worker-1 = "high"',
            'cluster.bully.priority.worker-1: "high" is no whole number, -1000 to 1000',
        ),
        ("quorom = true", "cluster.bully.quorom: unknown key; did you mean quorum?"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: str, problem: str) -> None:
    text = f"{BULLY}[cluster.bully]\n{options}\n{SERVICE}"
    assert said(tmp_path, text) == [f"shop.toml:5: {problem}"]


def test_check_says_what_bully_does_not_promise(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, BULLY)
    assert warning.startswith("cluster.election: where the network falls apart, bully has a leader")
    assert warnings(tmp_path, f"{BULLY}bully.quorum = true\n") == []


def test_a_file_that_requires_fencing_refuses_bully_without_a_quorum(tmp_path: Path) -> None:
    required = f'{BULLY}require = "fenced"\n'
    (problem,) = said(tmp_path, required + SERVICE)
    assert problem.startswith("shop.toml:4: cluster.require: bully is not fenced as it is")
    assert read(tmp_path, f"{required}bully.quorum = true\n").require == "fenced"


def test_options_of_another_election_are_odd(tmp_path: Path) -> None:
    text = '[cluster]\nname = "shop"\nbully.quorum = true\n'
    assert warnings(tmp_path, text) == ["cluster.bully: is of no use: the election is raft"]


def test_a_running_fleet_keeps_its_options() -> None:
    old = ClusterSpec(name="shop", election="bully")
    new = ClusterSpec(name="shop", election="bully", bully=Bully(quorum=True), require="fenced")
    quorum, require = difference(old, new)
    assert quorum.refused
    assert quorum.what == "bully.quorum false -> true"
    assert not require.refused


def test_where_any_part_may_lead_no_majority_is_asked_for(tmp_path: Path) -> None:
    even = '[cluster]\nname = "shop"\nworkers = 2\nelection = "bully"\n'
    assert len(warnings(tmp_path, even)) == 1
    (odd,) = warnings(tmp_path, f"{even}bully.quorum = true\n")
    assert odd.startswith("cluster.workers: 2 workers survive the loss of 0, as 1 do")
