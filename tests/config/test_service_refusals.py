"""Every way in which a service of a cluster file is refused, with the exact words."""

from pathlib import Path

import pytest

from tests.config.cluster_files import HEAD, said, service

SERVICE = {
    "a typo": (["replcas = 3"], ["6: service.web.replcas: unknown key; did you mean replicas?"]),
    "another tool's word": (
        ['cwd = "/srv"'],
        ["6: service.web.cwd: unknown key; did you mean directory?"],
    ),
    "too few replicas": (
        ["replicas = -1"],
        ["6: service.web.replicas: -1 is out of range; it can be 0 to 10000"],
    ),
    "more replicas than a worker can tell of": (
        ["replicas = 10_000"],
        [
            "6: service.web.replicas: is too large: a worker's report for 10,000 slots would take "
            "2,428,989 bytes, and 1,048,576 are the most that one worker sends another"
        ],
    ),
    "a huge number": (
        [f"replicas = {10**30}"],
        ["6: service.web.replicas: so large a number is out of range; it can be 0 to 10000"],
    ),
    "a port in quotes": (
        ['expose = "8080"'],
        ['6: service.web.expose: "8080" is a text; write the port alone without quotes'],
    ),
    "a host's name": (
        ['expose = "localhost:8080"'],
        ['6: service.web.expose: "localhost" is no IP address; write it like "0.0.0.0:8080"'],
    ),
    "no port": (
        ['expose = "::1"'],
        [
            '6: service.web.expose: "::1" is no address with a port; write it like 8080, '
            '"0.0.0.0:8080" or "[::1]:8080"'
        ],
    ),
    "port 0": (
        ["expose = 0"],
        ["6: service.web.expose: port 0 is out of range; ports go from 1 to 65535"],
    ),
    "a port beyond": (
        ['expose = "0.0.0.0:65536"'],
        ["6: service.web.expose: port 65536 is out of range; ports go from 1 to 65535"],
    ),
    "a port of another kind": (
        ["expose = true"],
        ["6: service.web.expose: true is no port; write a whole number"],
    ),
    "a port of the replicas": (
        ["expose = 21000"],
        [
            "6: service.web.expose: port 21000 lies within the replicas' own ports 21000 to 31999"
        ],
    ),
    "env of another kind": (
        ['env = "A=1"'],
        ['6: service.web.env: "A=1" stands where a table belongs'],
    ),
    "several bad variables": (
        ['env = { "A-B" = "1", DEBUG = true, INTERREX_SLOT = "x", PORT = "80", N = "a\\u0000" }'],
        [
            "6: service.web.env.A-B: is no variable's name; use letters, digits and _, no digit "
            "first",
            "6: service.web.env.DEBUG: true is no text; put it in quotes",
            "6: service.web.env.INTERREX_SLOT: Interrex sets the variables that begin with "
            "INTERREX_ itself",
            '6: service.web.env.PORT: is the replica\'s own port; write "{port}", or leave it out',
            "6: service.web.env.N: holds a NUL character",
        ],
    ),
    "a placeholder in a variable": (
        ['env = { URL = "http://{hots}" }'],
        [
            "6: service.web.env.URL: nothing is known by {hots}; the known ones are {port}, "
            "{slot}, {number}, {address} (double the braces to keep them)"
        ],
    ),
    "no user": (['user = "a b"'], ['6: service.web.user: "a b" is no user\'s name']),
    "no signal": (
        ['stop_signal = "TERM"'],
        ['6: service.web.stop_signal: "TERM" is not known; did you mean SIGTERM?'],
    ),
    "nothing like a signal": (
        ['stop_signal = "please"'],
        [
            '6: service.web.stop_signal: "please" is not known; write SIGTERM or SIGINT or SIGQUIT'
        ],
    ),
    "a signal that stops nothing": (
        ['stop_signal = "SIGCONT"'],
        ['6: service.web.stop_signal: "SIGCONT" is not known; did you mean SIGINT?'],
    ),
    "a negative stop": (
        ["stop_timeout = -1"],
        ["6: service.web.stop_timeout: -1 is negative"],
    ),
    "sizes": (
        [
            'limits.memory = "512M"',
            'limits.core = "-1B"',
            'logs.max_size = "1KiB"',
        ],
        [
            '6: service.web.limits.memory: "512M" is no size; did you mean "512MiB"?',
            '7: service.web.limits.core: "-1B" is no size; write it like "512MiB" or "2GB"',
            '8: service.web.logs.max_size: "1KiB" is too small; the least is 4KiB',
        ],
    ),
    "more sizes": (
        [
            "limits.memory = 1.5",
            'limits.core = "99999999TiB"',
            'logs.max_size = "10 megs"',
        ],
        [
            '6: service.web.limits.memory: 1.5 is no size; write bytes, or a text like "512MiB"',
            '7: service.web.limits.core: "99999999TiB" is too large',
            '8: service.web.logs.max_size: "10 megs" is no size; did you mean "10MiB"?',
        ],
    ),
    "a negative size": (["limits.core = -5"], ["6: service.web.limits.core: -5 is negative"]),
    "other limits": (
        ["limits.open_files = 3", "limits.nice = 20", "limits.processes = 0", "limits.ram = 1"],
        [
            "6: service.web.limits.open_files: 3 is out of range; it can be 16 or more",
            "7: service.web.limits.nice: 20 is out of range; it can be -20 to 19",
            "8: service.web.limits.processes: 0 is out of range; it can be 1 or more",
            "9: service.web.limits.ram: unknown key; known here: memory, open_files, processes, "
            "core, nice",
        ],
    ),
    "restarts": (
        ['restart = { base_delay = "2s", max_delay = "1s" }'],
        [
            "6: service.web.restart.max_delay: the longest delay 1s is shorter than the base delay "
            "2s"
        ],
    ),
    "more restarts": (
        ["restart.factor = 0.5", 'restart.base_delay = "0s"', 'restart.reset_after = "2 days"'],
        [
            "6: service.web.restart.factor: 0.5 is out of range; it can be 1 to 100",
            '7: service.web.restart.base_delay: "0s" is too short; the least is 1ms',
            '8: service.web.restart.reset_after: "2 days" is no duration; write it like "250ms", '
            '"2s" or "1m30s"',
        ],
    ),
    "a factor of another kind": (
        ['restart.factor = "2"'],
        ['6: service.web.restart.factor: "2" is no number'],
    ),
    "a table of another kind": (
        ["logs = 4"],
        ["6: service.web.logs: 4 stands where a table belongs"],
    ),
    "an empty directory": (['directory = ""'], ["6: service.web.directory: is empty"]),
}  # fmt: skip

COMMANDS = {
    "empty": ('""', "is empty; write the program to run"),
    "blank": ('["  "]', "is empty; write the program to run"),
    "an empty list": ("[]", "is empty; write the program to run"),
    "a number": ("3", "3 is no command; write a text, or a list of texts"),
    "a number in a list": (
        '["serve", 8080]',
        "argument 2, 8080, is no text; put it in quotes",
    ),
    "an open quotation": (
        '"serve \'a"',
        '"serve \'a" cannot be split into arguments: a quotation is not closed',
    ),
    "a last backslash": (
        "'serve \\'",
        '"serve \\\\" cannot be split into arguments: it ends in a backslash',
    ),
    "an unknown placeholder": (
        '"serve {prot}"',
        "nothing is known by {prot}; did you mean {port}? (double the braces to keep them)",
    ),
    "a nameless placeholder": (
        '"serve {}"',
        "nothing is known by {}; the known ones are {port}, {slot}, {number}, {address} "
        "(double the braces to "
        "keep them)",
    ),
    "a lone brace": (
        "\"serve '{a b}'\"",
        'a lone { in "{a b}"; double the brace if it is meant as such',
    ),
    "a NUL": ('"serve \\u0000"', "holds a NUL character"),
}

HEALTH = {
    "a path without a slash": (
        ['health.http = "healthz"'],
        ['6: service.web.health.http: "healthz" is no path; it begins with /'],
    ),
    "a path with a blank": (
        ['health.http = "/a b"'],
        [
            '6: service.web.health.http: "/a b" holds a character that has to be percent-encoded'
        ],
    ),
    "statuses": (
        ['health.http = { path = "/", status = 99 }', 'health.startup.http.status = [300, 200]'],
        [
            "6: service.web.health.http.status: 99 to 99 is no range of statuses; they go from 100 "
            "to 599",
            "7: service.web.health.startup.http.status: 300 to 200 is no range of statuses; they "
            "go from 100 to 599",
        ],
    ),
    "a status of another kind": (
        ['health.http = { status = "ok" }'],
        [
            '6: service.web.health.http.status: "ok" is no status; write 200, or [200, 299] for a '
            "range"
        ],
    ),
    "two targets": (
        ['health = { http = "/", tcp = true }'],
        ["6: service.web.health: asks by http and tcp; one target answers one question"],
    ),
    "two targets for one question": (
        ['health.readiness = { exec = "true", tcp = true }'],
        ["6: service.web.health.readiness: asks by tcp and exec; one target answers one question"],
    ),
    "tcp of another kind": (
        ["health.tcp = 80"],
        ["6: service.web.health.tcp: 80 is no answer; write true"],
    ),
    "nothing to ask": (
        ['health.interval = "1s"'],
        ["6: service.web.health: says nothing to ask; write http, tcp or exec"],
    ),
    "nothing to ask for one question": (
        ["health.liveness.fall = 3"],
        ["6: service.web.health.liveness: says nothing to ask; write http, tcp or exec"],
    ),
    "a time-out longer than the interval": (
        ['health = { tcp = true, interval = "1s", timeout = "3s" }'],
        ["6: service.web.health.timeout: the time-out 3s is longer than the interval 1s"],
    ),
    "a question's interval shorter than the time-out": (
        ["health.tcp = true", "health.timeout = 2", 'health.liveness.interval = "500ms"'],
        [
            "8: service.web.health.liveness.interval: the time-out 2s is longer than the interval "
            "500ms"
        ],
    ),
    "zeros": (
        [
            "health = { tcp = true, interval = 0, timeout = 0, rise = 0, fall = 0, "
            "start_timeout = 0 }"
        ],
        [
            "6: service.web.health.interval: 0 is too short; the least is 10ms",
            "6: service.web.health.timeout: 0 is too short; the least is 10ms",
            "6: service.web.health.rise: 0 is out of range; it can be 1 to 1000",
            "6: service.web.health.fall: 0 is out of range; it can be 1 to 1000",
            "6: service.web.health.start_timeout: 0 is too short; the least is 100ms",
        ],
    ),
    "an empty exec": (
        ['health.exec = ""'],
        ["6: service.web.health.exec: is empty; write the program to run"],
    ),
    "an unknown key": (
        ['health = { htp = "/", interval = "x" }'],
        [
            "6: service.web.health.htp: unknown key; did you mean http?",
            '6: service.web.health.interval: "x" is no duration; write it like "250ms", "2s" or '
            '"1m30s"',
        ],
    ),
    "a key of another question": (
        ["health.tcp = true", "health.liveness.rise = 2"],
        [
            "7: service.web.health.liveness.rise: unknown key; known here: http, tcp, exec, "
            "interval, timeout, fall"
        ],
    ),
    "health of another kind": (
        ['health = "/healthz"'],
        ['6: service.web.health: "/healthz" stands where a table belongs'],
    ),
    "a question of another kind": (
        ["health.tcp = true", "health.liveness = true"],
        ["7: service.web.health.liveness: true stands where a table belongs"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), SERVICE.values(), ids=SERVICE)
def test_a_bad_service_is_refused(tmp_path: Path, lines: list[str], expected: list[str]) -> None:
    assert said(tmp_path, service(*lines)) == [f"shop.toml:{line}" for line in expected]


@pytest.mark.parametrize(("lines", "expected"), HEALTH.values(), ids=HEALTH)
def test_bad_health_is_refused(tmp_path: Path, lines: list[str], expected: list[str]) -> None:
    assert said(tmp_path, service(*lines)) == [f"shop.toml:{line}" for line in expected]


@pytest.mark.parametrize(("command", "expected"), COMMANDS.values(), ids=COMMANDS)
def test_a_bad_command_is_refused(tmp_path: Path, command: str, expected: str) -> None:
    text = f"{HEAD}[service.web]\ncommand = {command}\n"
    assert said(tmp_path, text) == [f"shop.toml:4: service.web.command: {expected}"]
