"""Cluster files that are in order, and what they become."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interrex.config import ConfigError, check, leader_margin, load
from interrex.config.rules import LEAST_MARGIN, least_election_timeout
from interrex.core.spec import (
    Check,
    CheckKind,
    ClusterSpec,
    Expose,
    Health,
    HostSpec,
    ServiceSpec,
    Timing,
    Tls,
)
from interrex.elections.raft.settings import settings_from
from tests.config.cluster_files import HEAD, SOUND, checked, service, warned

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


def health_of(folder: Path, *lines: str) -> Health:
    spec = checked(folder, service(*lines)).spec
    assert spec is not None
    return next(iter(spec.services.values())).health


def http(interval: float = 1.0, timeout: float = 1.0, rise: int = 1, fall: int = 2) -> Check:
    return Check(
        kind=CheckKind.HTTP, path="/", interval=interval, timeout=timeout, rise=rise, fall=fall
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_in_order(example: Path) -> None:
    spec = load(example)
    assert spec.services
    data = msgspec.msgpack.encode(spec)
    assert msgspec.msgpack.decode(data, type=ClusterSpec) == spec
    assert msgspec.json.decode(msgspec.json.encode(spec), type=ClusterSpec) == spec


def test_the_least_file_gets_every_default(tmp_path: Path) -> None:
    spec = checked(tmp_path, HEAD + '[service.web]\ncommand = "serve --port {port}"\n').spec
    web = ServiceSpec(
        name="web",  # type: ignore[arg-type]
        command=("serve", "--port", "{port}"),
        directory=str(tmp_path),
    )
    assert spec == ClusterSpec(name="shop", services={web.name: web})


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a{b}"
    folder.mkdir()
    tls = '[tls]\nca = "ca.pem"\ncertificate = "/etc/{host}.pem"\nkey = "../{host}.key"\n'
    balancer = '[balancer]\nbinary = "bin/haproxy"\n'
    (folder / "shop.toml").write_text(service('directory = "srv"') + tls + balancer)
    monkeypatch.chdir(tmp_path)
    spec = load("a{b}/shop.toml")
    assert spec.services["web"].directory == str(folder / "srv")  # type: ignore[index]
    assert spec.balancer.binary == str(folder / "bin/haproxy")
    assert spec.tls == Tls(
        ca=str(tmp_path / "a{{b}}/ca.pem"),
        certificate="/etc/{host}.pem",
        key=str(tmp_path / "{host}.key"),
    )


@pytest.mark.parametrize(
    ("written", "expose"),
    [
        ("8080", Expose(port=8080)),
        ('"0.0.0.0:80"', Expose(port=80, address="0.0.0.0")),
        ('"[::1]:80"', Expose(port=80, address="::1")),
        ('"[0:0:0:0:0:0:0:1]:80"', Expose(port=80, address="::1")),
    ],
)
def test_an_address_is_read_as_it_is_usually_written(
    tmp_path: Path, written: str, expose: Expose
) -> None:
    spec = checked(tmp_path, service(f"expose = {written}")).spec
    assert spec is not None
    assert [entry.expose for entry in spec.services.values()] == [expose]


def test_services_may_share_a_port_on_different_addresses(tmp_path: Path) -> None:
    other = '[service.api]\ncommand = "x"\nexpose = "127.0.0.2:8080"\n'
    six = '[service.six]\ncommand = "x"\nexpose = "[::1]:8080"\n'
    assert checked(tmp_path, SOUND + other + six).problems == ()


def test_the_workers_of_the_hosts_are_added_up(tmp_path: Path) -> None:
    spec = checked(tmp_path, f'{SOUND}[[host]]\nname = "h1"\nworkers = 5\n').spec
    assert spec is not None
    assert (spec.workers, spec.hosts) == (5, (HostSpec(name="h1", workers=5),))  # type: ignore[arg-type]


def test_a_short_health_check_answers_three_questions(tmp_path: Path) -> None:
    assert health_of(tmp_path, 'health.http = "/"') == Health(
        startup=http(), readiness=http(), liveness=http(fall=6)
    )


def test_the_pace_of_a_short_check_is_shared(tmp_path: Path) -> None:
    lines = ["health.interval = 3", "health.timeout = 2", "health.rise = 2", "health.fall = 4"]
    assert health_of(tmp_path, 'health.http = "/"', *lines, "health.start_timeout = 5") == Health(
        startup=http(3, 2, 2, 4),
        readiness=http(3, 2, 2, 4),
        liveness=http(3, 2, 1, 12),
        start_timeout=5,
    )


def test_the_time_out_follows_a_short_interval_and_the_interval_a_long_time_out(
    tmp_path: Path,
) -> None:
    short = health_of(tmp_path, 'health = { http = "/", interval = "200ms" }')
    assert short.readiness == http(0.2, 0.2)
    patient = health_of(tmp_path, 'health = { http = "/", timeout = "5s" }')
    assert patient.readiness == http(5, 5)


def test_a_question_of_its_own_changes_only_itself(tmp_path: Path) -> None:
    health = health_of(
        tmp_path,
        'health.http = "/"',
        "health.startup = { tcp = true }",
        "health.liveness.fall = 10",
    )
    assert health.startup == Check(kind=CheckKind.TCP, interval=1, timeout=1, rise=1, fall=2)
    assert health.readiness == http()
    assert health.liveness == http(fall=10)


def test_a_question_can_be_left_out(tmp_path: Path) -> None:
    health = health_of(tmp_path, 'health.http = "/"', "health.liveness = false")
    assert health == Health(startup=http(), readiness=http())


def test_only_the_questions_written_are_asked_without_a_short_form(tmp_path: Path) -> None:
    health = health_of(
        tmp_path, 'health.readiness = { exec = "./ready {port}", timeout = "500ms" }'
    )
    ready = Check(
        kind=CheckKind.EXEC, command=("./ready", "{port}"), interval=1, timeout=0.5, rise=1, fall=2
    )
    assert health == Health(readiness=ready)


def test_statuses_are_one_or_a_range(tmp_path: Path) -> None:
    one = health_of(tmp_path, 'health.http = { path = "/x", status = 204 }').readiness
    assert one is not None
    assert (one.path, one.status) == ("/x", (204, 204))
    some = health_of(tmp_path, "health.http.status = [200, 299]").readiness
    assert some is not None
    assert (some.path, some.status) == ("/", (200, 299))


def test_numbers_in_the_environment_become_texts(tmp_path: Path) -> None:
    spec = checked(tmp_path, service("env = { THREADS = 4 }")).spec
    assert spec is not None
    assert spec.services["web"].env == {"THREADS": "4"}  # type: ignore[index]


def test_the_default_times_leave_a_margin() -> None:
    assert leader_margin(Timing()) == 0.105


@given(st.integers(5, 1000), st.integers(0, 1000))
def test_times_that_a_file_may_hold_are_times_that_an_election_accepts(
    heartbeat: int, more: int
) -> None:
    least = least_election_timeout(heartbeat / 1000)
    timing = Timing(heartbeat=heartbeat / 1000, election_timeout=least + more / 1000)
    assert leader_margin(timing) >= LEAST_MARGIN
    settings_from(timing)


def test_loading_raises_all_problems_as_one_error(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text("[cluster]\nname = 3\nworker = 1\n")
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert str(raised.value).splitlines() == [str(problem) for problem in raised.value.problems]
    assert [(problem.line, problem.column) for problem in raised.value.problems] == [(2, 1), (3, 1)]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert [str(problem) for problem in check(missing).problems] == [
        f"{missing}: there is no such file"
    ]
    assert str(check(tmp_path).problems[0]) == f"{tmp_path}: is a folder, not a file"
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (2 * 1024 * 1024))
    assert "at most 1048576" in str(check(large).problems[0])
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[cluster]\nname = "caf\xe9"\n')
    assert str(check(latin).problems[0]) == f"{latin}:2: is not written in UTF-8"
    assert check(latin).problems[0].column == 12


def test_a_byte_order_mark_and_windows_lines_are_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode())
    assert check(file).problems == ()


WARNINGS = {
    "an even number": (
        SOUND.replace('"shop"', '"shop"\nworkers = 4'),
        [
            "shop.toml:3: cluster.workers: 4 workers survive the loss of 1, as 3 do; choose an odd "
            "number"
        ],
    ),
    "a single worker": (
        SOUND.replace('"shop"', '"shop"\nworkers = 1'),
        [
            "shop.toml:3: cluster.workers: with 1 worker nobody takes over when it dies; 3 survive "
            "the loss of 1"
        ],
    ),
    "no service": (
        HEAD,
        ["shop.toml:1: cluster: no [service.NAME] is declared: nothing will run"],
    ),
    "exposed without a check": (
        service("expose = 8080").replace("serve", "serve {port}"),
        [
            "shop.toml:6: service.web.expose: is exposed without a readiness check: a replica gets "
            'requests as soon as its process runs; write health.http = "/..."'
        ],
    ),
    "open to everybody": (
        SOUND.replace("8080", '"0.0.0.0:8080"'),
        [
            "shop.toml:7: service.web.expose: 0.0.0.0:8080 is open to everybody who reaches this "
            "machine"
        ],
    ),
    "a port that nobody tells": (
        SOUND.replace(" --port {port}", ""),
        [
            "shop.toml:5: service.web.command: nothing tells the program its port; pass {port}, or "
            'write env.PORT = "{port}" if it reads that variable'
        ],
    ),
    "a shell's words": (
        SOUND.replace("serve ", "cd /srv && serve "),
        [
            "shop.toml:5: service.web.command: no shell runs the command, so && is passed on as it "
            'is; write ["sh", "-c", "..."] if a shell is meant'
        ],
    ),
    "a host with the majority": (
        SOUND
        + '[tls]\nca = "a"\ncertificate = "b"\nkey = "c"\n'
        + '[[host]]\nname = "h1"\naddress = "h1:1"\nworkers = 2\n'
        + '[[host]]\nname = "h2"\naddress = "h2:1"\n',
        [
            "shop.toml:13: host[0]: h1 has 2 of 3 workers: when it is lost, the other 1 cannot "
            "elect a leader",
            "shop.toml:13: host: replicas listen on every address of their host, on ports 21000 to "
            "31999, and what they are sent is not encrypted: let a firewall open these to the "
            "cluster's own hosts only",
        ],
    ),
    "replicas that other hosts reach": (
        SOUND.replace('"shop"', '"shop"\nports = [21000, 21999]')
        + '[[host]]\nname = "h1"\nworkers = 3\n',
        [
            "shop.toml:3: cluster.ports: replicas listen on every address of their host, on ports "
            "21000 to 21999, and what they are sent is not encrypted: let a firewall open these to "
            "the cluster's own hosts only"
        ],
    ),
    "a port told by the variable": (SOUND.replace(" --port {port}", '"\nenv.PORT = "{port}'), []),
    "in order": (SOUND, []),
}


@pytest.mark.parametrize(("text", "expected"), WARNINGS.values(), ids=WARNINGS)
def test_what_is_odd_is_warned_of(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert warned(tmp_path, text) == expected
