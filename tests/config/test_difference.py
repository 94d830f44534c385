"""What a change of the file does to a running fleet, in words."""

from pathlib import Path

import pytest

from interrex.config import difference, load
from interrex.core.spec import ClusterSpec
from tests.config.cluster_files import SOUND, checked


def spec_of(folder: Path, text: str) -> ClusterSpec:
    result = checked(folder, text)
    assert result.problems == ()
    assert result.spec is not None
    return result.spec


TLS = '[tls]\nca = "/ca"\ncertificate = "/c"\nkey = "/k"\n'


def hosts(*names: str, port: int = 7700, workers: int = 1) -> str:
    return TLS + "".join(
        f'[[host]]\nname = "{name}"\naddress = "{name}:{port}"\nworkers = {workers}\n'
        for name in names
    )


CHANGES = {
    "nothing": (SOUND, SOUND, []),
    "more replicas": (
        SOUND,
        SOUND.replace("replicas = 3", "replicas = 5"),
        ["web: replicas 3 -> 5 (starts 2)"],
    ),
    "fewer replicas": (
        SOUND,
        SOUND.replace("replicas = 3", "replicas = 0"),
        ["web: replicas 3 -> 0 (stops 3)"],
    ),
    "another command": (
        SOUND,
        SOUND.replace("serve", "serve --fast"),
        ["web: command changed (restarts 3 replicas, one at a time)"],
    ),
    "all that makes a process": (
        SOUND.replace("replicas = 3", 'replicas = 2\nenv = { A = "1", B = "secret" }'),
        SOUND.replace("serve", "serve --fast").replace(
            "replicas = 3",
            'replicas = 1\nenv = { B = "other", C = "3" }\nuser = "www"\nlimits.memory = "1GiB"\n'
            "limits.nice = 5\ndirectory = '/srv'",
        ),
        [
            "web: replicas 2 -> 1 (stops 1)",
            "web: command changed, env.A removed, env.B changed, env.C added, directory FOLDER -> "
            "/srv, user none -> www, limits.memory none -> 1GiB, limits.nice none -> 5 (restarts 1 "
            "replica)",
        ],
    ),
    "a command of nothing that runs": (
        SOUND.replace("replicas = 3", "replicas = 0"),
        SOUND.replace("replicas = 3", "replicas = 0").replace("serve", "serve --fast"),
        ["web: command changed (nothing of it runs)"],
    ),
    "another address": (
        SOUND,
        SOUND.replace("8080", '"0.0.0.0:80"'),
        ["web: expose 127.0.0.1:8080 -> 0.0.0.0:80 (reloads the balancer)"],
    ),
    "no longer exposed": (
        SOUND,
        SOUND.replace("expose = 8080\n", ""),
        ["web: expose 127.0.0.1:8080 -> none (reloads the balancer)"],
    ),
    "settings": (
        SOUND,
        SOUND.replace(
            'http = "/healthz"',
            'http = { path = "/h", status = 200 }\nhealth.startup = false\n'
            'health.liveness = false\nstop_signal = "SIGINT"\nstop_timeout = "1m30s"\n'
            'restart.factor = 3\nrestart.max_delay = "1m"\nlogs.max_size = "1MiB"',
        ),
        [
            "web: stop_signal SIGTERM -> SIGINT, stop_timeout 10s -> 1m30s, "
            "health.startup removed, health.liveness removed, "
            "health.readiness.path /healthz -> /h, health.readiness.status 200-399 -> 200-200, "
            "restart.factor 2 -> 3, restart.max_delay 30s -> 1m, logs.max_size 16MiB -> 1MiB "
            "(restarts nothing)"
        ],
    ),
    "one target of three questions": (
        SOUND,
        SOUND.replace('"/healthz"', '"/h"\nhealth.fall = 3'),
        [
            "web: health.path /healthz -> /h, health.liveness.fall 6 -> 9, "
            "health.readiness.fall 2 -> 3 (restarts nothing)"
        ],
    ),
    "services": (
        SOUND + '[service.old]\ncommand = "x"\nreplicas = 2\n',
        SOUND + '[service.new]\ncommand = "x"\n',
        ["new: new service (starts 1)", "old: removed (stops 2)"],
    ),
    "workers": (
        SOUND,
        SOUND.replace('"shop"', '"shop"\nworkers = 5'),
        ["workers 3 -> 5 (starts 2 workers)"],
    ),
    "fewer workers": (
        SOUND.replace('"shop"', '"shop"\nworkers = 2'),
        SOUND.replace('"shop"', '"shop"\nworkers = 1'),
        ["workers 2 -> 1 (stops 1 worker)"],
    ),
    "ports and times": (
        SOUND,
        SOUND.replace(
            '"shop"', '"shop"\nports = [22000, 22999]\ntiming.lost_host = 20\ntiming.heartbeat=0.04'
        ),
        [
            "ports 21000-31999 -> 22000-22999 (for replicas placed from now on)",
            "timing.heartbeat 60ms -> 40ms (every worker goes by it at once)",
            "timing.lost_host 10s -> 20s (every worker goes by it at once)",
        ],
    ),
    "another name": (
        SOUND,
        SOUND.replace('"shop"', '"mall"'),
        [
            "name shop -> mall: cannot change while the fleet runs: the fleet's folder and its "
            "workers go by it; bring up a second fleet instead"
        ],
    ),
    "the balancer's processes": (
        SOUND,
        SOUND + "[balancer]\nprocesses = 1\n",
        ["balancer: processes 2 -> 1 (stops 1 process)"],
    ),
    "the balancer's program": (
        SOUND,
        SOUND + '[balancer]\nbinary = "haproxy"\nclient_timeout = "2m"\n',
        [
            "balancer: binary none -> haproxy, client_timeout 1m -> 2m (restarts 2 processes on "
            "each host, one at a time)"
        ],
    ),
    "the balancer's times": (
        SOUND,
        SOUND + '[balancer]\nclient_timeout = "2m"\n',
        ["balancer: client_timeout 1m -> 2m (reloads without losing a connection)"],
    ),
    "hosts": (
        SOUND + hosts("a", "b", "c"),
        SOUND + hosts("a", "b", "d"),
        [
            "host d: new (starts 1 worker with `interrex up FILE --host d` there)",
            "host c: removed (stops 1 worker; its replicas move to other hosts)",
        ],
    ),
    "workers of a host": (
        SOUND + hosts("a", workers=3),
        SOUND + hosts("a", workers=5),
        ["host a: workers 3 -> 5 (starts 2 workers)"],
    ),
    "a host's address": (
        SOUND + hosts("a"),
        SOUND + hosts("a", port=7800),
        [
            "host a: address a:7700 -> a:7800: cannot change while the fleet runs: its workers are "
            "known by it; take the host out of the file and apply it, run `interrex down --purge` "
            "there, then add the host as a new one"
        ],
    ),
    "hosts where there were none": (
        SOUND,
        SOUND + hosts("a", "b", "c"),
        [
            "hosts none -> 3: cannot change while the fleet runs: its workers have other names "
            "with hosts than without; `interrex down` first",
            "tls added (each worker takes it up when it next starts)",
        ],
    ),
    "certificates": (
        SOUND + TLS,
        SOUND + TLS.replace("/ca", "/new"),
        ["tls.ca /ca -> /new (each worker takes it up when it next starts)"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_told_with_its_effect(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    changes = difference(spec_of(tmp_path, old), spec_of(tmp_path, new))
    assert [str(change).replace(str(tmp_path), "FOLDER") for change in changes] == expected


def test_another_election_is_refused(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, SOUND)
    other = ClusterSpec(name=spec.name, election="other", services=spec.services)
    [change] = difference(spec, other)
    assert change.refused
    assert str(change).startswith("election raft -> other: cannot change while the fleet runs: ")


def test_every_example_differs_from_itself_in_nothing() -> None:
    for file in (Path(__file__).parents[2] / "examples").glob("*.toml"):
        assert difference(load(file), load(file)) == []
