"""``interrex scale``."""

from typing import Annotated

from cyclopts import Parameter

from interrex.cli.changes import asked_spec, running_status, submit
from interrex.cli.exits import CommandError, Exit
from interrex.cli.names import unknown
from interrex.cli.places import ClusterOption, StateOption, find_cluster
from interrex.cli.values import whole_number
from interrex.core.ids import BALANCER, ServiceName
from interrex.core.spec import ClusterSpec
from interrex.core.state import Scale

MOST_REPLICAS = 10_000


def scale(
    service: str,
    replicas: Annotated[int, Parameter(name="N", converter=whole_number)],
    /,
    *,
    state: StateOption = None,
    cluster: ClusterOption = None,
) -> int:
    """Change how many replicas a service has, until its file is applied again.

    Surplus replicas drain before they are stopped.

    Example: interrex scale web 5

    Args:
        service: Which service.
        replicas: How many; 0 stops it.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
        cluster: Which cluster; by default the only one, or the only one that runs.
    """
    if not 0 <= replicas <= MOST_REPLICAS:
        raise CommandError(
            f"{replicas} replicas cannot be asked for\nsay a number from 0 to {MOST_REPLICAS}",
            Exit.USAGE,
        )
    layout = find_cluster(state, cluster)
    status = running_status(layout)
    name = ServiceName(service)
    if name == BALANCER:
        raise CommandError(
            "the balancer's processes are not scaled by hand\n"
            "set balancer.processes in the cluster file, and apply it",
            Exit.USAGE,
        )
    asked = asked_spec(layout, status)
    if name not in asked.spec.services:
        raise unknown("service", service, asked.spec.services)
    before = asked.spec.services[name].replicas
    if before == replicas and asked.proved:
        print(f"{name} has {replicas} already")
        return Exit.OK
    _check_ports(asked.spec, name, replicas)
    index = submit(layout, status, [Scale(name, replicas)])
    print(f"{name}: {before} -> {replicas} replicas (change {index})")
    return Exit.OK


def _check_ports(spec: ClusterSpec, name: ServiceName, replicas: int) -> None:
    """The same rule as for a file: each replica needs a port of its own."""
    others = sum(one.replicas for other, one in spec.services.items() if other != name)
    first, last = spec.ports
    if others + replicas > last - first + 1:
        raise CommandError(
            f"{others + replicas} replicas need a port each, but {first} to {last} are only "
            f"{last - first + 1}\nwiden cluster.ports in the file, and apply it",
            Exit.USAGE,
        )
