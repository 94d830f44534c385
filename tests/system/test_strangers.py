"""A stranger takes the port of a replica that is still loading: the replica gets another one."""

import shlex
import socket
from pathlib import Path

import msgspec

from bench.fleet import Fleet
from bench.servers import build
from interrex.core.ids import SlotName
from interrex.core.spec import Check, CheckKind, ClusterSpec, Health
from interrex.worker.status import ReplicaStatus
from tests.system.conftest import shop


def loading_shop(worker_id: str, gate: Path) -> ClusterSpec:
    """One replica, which binds its port only once a file is there."""
    script = f"until test -e {shlex.quote(str(gate))}; do sleep 0.05; done; exec {build()} --port"
    spec = shop(worker_id, replicas=1)
    [web] = spec.services.values()
    web = msgspec.structs.replace(
        web,
        command=("/bin/sh", "-c", f"{script} {{port}}"),
        expose=None,
        health=Health(startup=Check(kind=CheckKind.TCP)),
    )
    return msgspec.structs.replace(spec, services={web.name: web})


def replica(fleet: Fleet) -> ReplicaStatus | None:
    status = fleet.status()
    found = status.services["web"].replicas if status is not None else []  # type: ignore[index]
    return next((one for one in found if one.pid is not None), None)


def test_a_stranger_gets_no_requests_and_the_replica_another_port(
    worker_id: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with Fleet(loading_shop(worker_id, gate)) as fleet:
        fleet.wait_until(lambda: replica(fleet) is not None)
        loading = replica(fleet)
        assert loading is not None
        with socket.create_server(("127.0.0.1", loading.port)):
            fleet.wait_until(lambda: (replica(fleet) or loading).port != loading.port)
            gate.touch()
            fleet.wait_ready()
        moved = replica(fleet)
        assert moved is not None
        assert moved.port != loading.port
        events = "".join(fleet.layout.events(name).read_text() for name in fleet.workers)
        assert f"port {loading.port} is answered by another program: " in events
        assert events.count('"replica.ready"') == 1
        assert moved.name == SlotName("web.0")
