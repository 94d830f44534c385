"""What is allowed, but probably not what was meant: the warnings."""

from interrex.config.kinds import show_expose
from interrex.config.reading import Reading
from interrex.config.values import is_wildcard, shell_word
from interrex.core.placeholders import placeholders_in
from interrex.core.quorum import majority
from interrex.core.spec import WITH_OPTIONS, CheckKind, ClusterSpec, ServiceSpec
from interrex.elections.guarantees import guarantees_of


def note_oddities(reading: Reading, spec: ClusterSpec) -> None:
    """Add a warning for everything odd in a file that is otherwise in order."""
    _workers(reading, spec)
    _replicas_ports(reading, spec)
    for name in WITH_OPTIONS:
        options = getattr(spec, name)
        if spec.election != name and options != type(options)():
            reading.warn(("cluster", name), f"is of no use: the election is {spec.election}")
    caution = guarantees_of(spec).caution
    if caution:
        reading.warn(("cluster", "election"), caution)
    if not spec.services:
        reading.warn(("cluster",), "no [service.NAME] is declared: nothing will run")
    for service in spec.services.values():
        _exposed(reading, service)
        _port(reading, service)
        word = shell_word(service.command)
        if word is not None:
            reading.warn(
                ("service", service.name, "command"),
                f'no shell runs the command, so {word} is passed on as it is; write ["sh", "-c", '
                '"..."] if a shell is meant',
            )


def _workers(reading: Reading, spec: ClusterSpec) -> None:
    workers = spec.workers
    place = reading.written(("cluster", "workers"), ("host",), ("cluster",))
    if workers == 1:
        reading.warn(place, "with 1 worker nobody takes over when it dies; 3 survive the loss of 1")
    if not guarantees_of(spec).quorum:
        return
    if workers > 1 and workers % 2 == 0:
        losses = workers - majority(workers)
        reading.warn(
            place,
            f"{workers} workers survive the loss of {losses}, as {workers - 1} do; "
            "choose an odd number",
        )
    for index, host in enumerate(spec.hosts):
        rest = workers - host.workers
        if len(spec.hosts) > 1 and rest < majority(workers):
            reading.warn(
                ("host", index),
                f"{host.name} has {host.workers} of {workers} workers: when it is lost, the "
                f"other {rest} cannot elect a leader",
            )


def _replicas_ports(reading: Reading, spec: ClusterSpec) -> None:
    if not spec.hosts or not spec.services:
        return
    first, last = spec.ports
    reading.warn(
        reading.written(("cluster", "ports"), ("host",)),
        f"replicas listen on every address of their host, on ports {first} to {last}, and what "
        "they are sent is not encrypted: let a firewall open these to the cluster's own hosts only",
    )


def _exposed(reading: Reading, service: ServiceSpec) -> None:
    if service.expose is None:
        return
    path = ("service", service.name, "expose")
    if is_wildcard(service.expose.address):
        reading.warn(
            path, f"{show_expose(service.expose)} is open to everybody who reaches this machine"
        )
    if service.health.readiness is None:
        reading.warn(
            path,
            "is exposed without a readiness check: a replica gets requests as soon as its process "
            'runs; write health.http = "/..."',
        )


def _port(reading: Reading, service: ServiceSpec) -> None:
    checks = (service.health.startup, service.health.readiness, service.health.liveness)
    asked = any(check and check.kind in (CheckKind.HTTP, CheckKind.TCP) for check in checks)
    if service.expose is None and not asked:
        return
    texts = (*service.command, *service.env.values())
    if not any("port" in placeholders_in(text) for text in texts):
        reading.warn(
            ("service", service.name, "command"),
            "nothing tells the program its port; pass {port}, or write env.PORT = "
            '"{port}" if it reads that variable',
        )
