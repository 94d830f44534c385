"""Who uses a cluster: changes and reads at its workers, requests to its services."""

from typing import TYPE_CHECKING, Protocol

from interrex.core.ids import BALANCER, ChangeId, HostName, ServiceName, SlotName, WorkerName
from interrex.core.routes import Endpoint
from interrex.core.state import Operation, Restart, Scale
from interrex.simulator.balancer import (
    BAD_ANSWER,
    HUNG_REPLICA,
    NO_BALANCER,
    NONE_ANSWERS,
    NONE_HEALTHY,
    NOT_ROUTED,
    RETRIES,
    WRONG_SERVICE,
)
from interrex.simulator.observation import Answered, Asked, RequestServed
from interrex.simulator.replica import Process
from interrex.worker.interface import (
    Answer,
    ChangeAsked,
    HandOverAsked,
    LeaveAsked,
    ReadAsked,
    WorkerEvent,
)

if TYPE_CHECKING:
    from interrex.simulator.chance import Chance
    from interrex.simulator.world import World

CLIENTS = 3
MOST_REPLICAS = 12
CUT_OFF = "the worker's process ended before it answered"


class Asker(Protocol):
    """Whose process a client asks."""

    worker: WorkerName
    life: int

    def post(self, event: WorkerEvent) -> None: ...


class _Open:
    """A request that has no answer yet."""

    __slots__ = ("asked", "life")

    def __init__(self, asked: Asked, life: int) -> None:
        self.asked = asked
        self.life = life


class Clients:
    """All clients of a world. Each asks again when it has its answer, or after a while."""

    def __init__(self, world: "World", chance: "Chance") -> None:
        self._world = world
        self._chance = chance
        self._requests = 0
        self._changes = 0
        self._open: dict[int, _Open] = {}
        self.busy = True
        self.rests = 0
        """Why nobody asks a worker for anything just now. Each reason counts once."""
        self.served = 0
        self.refused: dict[str, int] = {}

    def start(self) -> None:
        conditions = self._world.conditions
        if conditions.asks_every:
            for client in range(CLIENTS):
                self._later(conditions.asks_every * CLIENTS, self._turn, client)
        if conditions.calls_every:
            self._later(conditions.calls_every, self._call)

    def _later(self, mean: int, action: object, *arguments: object) -> None:
        assert callable(action)
        self._world.agenda.after(1 + self._chance.exponential(mean), action, *arguments)

    # Workers

    def _turn(self, client: int) -> None:
        """Ask some worker for something, unless an answer is awaited or the users rest."""
        if self.busy:
            if not self.rests:
                self._ask_something(client)
            self._later(self._world.conditions.asks_every * CLIENTS, self._turn, client)

    def _ask_something(self, client: int) -> None:
        node = self._anybody()
        if node is None:
            return
        drawn = self._chance.below(20)
        if drawn < 13:
            self.read(client, node)
        elif drawn < 19:
            self.change(client, node, self._some_change())
        else:
            self.hand_over(client, node)

    def _anybody(self) -> Asker | None:
        running = self._world.running()
        return self._chance.pick(running) if running else None

    def _some_change(self) -> tuple[Operation, ...]:
        services = sorted(self._world.spec.services)
        service = self._chance.pick(services)
        if self._chance.one_in(3):
            slot = SlotName(f"{service}.{self._chance.below(3)}")
            return (Restart(service, slot if self._chance.one_in(2) else None),)
        declared = self._world.spec.services[service].replicas
        most = min(MOST_REPLICAS, declared + 2)
        return (Scale(service, self._chance.between(max(1, declared - 1), most)),)

    def read(self, client: int, node: Asker) -> None:
        """Ask for what is certainly current."""
        asked = self._ask(client, node, None, ())
        node.post(ReadAsked(asked.request))

    def change(self, client: int, node: Asker, operations: tuple[Operation, ...]) -> None:
        """Ask for a change."""
        self._changes += 1
        change = ChangeId(f"user-{client}-{self._changes}")
        asked = self._ask(client, node, change, operations)
        node.post(ChangeAsked(asked.request, change, operations))

    def hand_over(self, client: int, node: Asker, successor: WorkerName | None = None) -> None:
        """Ask for another leader."""
        self._requests += 1
        node.post(HandOverAsked(self._requests, successor))

    def leave(self, node: Asker) -> None:
        """Ask a worker to stop all that it supervises, and to end."""
        self._requests += 1
        node.post(LeaveAsked(self._requests))

    def _ask(
        self, client: int, node: Asker, change: ChangeId | None, operations: tuple[Operation, ...]
    ) -> Asked:
        self._requests += 1
        asked = Asked(client, self._requests, node.worker, change, operations)
        self._open[self._requests] = _Open(asked, node.life)
        self._world.tell(asked)
        return asked

    def answered(self, node: Asker, answer: Answer) -> None:
        """A worker answers."""
        request = self._open.pop(answer.request, None)
        if request is not None:
            asked = request.asked
            index = answer.index if answer.ok else None
            self._world.tell(
                Answered(asked.client, asked.request, node.worker, answer.ok, answer.text, index)
            )

    def cut_off(self, node: Asker) -> None:
        """A worker's process is gone: nobody knows what became of what it was asked."""
        for number in [n for n, request in self._open.items() if request.life == node.life]:
            asked = self._open.pop(number).asked
            self._world.tell(
                Answered(asked.client, asked.request, node.worker, False, CUT_OFF, None)
            )

    # Services

    def _call(self) -> None:
        """Send one request to each exposed service, by some machine's balancers."""
        world = self._world
        machines = [machine for machine in world.machines.values() if machine.on]
        if machines:
            host = self._chance.pick(machines).name
            for service, spec in world.spec.services.items():
                if spec.expose is not None and service != BALANCER:
                    reason = self.request(host, service)
                    if reason:
                        self.refused[reason] = self.refused.get(reason, 0) + 1
                    else:
                        self.served += 1
                    world.tell(RequestServed(service, not reason, reason))
        self._later(world.conditions.calls_every, self._call)

    def request(self, host: HostName, service: ServiceName) -> str:
        """Send one request that may be retried.

        Returns:
            Empty where it was answered well, else why not.
        """
        balancers = self._world.machines[host].balancers()
        if not balancers:
            return NO_BALANCER
        attempts = self._chance.pick(balancers).attempts(service)
        reason = NONE_ANSWERS if attempts else NOT_ROUTED
        for endpoint in attempts[: RETRIES + 1]:
            process = self._listener(host, endpoint)
            if process is None or not process.alive:
                continue
            now = self._world.agenda.now
            if process.hung:
                reason = HUNG_REPLICA
            elif not process.is_healthy(now):
                complaint = process.complaint(now)
                if complaint.startswith("connecting"):
                    continue
                reason = BAD_ANSWER
            else:
                return "" if process.service == service else WRONG_SERVICE
            break
        return reason if self._any_healthy(service) else NONE_HEALTHY

    def _listener(self, seen_from: HostName, endpoint: Endpoint) -> Process | None:
        """Who listens where a balancer sends."""
        machine = self._world.machine_at(endpoint.address, seen_from)
        found = machine.ports.get(endpoint.port) if machine is not None and machine.on else None
        return found if isinstance(found, Process) else None

    def _any_healthy(self, service: ServiceName) -> bool:
        now = self._world.agenda.now
        return any(
            process.service == service and process.is_healthy(now)
            for machine in self._world.machines.values()
            for process in machine.processes.values()
        )
