"""Elections that rest on a coordination service: how the file names it, and what is refused."""

import sys
from pathlib import Path

import pytest

from interrex.config import check
from interrex.config.difference import difference
from interrex.config.environment import check_environment
from interrex.core.ids import WorkerName
from interrex.core.spec import ClusterSpec, Etcd, ZooKeeper
from tests.config.cluster_files import said

HEAD = '[cluster]\nname = "shop"\n'
SERVICE = '[service.web]\ncommand = "sleep 1"\n'


def read(tmp_path: Path, text: str) -> ClusterSpec:
    file = tmp_path / "shop.toml"
    file.write_text(HEAD + text + SERVICE)
    found = check(file)
    assert found.spec is not None, found.problems
    return found.spec


def test_an_endpoint_alone_is_enough(tmp_path: Path) -> None:
    spec = read(tmp_path, 'election = { etcd = "http://127.0.0.1:2379" }\n')
    assert spec.election == "etcd"
    assert spec.etcd == Etcd(endpoints=("http://127.0.0.1:2379",))


def test_several_endpoints_are_a_list(tmp_path: Path) -> None:
    spec = read(tmp_path, 'election.etcd = ["https://a:1", "https://[::1]:2/"]\n')
    assert spec.etcd.endpoints == ("https://a:1", "https://[::1]:2")


def test_the_options_are_a_table(tmp_path: Path) -> None:
    spec = read(
        tmp_path,
        '[cluster.election.etcd]\nendpoints = "https://e:2379"\nprefix = "/a/"\nsession = "9s"\n'
        'timeout = "500ms"\nuser = "u"\npassword_file = "p"\nca = "ca.pem"\n'
        'certificate = "{host}.pem"\nkey = "{host}.key"\npriority.worker-2 = 3\n',
    )
    assert spec.etcd == Etcd(
        endpoints=("https://e:2379",),
        prefix="/a",
        session=9.0,
        timeout=0.5,
        user="u",
        password_file=str(tmp_path / "p"),
        ca=str(tmp_path / "ca.pem"),
        certificate=f"{tmp_path}/{{host}}.pem",
        key=f"{tmp_path}/{{host}}.key",
        priority={WorkerName("worker-2"): 3},
    )


def test_zookeepers_hosts_are_a_text_or_a_list(tmp_path: Path) -> None:
    spec = read(tmp_path, 'election = { zookeeper = "a:1,b:2" }\n')
    assert spec.election == "zookeeper"
    assert spec.zookeeper == ZooKeeper(hosts=("a:1", "b:2"))
    spec = read(
        tmp_path,
        '[cluster.election.zookeeper]\nhosts = ["a:1"]\nroot = "/x"\nsession = "4s"\n'
        'user = "u"\npassword_file = "p"\npriority = { worker-1 = 1 }\n',
    )
    assert spec.zookeeper == ZooKeeper(
        hosts=("a:1",),
        root="/x",
        session=4.0,
        user="u",
        password_file=str(tmp_path / "p"),
        priority={WorkerName("worker-1"): 1},
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            'election = "etcd"',
            "cluster.election: etcd needs to know where it is; "
            "write [cluster.election.etcd] endpoints",
        ),
        (
            'election = { etcd = "e:2379" }',
            'cluster.election.etcd: "e:2379" is no endpoint; write it like "http://127.0.0.1:2379"',
        ),
        ("election = { etcd = [] }", "cluster.election.etcd: names no endpoint"),
        (
            "election = {}",
            "cluster.election: has to name one coordination service: etcd or zookeeper",
        ),
        ("election.etdc = 1", "cluster.election.etdc: unknown key; did you mean etcd?"),
        (
            'election.etcd = { endpoints = "http://e:1", session = "1s" }',
            'cluster.election.etcd.session: "1s" is too short; the least is 2s',
        ),
        (
            'election.etcd = { endpoints = "http://e:1", timeout = "3s" }',
            "cluster.election.etcd.timeout: "
            "3 time-outs of 3s do not fit into the 4s500ms that count of a session of 5s",
        ),
        (
            'election.etcd = { endpoints = "http://e:1", timeout = "1500ms" }',
            "cluster.election.etcd.timeout: "
            "3 time-outs of 1s500ms do not fit into the 4s500ms that count of a session of 5s",
        ),
        (
            'election.etcd = { endpoints = "http://e:1", session = "3s" }',
            "cluster.election.etcd.session: "
            "3 time-outs of 1s do not fit into the 2s700ms that count of a session of 3s",
        ),
        (
            'election.zookeeper = { hosts = "z:1", session = "399ms" }',
            'cluster.election.zookeeper.session: "399ms" is too short; the least is 400ms',
        ),
        (
            'election.etcd = { endpoints = "http://e:1", user = "u" }',
            "cluster.election.etcd.user: is of no use without password_file",
        ),
        (
            'election.etcd = { endpoints = "http://e:1", ca = "ca.pem" }',
            "cluster.election.etcd.ca: is of no use for http://e:1; write https://",
        ),
        (
            'election.etcd = ["http://e:1", "http://e:1/"]',
            "cluster.election.etcd: names http://e:1 twice",
        ),
        (
            'election.zookeeper = { hosts = ["z:1", "z:1"] }',
            "cluster.election.zookeeper.hosts: names z:1 twice",
        ),
        (
            'election.etcd = { endpoints = "http://e:1", prefix = "x y" }',
            'cluster.election.etcd.prefix: "x y" is no prefix; '
            "begin with / and use letters, digits, . _ -",
        ),
        (
            'election.etcd = { endpoints = "http://e:1", priority = { worker-9 = 1 } }',
            "cluster.election.etcd.priority.worker-9: there is no such worker; "
            "did you mean worker-3?",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    assert said(tmp_path, f"{HEAD}{line}\n{SERVICE}") == [f"shop.toml:3: {problem}"]


def test_three_time_outs_that_just_fit_into_what_counts_of_the_session_are_taken(
    tmp_path: Path,
) -> None:
    spec = read(tmp_path, 'election.etcd = { endpoints = "http://e:1", timeout = "1499ms" }\n')
    assert spec.etcd.timeout == 1.499


def test_workers_need_not_be_odd_where_nobody_votes(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(f'{HEAD}workers = 2\nelection.etcd = "http://e:1"\n{SERVICE}')
    assert check(file).warnings == ()


def test_a_running_fleet_keeps_its_coordination_service() -> None:
    old = ClusterSpec(name="shop", election="etcd", etcd=Etcd(endpoints=("http://a:1",)))
    new = ClusterSpec(name="shop", election="etcd", etcd=Etcd(endpoints=("http://b:1",)))
    (change,) = difference(old, new)
    assert change.refused
    assert change.what == "etcd.endpoints http://a:1 -> http://b:1"


def test_a_missing_client_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = read(tmp_path, 'election = { etcd = "http://127.0.0.1:2379" }\n')
    assert check_environment(spec).problems == ()
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    (problem,) = check_environment(spec).problems
    assert problem.message == (
        "etcd needs aiohttp, which is not installed: pip install 'interrex[etcd]'"
    )
