"""Every way in which a cluster file is refused, with the exact words."""

from pathlib import Path

import pytest

from interrex.core.spec import ELECTIONS
from tests.config.cluster_files import HEAD, SOUND, said

CLUSTER = {
    "an empty file": (
        "",
        ["shop.toml: cluster: is missing; a file begins with [cluster] and a name"],
    ),
    "no name": ("[cluster]\n", ["shop.toml:1: cluster.name: is missing"]),
    "a bad name": (
        '[cluster]\nname = "My Shop"\n',
        [
            'shop.toml:2: cluster.name: "My Shop" is no name; use lower-case letters, digits and '
            "hyphens, a letter first, 63 at most"
        ],
    ),
    "an empty name": ('[cluster]\nname = ""\n', ["shop.toml:2: cluster.name: is empty"]),
    "a name of another kind": (
        "[cluster]\nname = 2024-01-01\n",
        ["shop.toml:2: cluster.name: a date or time is no text; texts stand in quotes"],
    ),
    "cluster is no table": (
        "cluster = 3\n",
        ["shop.toml:1: cluster: 3 stands where a table belongs"],
    ),
    "an unknown table": (
        f"{HEAD}[services.web]\n",
        ["shop.toml:3: services: unknown key; did you mean service?"],
    ),
    "an unknown key far from any": (
        f"{HEAD}zzz = 1\n",
        [
            "shop.toml:3: cluster.zzz: unknown key; known here: name, workers, election, require, "
            "ports, timing, bully"
        ],
    ),
    "an odd key": (
        f'{HEAD}"my\\nkey.\\u200b" = 1\n',
        [
            'shop.toml:3: cluster."my\\nkey.\\u200b": unknown key; known here: name, workers, '
            "election, require, ports, timing, bully"
        ],
    ),
    "too many workers": (
        f"{HEAD}workers = 9\n",
        ["shop.toml:3: cluster.workers: 9 is out of range; it can be 1 to 7"],
    ),
    "workers as a text": (
        f'{HEAD}workers = "3"\n',
        ['shop.toml:3: cluster.workers: "3" is no whole number'],
    ),
    "an unknown election": (
        f'{HEAD}election = "Raftt"\n',
        ['shop.toml:3: cluster.election: "Raftt" is not known; did you mean raft?'],
    ),
    "an election far from any": (
        f'{HEAD}election = "quorum"\n',
        [f'shop.toml:3: cluster.election: "quorum" is not known; write {" or ".join(ELECTIONS)}'],
    ),
    "ports of another kind": (
        f"{HEAD}ports = 21000\n",
        ["shop.toml:3: cluster.ports: 21000 is no range of ports; write [21000, 31999]"],
    ),
    "ports out of range": (
        f"{HEAD}ports = [21000, 70000]\n",
        ["shop.toml:3: cluster.ports: port 70000 is out of range; ports go from 1 to 65535"],
    ),
    "ports upside down": (
        f'{HEAD}ports = "31999-21000"\n',
        ["shop.toml:3: cluster.ports: the range is upside down: 31999 is above 21000"],
    ),
}

TIMING = {
    "too short for two heartbeats": (
        'heartbeat = "50ms"\nelection_timeout = "90ms"',
        [
            "shop.toml:5: cluster.timing.election_timeout: 90ms is too short for a heartbeat of "
            "50ms: one lost heartbeat would depose a healthy leader; the least is 150ms"
        ],
    ),
    "too small a margin": (
        'heartbeat = "10ms"\nelection_timeout = "40ms"',
        [
            "shop.toml:5: cluster.timing.election_timeout: 40ms is too short for a heartbeat of "
            "10ms: only 16ms remain to a leader after a lost heartbeat; the least is 45ms"
        ],
    ),
    "a heartbeat too long for the default": (
        "heartbeat = 0.1",
        [
            "shop.toml:4: cluster.timing.heartbeat: 250ms is too short for a heartbeat of 100ms: "
            "only 25ms remain to a leader after a lost heartbeat; the least is 300ms"
        ],
    ),
    "negative": (
        'heartbeat = "-50ms"',
        ['shop.toml:4: cluster.timing.heartbeat: "-50ms" is negative'],
    ),
    "zero": (
        "election_timeout = 0",
        ["shop.toml:4: cluster.timing.election_timeout: 0 is too short; the least is 10ms"],
    ),
    "no unit": (
        'lost_host = "10"',
        [
            'shop.toml:4: cluster.timing.lost_host: "10" is no duration; write it like "250ms", '
            '"2s" or "1m30s"'
        ],
    ),
    "a flag": (
        "lost_host = true",
        [
            "shop.toml:4: cluster.timing.lost_host: true is no duration; write seconds, or a text "
            'like "250ms"'
        ],
    ),
    "endless": (
        "lost_host = inf",
        ["shop.toml:4: cluster.timing.lost_host: inf is too long; the longest duration is 1 day"],
    ),
    "no number": (
        "lost_host = nan",
        ["shop.toml:4: cluster.timing.lost_host: nan is no duration"],
    ),
    "silent before suspected": (
        'silent_worker = "250ms"',
        [
            "shop.toml:4: cluster.timing.silent_worker: silent_worker 250ms must be longer than "
            "election_timeout 250ms: a slow leader would be killed, not replaced"
        ],
    ),
    "a host lost too early": (
        'lost_host = "1s"',
        [
            "shop.toml:4: cluster.timing.lost_host: lost_host 1s must be longer than silent_worker "
            "2s: its silent worker would not be killed in time",
            "shop.toml:4: cluster.timing.lost_host: lost_host 1s must be longer than respawn_grace "
            "2s: it would be given up while its worker restarts",
        ],
    ),
}  # fmt: skip

SEVERAL = {
    "a reserved service": (
        f'{HEAD}[service.balancer]\ncommand = "x"\n',
        ["shop.toml:3: service.balancer: balancer is the load balancer's own name; choose another"],
    ),
    "a service's bad name": (
        f'{HEAD}[service."Web App"]\ncommand = "x"\n',
        [
            'shop.toml:3: service."Web App": "Web App" is no name; use lower-case letters, digits '
            "and hyphens, a letter first, 63 at most"
        ],
    ),
    "a service without a command": (
        f"{HEAD}[service.web]\n",
        ["shop.toml:3: service.web.command: is missing"],
    ),
    "a service that is no table": (
        f'{HEAD}[service]\nweb = "serve"\n',
        ['shop.toml:4: service.web: "serve" stands where a table belongs'],
    ),
    "services as a list": (
        f'{HEAD}[[service]]\nname = "web"\n',
        ["shop.toml:3: service: is a list; write [service.web] for a service called web"],
    ),
    "one address twice": (
        f'{SOUND}[service.api]\ncommand = "x"\nexpose = "0.0.0.0:8080"\n',
        ["shop.toml:11: service.api.expose: 0.0.0.0:8080 overlaps 127.0.0.1:8080 of web"],
    ),
    "all addresses of both families": (
        f'{SOUND}[service.api]\ncommand = "x"\nexpose = "[::]:8080"\n',
        ["shop.toml:11: service.api.expose: [::]:8080 overlaps 127.0.0.1:8080 of web"],
    ),
    "too few ports": (
        SOUND.replace('"shop"', '"shop"\nports = [21000, 21001]'),
        ["shop.toml:3: cluster.ports: 3 replicas need a port each, but 21000 to 21001 are only 2"],
    ),
    "too many replicas": (
        SOUND.replace("replicas = 3", "replicas = 10000")
        + '[service.api]\ncommand = "x"\nreplicas = 2000\n',
        [
            "shop.toml:6: service.web.replicas: 12000 replicas need a port each, but 21000 to "
            "31999 are only 11000"
        ],
    ),
    "a host without a name": (
        f'{HEAD}[[host]]\naddress = "10.0.0.1:7700"\n',
        ["shop.toml:3: host[0].name: is missing"],
    ),
    "hosts as a table": (
        f'{HEAD}[host]\nname = "h1"\n',
        ["shop.toml:3: host: is one table; hosts are a list, so write [[host]] for each"],
    ),
    "hosts' addresses": (
        f'{HEAD}[[host]]\nname = "h1"\naddress = "10.0.0.1"\n'
        '[[host]]\nname = "h2"\naddress = "0.0.0.0:7700"\n'
        '[[host]]\nname = "h3"\naddress = "a b:7700"\n',
        [
            'shop.toml:5: host[0].address: "10.0.0.1" is no address with a port; write it like '
            '"10.0.0.1:7700"',
            'shop.toml:8: host[1].address: "0.0.0.0:7700" is no address that another host can '
            "reach",
            'shop.toml:11: host[2].address: "a b:7700" names no host; write it like '
            '"10.0.0.1:7700"',
        ],
    ),
    "hosts that clash": (
        f'{HEAD}[[host]]\nname = "h1"\naddress = "h:7700"\nworkers = 2\n'
        '[[host]]\nname = "h1"\naddress = "h:7701"\n'
        '[[host]]\nname = "h3"\n',
        [
            "shop.toml:3: host: 3 hosts need a [tls] table: workers trust each other by "
            "certificate",
            "shop.toml:8: host[1].name: a second host is called h1",
            "shop.toml:9: host[1].address: its workers' ports 7701 to 7701 overlap ports 7700 to "
            "7701 of h1's",
            "shop.toml:10: host[2].address: is missing; others reach h3 by it",
        ],
    ),
    "a host's last port": (
        f'{HEAD}[[host]]\nname = "h1"\naddress = "h:65535"\nworkers = 3\n',
        ["shop.toml:5: host[0].address: its last worker would listen on port 65537"],
    ),
    "workers counted twice": (
        f'{HEAD}workers = 5\n[[host]]\nname = "h1"\nworkers = 3\n',
        ["shop.toml:3: cluster.workers: is 5, but the hosts have 3 workers together; leave it out"],
    ),
    "too many workers on all hosts": (
        f'{HEAD}[tls]\nca = "a"\ncertificate = "b"\nkey = "c"\n'
        + "".join(f'[[host]]\nname = "h{n}"\naddress = "h{n}:1"\nworkers = 4\n' for n in (1, 2)),
        ["shop.toml:7: host: the hosts have 8 workers together; each has a vote, so 7 at most"],
    ),
    "a worker's port among the replicas'": (
        f'{HEAD}[[host]]\nname = "h1"\naddress = "h:22000"\n',
        [
            "shop.toml:5: host[0].address: port 22000 lies within the replicas' own ports 21000 to "
            "31999"
        ],
    ),
    "a worker's port exposed": (
        f'{HEAD}[[host]]\nname = "h1"\naddress = "10.0.0.1:7700"\n'
        '[service.web]\ncommand = "x"\nexpose = "0.0.0.0:7700"\n',
        [
            "shop.toml:8: service.web.expose: 0.0.0.0:7700 overlaps 10.0.0.1:7700, where a worker "
            "of h1 listens"
        ],
    ),
    "tls in part": (
        f'{HEAD}[tls]\nca = "ca.pem"\ncertificate = "{{hst}}.pem"\n',
        [
            "shop.toml:3: tls.key: is missing",
            "shop.toml:5: tls.certificate: nothing is known by {hst}; did you mean {host}? (double "
            "the braces to keep them)",
        ],
    ),
    "the balancer": (
        f"{HEAD}[balancer]\nprocesses = 0\nthreads = 65\nbinary = 3\nclient_timeout = -1\n",
        [
            "shop.toml:4: balancer.processes: 0 is out of range; it can be 1 to 8",
            "shop.toml:5: balancer.threads: 65 is out of range; it can be 1 to 64",
            "shop.toml:6: balancer.binary: 3 is no text; texts stand in quotes",
            "shop.toml:7: balancer.client_timeout: -1 is negative",
        ],
    ),
}

SYNTAX = {
    "an open text": ('[cluster]\nname = "shop\n', "2: a text is not closed"),
    "an open literal text": (
        "[cluster]\nname = 'shop\n",
        "2: a text is not closed (the file ends here)",
    ),
    "no quotes": (
        "[cluster]\nname = shop\n",
        "2: no value of TOML stands here; texts stand in quotes",
    ),
    "a key twice": ('[cluster]\nname = "a"\nname = "b"\n', "3: this key is written twice"),
    "a table twice": (
        f"{HEAD}[service.web]\n[service.web]\n",
        "4: this table is written twice; put its keys together",
    ),
    "no equals sign": ("[cluster]\nname\n", "2: an = is missing after the key"),
    "two keys on a line": (
        '[cluster]\nname = "a" workers = 3\n',
        "2: the line should end here; one key stands on a line",
    ),
    "an open table name": (
        "[cluster\n",
        "1: the brackets of the table's name are not closed, or it has a letter that none can have",
    ),
    "an open list": (
        f'{HEAD}ports = [1, 2\n[service.web]\ncommand = "x"\n',
        "4: a comma or ] is missing in a list",
    ),
    "an open list at the end": (
        f"{HEAD}ports = [1, 2\n",
        "3: a comma or ] is missing in a list (the file ends here)",
    ),
    "an open inline table": (
        f"{HEAD}timing = {{ heartbeat = 1\n",
        "3: a comma or } is missing in a table",
    ),
    "a lone backslash": (
        '[cluster]\nname = "a\\b\\c"\n',
        "2: a lone backslash; double it, or use 'single quotes'",
    ),
    "a line that is nothing": ("}\n", "1: neither a key nor a [table] begins like this"),
    "a control character": (
        "[cluster]\nname = 'a\x01'\n",
        "2: a control character cannot stand here",
    ),
    "a bad date": ("[cluster]\nname = 2024-02-30\n", "2: no date or time is like this"),
    "a table reopened": (
        f"{HEAD}timing = {{}}\ntiming.heartbeat = 1\n",
        "4: this table is complete already; put its keys together",
    ),
    "nested too deeply": (
        HEAD + "a = " + "[" * 100_000 + "\n\n",
        "3: lists or tables are nested too deeply",
    ),
    "an endless number": (
        HEAD + "a = " + "9" * 5000 + "\n\n",
        "3: holds a number or date that no computer can hold",
    ),
}


@pytest.mark.parametrize(("text", "expected"), CLUSTER.values(), ids=CLUSTER)
def test_a_bad_cluster_table_is_refused(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert said(tmp_path, text) == expected


@pytest.mark.parametrize(("lines", "expected"), TIMING.values(), ids=TIMING)
def test_bad_times_are_refused(tmp_path: Path, lines: str, expected: list[str]) -> None:
    assert said(tmp_path, f"{HEAD}[cluster.timing]\n{lines}\n") == expected


@pytest.mark.parametrize(("text", "expected"), SEVERAL.values(), ids=SEVERAL)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    assert said(tmp_path, text) == expected


@pytest.mark.parametrize(("text", "expected"), SYNTAX.values(), ids=SYNTAX)
def test_what_is_no_toml_is_refused_in_plain_words(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert said(tmp_path, text) == [f"shop.toml:{expected}"]


def test_every_problem_is_shown_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        '[cluster]\nname = "Shop"\nelection = "rapt"\n\n[service.web]\ncommand = "x {prt}"\n'
        'replicas = "three"\nstop_timeout = "10"\nrestart = { base_delay = 9, max_delay = 1 }\n'
    )
    keys = [line.split(": ")[:2] for line in said(tmp_path, text)]
    assert keys == [
        ["shop.toml:2", "cluster.name"],
        ["shop.toml:3", "cluster.election"],
        ["shop.toml:6", "service.web.command"],
        ["shop.toml:7", "service.web.replicas"],
        ["shop.toml:8", "service.web.stop_timeout"],
        ["shop.toml:9", "service.web.restart.max_delay"],
    ]
