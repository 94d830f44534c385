"""Which worker gets a slot, and which port: spread over hosts first, then over workers.

All functions look at the state and the fleet only and return the operations that bring the
placements nearer to what is asked for; each is right on its own, so they may be applied in any
number of steps and by successive leaders.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count, islice

import msgspec

from interrex.core.ids import (
    BALANCER,
    HostName,
    ServiceName,
    SlotName,
    WorkerName,
    number_of,
    service_of,
    slot_name,
)
from interrex.core.replicas import ReplicaState
from interrex.core.spec import hosts_of
from interrex.core.state import (
    BarPort,
    ClusterState,
    Evict,
    Operation,
    Place,
    Placement,
    Retire,
    port_of,
    ports_in_use,
    slots_of,
    workers_of,
)
from interrex.core.time import S
from interrex.orchestration.fleet import Fleet

SETTLED = 5 * S
"""A worker gets slots of others for balance only when connected for this long (ns)."""


class Loads:
    """How many wanted slots a worker has, and a service has on a worker or a host."""

    def __init__(self, placements: Iterable[Placement]) -> None:
        self.of: defaultdict[WorkerName, int] = defaultdict(int)
        self.on_worker: defaultdict[tuple[ServiceName, WorkerName], int] = defaultdict(int)
        self.on_host: defaultdict[tuple[ServiceName, HostName], int] = defaultdict(int)
        for placement in placements:
            self.add(placement)

    def add(self, placement: Placement, by: int = 1) -> None:
        if placement.wanted:
            service, worker = service_of(placement.slot), placement.worker
            self.of[worker] += by
            self.on_worker[service, worker] += by
            self.on_host[service, placement.host] += by

    def remove(self, placement: Placement | None) -> None:
        if placement is not None:
            self.add(placement, by=-1)


class Placer:
    """One pass of placing: knows the loads as they will be after the operations so far."""

    def __init__(
        self, state: ClusterState, fleet: Fleet, bad_ports: set[tuple[HostName, int]], now: int
    ) -> None:
        self._state = state
        self._fleet = fleet
        self._now = now
        self._timing = state.spec.timing
        self._asked_for = workers_of(state.spec)
        self._hosts = {host.name for host in hosts_of(state.spec)}
        self._leaving: set[ServiceName] = set()
        self._ports: dict[HostName, set[int]] = {}
        """Those in use on each host where one was looked for."""
        self._bad_ports = bad_ports
        self._barred = {(barred.host, barred.port): barred.service for barred in state.barred}
        self._placements = dict(state.placements)
        self._balancers = dict(self._balancer_slots())
        self._loads = Loads(state.placements.values())

    def operations(self) -> list[Operation]:
        """What to change now; empty when the placements are as asked for."""
        found: list[Operation] = []
        for operation in self._all():
            if isinstance(operation, Place):
                self._loads.remove(self._placements.get(operation.placement.slot))
                self._placements[operation.placement.slot] = operation.placement
                self._loads.add(operation.placement)
            found.append(operation)
        return found

    def _all(self) -> Iterator[Operation]:
        yield from self._surplus()
        yield from self._from_lost_workers()
        yield from self._from_taken_ports()
        if not self._expecting():
            yield from self._missing_balancers()
            yield from self._missing()
        if self._calm():
            yield from self._uneven()

    def _surplus(self) -> Iterator[Operation]:
        for slot, placement in self._state.placements.items():
            if not placement.wanted or service_of(slot) == BALANCER:
                continue
            if not self._is_asked_for(slot):
                yield Retire(slot)
        yield from self._surplus_balancers()

    def _is_asked_for(self, slot: SlotName) -> bool:
        service = self._state.services.get(service_of(slot))
        return service is not None and number_of(slot) < service.spec.replicas

    def _surplus_balancers(self) -> Iterator[Operation]:
        for placement in slots_of(self._state, BALANCER):
            if placement.wanted and self._balancers.get(placement.slot) != placement.host:
                yield Retire(placement.slot)

    def _from_lost_workers(self) -> Iterator[Operation]:
        for placement in list(self._placements.values()):
            asked_for = placement.worker in self._asked_for
            if asked_for and self._fleet.is_present(placement.worker, self._timing, self._now):
                continue
            neighbours = self._candidates(placement.host)
            if neighbours:
                worker = self._least_loaded(placement.slot, neighbours)
                if worker != placement.worker:
                    yield Place(msgspec.structs.replace(placement, worker=worker))
            elif self._fleet.host_is_lost(placement.host, self._timing, self._now):
                yield from self._off_a_lost_host(placement)
            elif placement.host not in self._hosts and self._may_leave(placement):
                yield Retire(placement.slot)

    def _may_leave(self, placement: Placement) -> bool:
        """Whether a slot's turn has come to leave a host that the file names no more: it is stopped
        as one that is scaled away, and placed anew where there are hosts. One of a service at a
        time, while all the others serve."""
        service = service_of(placement.slot)
        if service == BALANCER or not placement.wanted or service in self._leaving:
            return False
        others = [one for one in slots_of(self._state, service) if one.slot != placement.slot]
        complete = len(others) + 1 >= self._state.services[service].spec.replicas
        if not complete or not all(one.wanted and self._serves(one) for one in others):
            return False
        self._leaving.add(service)
        return True

    def _serves(self, placement: Placement) -> bool:
        report = self._fleet.replica(placement.slot, placement.worker)
        return report is not None and report.state is ReplicaState.READY

    def _off_a_lost_host(self, placement: Placement) -> Iterator[Operation]:
        """To another host, also one that was to be stopped there: nobody can say that it was. From
        a host that the file names no more goes whatever it had: it may never come back, and its
        workers are to vote no more."""
        moves = service_of(placement.slot) != BALANCER and self._is_asked_for(placement.slot)
        worker = self._choose(placement.slot, exclude=placement.host) if moves else None
        fresh = None if worker is None else self._fresh(placement.slot, worker)
        if fresh is not None or placement.host not in self._hosts:
            yield Evict(placement.slot)
        if fresh is not None:
            yield Place(fresh)

    def _from_taken_ports(self) -> Iterator[Operation]:
        """Where no other port is free it stays: its worker tries again, the stranger may go."""
        for placement in list(self._placements.values()):
            if (placement.host, placement.port) in self._bad_ports:
                port = self._free_port(placement.host, service_of(placement.slot))
                if port is not None:
                    yield BarPort(port_of(placement))
                    yield Place(msgspec.structs.replace(placement, port=port))

    def _missing(self) -> Iterator[Operation]:
        """New slots."""
        for name, service in sorted(self._state.services.items()):
            if name == BALANCER:
                continue
            for number in range(service.spec.replicas):
                slot = slot_name(name, number)
                worker = None if slot in self._placements else self._choose(slot)
                fresh = None if worker is None else self._fresh(slot, worker)
                if fresh is not None:
                    yield Place(fresh)

    def _expecting(self) -> bool:
        """Whether somebody is to come first, so that new slots are spread well."""
        return any(
            worker in self._fleet.workers
            and not self._fleet.workers[worker].connected
            and self._fleet.is_present(worker, self._timing, self._now)
            for worker in self._asked_for
        )

    def _missing_balancers(self) -> Iterator[Operation]:
        for slot, host in self._balancers.items():
            candidates = self._candidates(host) if slot not in self._placements else ()
            fresh = self._fresh(slot, self._least_loaded(slot, candidates)) if candidates else None
            if fresh is not None:
                yield Place(fresh)

    def _balancer_slots(self) -> Iterator[tuple[SlotName, HostName]]:
        """Each host's balancers. Those that it has are its own, whatever hosts come and go."""
        balancer = self._state.services.get(BALANCER)
        if balancer is None or not balancer.spec.replicas:
            return  # nothing is exposed; it is kept until its last process is stopped
        processes = self._state.spec.balancer.processes
        there = slots_of(self._state, BALANCER)
        taken = {placement.slot for placement in (*there, *self._state.evicted)}
        free = (slot for number in count() if (slot := slot_name(BALANCER, number)) not in taken)
        for host in hosts_of(self._state.spec):
            own = [placement.slot for placement in there if placement.host == host.name]
            for slot in [*own[:processes], *islice(free, max(0, processes - len(own)))]:
                yield slot, host.name

    def _uneven(self) -> Iterator[Operation]:
        """One slot from the fullest to the emptiest worker of a host: adoption, not a restart."""
        for host in sorted(set(self._state.workers.values())):
            workers = [
                worker
                for worker in self._candidates(host)
                if self._now - self._fleet.workers[worker].since >= SETTLED
            ]
            if len(workers) < 2:
                continue
            loads, on_worker = self._loads.of, self._loads.on_worker
            fullest = max(workers, key=lambda worker: (loads[worker], worker))
            emptiest = min(workers, key=lambda worker: (loads[worker], worker))
            if loads[fullest] - loads[emptiest] >= 2:
                movable = [p for p in self._placements.values() if p.worker == fullest]
                moved = max(
                    movable,
                    key=lambda p: (
                        on_worker[service_of(p.slot), fullest]
                        - on_worker[service_of(p.slot), emptiest],
                        p.slot,
                    ),
                )
                yield Place(msgspec.structs.replace(moved, worker=emptiest))

    def _calm(self) -> bool:
        """Whether nothing is being moved, stopped or replaced: only then is balance improved."""
        return all(
            placement.wanted
            and placement.generation == placement.target
            and placement == self._state.placements.get(placement.slot)
            for placement in self._placements.values()
        )

    def _choose(self, slot: SlotName, exclude: HostName | None = None) -> WorkerName | None:
        """The worker for a new slot: every host that can take it is considered."""
        shunned = {placement.host for placement in self._state.evicted if placement.slot == slot}
        candidates = [
            worker
            for worker in self._candidates(None)
            if (host := self._state.workers[worker]) != exclude and host not in shunned
        ]
        return self._least_loaded(slot, candidates) if candidates else None

    def _candidates(self, host: HostName | None) -> list[WorkerName]:
        """Connected workers that the file asks for and that are not about to leave."""
        return [
            worker
            for worker in self._fleet.connected(host)
            if worker in self._asked_for and not self._is_leaving(worker)
        ]

    def _is_leaving(self, worker: WorkerName) -> bool:
        report = self._fleet.workers[worker].report
        return report is not None and report.leaving

    def _least_loaded(self, slot: SlotName, candidates: Iterable[WorkerName]) -> WorkerName:
        service = service_of(slot)
        return min(
            candidates,
            key=lambda worker: (
                self._loads.on_host[service, self._state.workers[worker]],
                self._loads.on_worker[service, worker],
                self._loads.of[worker],
                worker,
            ),
        )

    def _fresh(self, slot: SlotName, worker: WorkerName) -> Placement | None:
        """A slot's first placement on a worker; None while its host has no port for it."""
        service = self._state.services[service_of(slot)]
        host = self._state.workers[worker]
        port = 0 if service_of(slot) == BALANCER else self._free_port(host, service_of(slot))
        if port is None:
            return None
        return Placement(slot, worker, host, port, service.generation, service.generation)

    def _free_port(self, host: HostName, service: ServiceName) -> int | None:
        """A port that no slot of the host has and no stranger was found on, None if there is
        none: two slots must never share one. Nor one to which a balancer may still send another
        service's requests."""
        if host not in self._ports:
            self._ports[host] = ports_in_use(self._state, host)
        used = self._ports[host]
        lowest, highest = self._state.spec.ports
        for port in range(lowest, highest + 1):
            if port in used or (host, port) in self._bad_ports:
                continue
            if self._barred.get((host, port), service) == service:
                used.add(port)
                return port
        return None
