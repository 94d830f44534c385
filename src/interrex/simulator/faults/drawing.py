"""Drawing a plan from a seed: the cluster's shape, its conditions, and its faults."""

from collections.abc import Collection

import msgspec

from interrex.core.ids import HostName, ServiceName
from interrex.core.spec import (
    BalancerSpec,
    Check,
    CheckKind,
    ClusterSpec,
    Expose,
    Health,
    HostSpec,
    Restart,
    ServiceSpec,
    Timing,
    hosts_of,
)
from interrex.core.state import workers_of
from interrex.core.time import MS, US, S, seconds
from interrex.elections.guarantees import guarantees_of
from interrex.simulator.chance import Chance
from interrex.simulator.faults.catalogue import FAMILIES, families_of
from interrex.simulator.faults.electing import draw_coordination, draw_election
from interrex.simulator.faults.kind import Kind, Scene
from interrex.simulator.plan import Conditions, Fault, FaultPlan

QUIET = 2 * S
"""How long (ns) a fleet is left alone to come up before the first fault."""

SHARE_OF_TIMEOUT = 16
"""A message usually takes at most this part of an election time-out."""


def usual_spec() -> ClusterSpec:
    """Three workers, nine replicas of two services, two balancers, on one machine."""
    return ClusterSpec(
        name="sim",
        services={
            ServiceName("web"): _service("web", 6, 8080),
            ServiceName("api"): _service("api", 3, 8081),
        },
    )


def _service(name: str, replicas: int, port: int | None) -> ServiceSpec:
    ready = Check(kind=CheckKind.HTTP, interval=1.0, timeout=1.0, rise=1, fall=2)
    lives = Check(kind=CheckKind.HTTP, interval=1.0, timeout=1.0, rise=1, fall=6)
    return ServiceSpec(
        name=ServiceName(name),
        command=(name, "{port}"),
        replicas=replicas,
        expose=Expose(port=port) if port is not None else None,
        stop_timeout=2.0,
        health=Health(startup=ready, liveness=lives, readiness=ready, start_timeout=10.0),
        restart=Restart(base_delay=0.2, max_delay=5.0, reset_after=10.0),
    )


def draw_plan(
    spec: ClusterSpec | None,
    seed: int,
    duration: int,
    faults: Collection[str],
    election: str = "",
) -> FaultPlan:
    """Everything that a seed stands for.

    Args:
        spec: the cluster; None: its shape is drawn.
        seed: what it is drawn from.
        duration: how long faults may begin (ns).
        faults: the names of the families to draw from.
        election: of a cluster that is drawn, by its name; empty: the usual one.
    """
    chance = Chance(seed)
    shape, weather, mischief = chance.fork(), chance.fork(), chance.fork()
    if spec is None:
        spec = _draw_spec(shape)
        if election:
            spec = draw_election(spec, election, chance.fork())
    conditions = _draw_conditions(weather, seconds(spec.timing.election_timeout))
    if guarantees_of(spec).coordinated:
        coordination = draw_coordination(chance.fork())
        conditions = msgspec.structs.replace(conditions, coordination=coordination)
    scene = Scene(
        chance=mischief,
        spec=spec,
        conditions=conditions,
        workers=tuple(workers_of(spec)),
        hosts=tuple(host.name for host in hosts_of(spec)),
        services=tuple(spec.services),
    )
    return FaultPlan(
        seed=seed,
        spec=spec,
        conditions=conditions,
        duration=duration,
        faults=_draw_faults(scene, duration, [n for n in families_of(spec) if n in faults]),
    )


def _draw_spec(chance: Chance) -> ClusterSpec:
    """The usual half of the time, else any shape of one to three machines, one to seven workers."""
    if chance.one_in(2):
        return usual_spec()
    services = {}
    for number, name in enumerate(("web", "api", "batch")[: chance.between(1, 3)]):
        port = 8080 + number if not chance.one_in(4) else None
        services[ServiceName(name)] = _service(name, chance.between(1, 6), port)
    hosts = chance.pick((0, 0, 1, 2, 3, 3))
    usual = Timing()
    timing = chance.pick(
        (
            Timing(heartbeat=0.02, election_timeout=0.08),
            usual,
            usual,
            Timing(heartbeat=0.1, election_timeout=0.4),
        )
    )
    processes = chance.between(1, 2)
    spec = ClusterSpec(
        name="sim",
        workers=chance.between(1, 7),
        hosts=_draw_hosts(chance, hosts),
        timing=timing,
        balancer=BalancerSpec(processes=processes),
        services=services,
    )
    if not hosts or chance.one_in(2):
        return spec
    soon = msgspec.structs.replace(timing, lost_host=3.0, respawn_grace=1.0)
    return msgspec.structs.replace(spec, timing=soon)


def _draw_hosts(chance: Chance, count: int) -> tuple[HostSpec, ...]:
    most = 7 // count if count else 0
    return tuple(
        HostSpec(
            name=HostName(f"host{number}"),
            address=f"10.0.0.{number}:7000",
            workers=chance.between(1, most),
        )
        for number in range(1, count + 1)
    )


def _draw_conditions(chance: Chance, timeout: int) -> Conditions:
    """Delays are far below the election's time-out, as its times must be chosen (thesis, 3.9)."""
    farthest = timeout // SHARE_OF_TIMEOUT
    return Conditions(
        datagrams=chance.one_in(3),
        loss=chance.below(301) if chance.one_in(2) else 0,
        doubled=chance.below(200),
        overtaken=chance.below(200),
        near=chance.scale(20 * US, farthest // 4),
        far=chance.scale(100 * US, farthest),
        sync=chance.scale(100 * US, 20 * MS),
        boot=chance.scale(20 * MS, 500 * MS),
        proof=chance.scale(100 * US, 5 * MS),
        asks_every=chance.scale(300 * MS, 5 * S),
        calls_every=chance.scale(50 * MS, 500 * MS),
        skew_ppm=chance.pick((0, 50, 1000, 20_000)),
        systemd=chance.one_in(2),
        compact_after=chance.scale(5, 500) if chance.one_in(2) else 0,
        cut_short=chance.below(1001),
    )


def _draw_faults(scene: Scene, duration: int, families: list[str]) -> tuple[Fault, ...]:
    """At intervals that are short in some runs and long in others."""
    chance = scene.chance
    if not families or duration <= QUIET:
        return ()
    mean = chance.scale(300 * MS, 5 * S)
    at = QUIET // 4 + chance.below(QUIET)
    faults: list[Fault] = []
    bag = [name for name in families for _ in range(FAMILIES[name].weight)]
    kinds = {name: FAMILIES[name].bag(scene.spec) for name in families}
    while at < duration:
        family = chance.pick(bag)
        faults.append(_draw_fault(scene, len(faults) + 1, at, family, chance.pick(kinds[family])))
        at += MS + chance.exponential(mean)
    return tuple(faults)


def _draw_fault(scene: Scene, number: int, at: int, family: str, kind: Kind) -> Fault:
    drawn = kind.draw(scene)
    return Fault(
        number=number,
        kind=family,
        name=kind.name,
        at=at,
        lasts=drawn.lasts,
        targets=drawn.targets,
        values=drawn.values,
        when=drawn.when,
    )
