"""The clusters that benches run: small C servers, or programs that only sleep."""

from collections.abc import Iterator

from bench.fleet import Fleet
from bench.processes import free_ports
from bench.servers import build
from interrex.core.ids import ServiceName, WorkerName
from interrex.core.spec import Check, CheckKind, ClusterSpec, Expose, Health, Restart, ServiceSpec
from interrex.runtime.journal import Event, read_events

WEB = ServiceName("web")
FORGIVING = Restart(reset_after=1.0)
"""A slot that was well for a second before it is killed again is started at once again."""


def bare(workers: int = 3) -> ClusterSpec:
    """Workers that supervise nothing."""
    return ClusterSpec(name="bench", workers=workers)


def web(replicas: int, workers: int = 3, *, exposed: bool = False) -> ClusterSpec:
    """A C server that starts in a millisecond, checked every 2 s over HTTP."""
    check = Check(kind=CheckKind.HTTP, path="/healthz", interval=2.0)
    service = ServiceSpec(
        name=WEB,
        command=(str(build()), "--port", "{port}"),
        replicas=replicas,
        expose=Expose(port=free_ports(1)[0]) if exposed else None,
        health=Health(startup=check, readiness=check, liveness=check),
        restart=FORGIVING,
    )
    return ClusterSpec(name="bench", workers=workers, services={WEB: service})


def sleepers(count: int, workers: int = 3) -> ClusterSpec:
    """Programs that do nothing, unchecked."""
    service = ServiceSpec(name=WEB, command=("sleep", "infinity"), replicas=count)
    return ClusterSpec(name="bench", workers=workers, services={WEB: service})


def exposed_port(spec: ClusterSpec) -> int:
    """Where the balancer listens for the servers of ``web(..., exposed=True)``."""
    expose = spec.services[WEB].expose
    assert expose is not None
    return expose.port


def events_of(fleet: Fleet, since: float = 0.0) -> Iterator[Event]:
    """What all workers noted from a wall-clock time on (s)."""
    paths = [fleet.layout.events(worker) for worker in fleet.workers]
    return (event for event in read_events(paths) if event.time >= since)


def agreed_leader(fleet: Fleet) -> WorkerName:
    """Who leads, once the whole fleet is well and all say the same."""
    found: set[WorkerName | None] = set()

    def agreed() -> bool:
        found.clear()
        found.update(status.leader for status in fleet.statuses())
        return len(found) == 1 and None not in found and fleet.is_ready()

    fleet.wait_until(agreed)
    (leader,) = found
    assert leader is not None
    return leader


def a_follower(fleet: Fleet, number: int = 0) -> WorkerName:
    """One of those that do not lead, in turns by number."""
    leader = agreed_leader(fleet)
    others = [worker for worker in fleet.workers if worker != leader]
    return others[number % len(others)]
