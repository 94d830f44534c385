"""The built-in service whose replicas are the load balancer's processes."""

from interrex.core.ids import BALANCER
from interrex.core.spec import (
    Check,
    CheckKind,
    ClusterSpec,
    Health,
    Restart,
    ServiceSpec,
    hosts_of,
)

_CHECK = Check(kind=CheckKind.ADMIN, interval=0.5, timeout=0.75, rise=1, fall=2)


def balancer_service(spec: ClusterSpec) -> ServiceSpec | None:
    """What the orchestrator places and supervises as ``balancer.N``; None if nothing is exposed.

    Its ``command`` only names the program, so that a change of it replaces the processes one at a
    time; the runtime makes the real command line. Everything else is a change of routes, which a
    running balancer takes over.
    """
    if all(service.expose is None for service in spec.services.values()):
        return None
    return ServiceSpec(
        name=BALANCER,
        command=(spec.balancer.binary or "haproxy",),
        replicas=spec.balancer.processes * len(hosts_of(spec)),
        stop_signal="SIGUSR1",
        stop_timeout=5.0,
        health=Health(startup=_CHECK, liveness=_CHECK, start_timeout=10.0),
        restart=Restart(base_delay=0.1, max_delay=5.0, reset_after=10.0),
    )
