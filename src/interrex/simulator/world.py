"""A simulated world: machines, disks, a network, users, and the workers' own cores among them.

It constructs the very ``Worker`` that ``runtime.node`` constructs, from the very same parts, and is
a second interpreter of its effects. What happens follows from the plan alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from interrex.core.ids import HostName, ServiceName, WorkerName
from interrex.core.journal import Note
from interrex.core.messages import Known
from interrex.core.routes import RouteTable
from interrex.core.spec import ClusterSpec, HostSpec, hosts_of
from interrex.core.state import ClusterState, genesis, workers_of
from interrex.core.storage import Record, Stored
from interrex.core.time import MS, S
from interrex.elections.guarantees import guarantees_of
from interrex.elections.registry import new_election
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.client import Clients
from interrex.simulator.clock import Clock
from interrex.simulator.coordination.registry import new_ensemble
from interrex.simulator.disk import Disk, DiskBroken
from interrex.simulator.faults.running import RunningFaults
from interrex.simulator.harm import Harm
from interrex.simulator.machine import Machine
from interrex.simulator.network import Network
from interrex.simulator.node import Node
from interrex.simulator.observation import (
    Cause,
    Checker,
    DiskWritten,
    Healed,
    Occurrence,
    Step,
    WorkerBegan,
    WorkerEnded,
)
from interrex.simulator.plan import FaultPlan
from interrex.simulator.replica import Habits
from interrex.worker.interface import Started, WorkerEffect, WorkerEvent
from interrex.worker.probation import Probation
from interrex.worker.status import is_ready, status_of
from interrex.worker.worker import Worker

if TYPE_CHECKING:
    from interrex.simulator.trace import Trace

AGAIN_AFTER = 500 * MS
"""How long (ns) a process waits before it begins again under a new identity."""
GUARD_LOOKS_EVERY = 500 * MS
"""How often (ns) systemd's unit looks whether a machine has any worker left."""
LATEST_FIRST_START = 20 * MS


class World:
    """Everything of one run.

    Args:
        plan: what happens.
        checkers: told of every step and occurrence, in order.
        trace: written to, where there is one.
    """

    def __init__(
        self, plan: FaultPlan, checkers: Sequence[Checker] = (), trace: "Trace | None" = None
    ) -> None:
        self.plan = plan
        self.spec = plan.spec
        self.conditions = plan.conditions
        self.agenda = Agenda()
        self.steps = 0
        """How many events cores have taken."""
        self.notes: list[tuple[int, WorkerName, Note]] = []
        self.nodes: dict[WorkerName, Node] = {}
        """The process of each worker that has one, starting or running."""
        self.disks: dict[WorkerName, Disk] = {}
        self.homes: dict[WorkerName, HostName] = {}
        self._habits: dict[ServiceName, Habits] = {}
        self._newest = genesis(plan.spec)
        """The newest state that any core has had: what an administrator knows."""
        self.boot = plan.conditions.boot
        """How long (ns) a worker's process takes to come up, about."""
        self.systemd = plan.conditions.systemd
        self._genesis_members = dict(enumerate(workers_of(plan.spec), start=1))
        self._identities: dict[WorkerName, int] = {}
        self._lives = 0
        self._birthmarks: dict[WorkerName, int] = {}
        """What was drawn for each worker's part of the cluster, and anew where it was replaced."""
        self._replaced = 0
        self._left: dict[WorkerName, None] = {}
        """Those whose last life ended as it was asked to."""
        self._trace = trace
        if trace is not None:
            trace.begin(plan.spec)
        self._watchers: list[Callable[[Step], None]] = [checker.step for checker in checkers]
        self._listeners = [checker.occurred for checker in checkers]
        chance = Chance(plan.seed)
        self._starts, self._disk_chance, self._core_chance, self._machine_chance = (
            chance.fork() for _ in range(4)
        )
        self.network = Network(self.agenda, chance.fork(), plan.conditions)
        self.clients = Clients(self, chance.fork())
        self.faults = RunningFaults(self, chance.fork())
        self.harm = Harm(self)
        self.gone: set[HostName] = set()
        """Those that never come back."""
        self.machines = {host.name: self._new_machine(host.name) for host in hosts_of(plan.spec)}
        self._addresses = {
            host.address.rpartition(":")[0]: host.name
            for host in hosts_of(plan.spec)
            if host.address
        }
        self.coordination = new_ensemble(
            plan.spec, self.agenda, chance.fork(), plan.conditions.coordination, self.tell
        )
        for member, worker in self._genesis_members.items():
            self._welcome(worker, workers_of(plan.spec)[worker], member)

    def habits_of(self, service: ServiceName) -> Habits:
        """How a service's processes behave."""
        if service not in self._habits:
            self._habits[service] = Habits()
        return self._habits[service]

    def identity_of(self, worker: WorkerName) -> int | None:
        """Under which member id a worker's log votes; None where nobody knows the worker."""
        return self._identities.get(worker)

    def _new_machine(self, name: HostName) -> Machine:
        chance = self._machine_chance
        skew = self.conditions.skew_ppm
        clock = Clock(self.agenda.now, chance.between(-skew, skew))
        return Machine(self.agenda, chance.fork(), name, clock, self.tell, self.habits_of)

    def _welcome(self, worker: WorkerName, host: HostName, member: int) -> None:
        """A worker's place exists from now on, with an empty disk."""

        def written(life: int, token: int, records: tuple[Record, ...]) -> None:
            self.tell(DiskWritten(worker, life, token, records))

        self.homes[worker] = host
        self._identities[worker] = member
        self._birthmarks[worker] = len(self._birthmarks) + 1
        self.disks[worker] = Disk(
            self.agenda, self._disk_chance.fork(), self.conditions.sync, written
        )
        self.disks[worker].unwritten = member in self._genesis_members
        self.network.welcome(worker, host)
        for other, home in self.homes.items():
            if not self.machines[home].on:  # as its other ways were cut when it was lost
                self.network.cut(worker, other)
                self.network.cut(other, worker)

    def start(self) -> None:
        """``interrex up``: start all workers, and let the plan begin."""
        for worker in self.homes:
            self.agenda.after(self._starts.below(LATEST_FIRST_START), self.start_worker, worker)
        self.clients.start()
        self.faults.start(self.plan.faults)
        self.agenda.after(GUARD_LOOKS_EVERY, self._guard)

    def run_for(self, duration: int) -> None:
        """Let time pass (ns)."""
        self.agenda.run_until(self.agenda.now + duration)

    def heal(self) -> None:
        """End all faults: from now on the fleet must come to what was asked of it."""
        self.faults.end_all()
        self.network.calm()
        self.clients.busy = False
        self.systemd = True
        self.tell(Healed())

    # Telling

    def tell(self, what: Occurrence) -> None:
        """Tell the checkers that something has happened."""
        at = self.agenda.now
        if self._trace is not None:
            self._trace.occurred(at, what)
        for listener in self._listeners:
            listener(at, what)

    def stepped(
        self,
        node: Node,
        core: Worker,
        event: WorkerEvent,
        effects: list[WorkerEffect],
        now: int,
        since: int,
    ) -> None:
        """Tell the checkers of a step, before its effects are performed."""
        self.steps += 1
        at = self.agenda.now
        step = Step(at, now, node.worker, node.life, event, effects, core, at - since)
        if self._trace is not None:
            self._trace.step(step)
        for watcher in self._watchers:
            watcher(step)

    def watch(self, watcher: Callable[[Step], None]) -> Callable[[], None]:
        """Tell a fault of every step, too, before its effects are performed. Returns what ends
        that."""

        def undo() -> None:
            self._watchers = [one for one in self._watchers if one is not watcher]

        self._watchers = [*self._watchers, watcher]
        return undo

    def knows(self, state: ClusterState) -> None:
        """A core's state names other workers than before."""
        if state.index > self._newest.index:
            self._newest = state

    def _newest_state(self) -> ClusterState:
        """That of a core that runs, or one that was remembered when none does."""
        known = [node.core.state for node in self.nodes.values() if node.core is not None]
        return max((self._newest, *known), key=lambda state: state.index)

    def noted(self, note: Note) -> None:
        """A worker's journal has one line more; the trace has it among the effects."""

    # Workers' processes

    def running(self) -> list[Node]:
        """The workers' processes that have read their log, by name."""
        return [node for _, node in sorted(self.nodes.items()) if node.core is not None]

    def leader(self) -> Node | None:
        """Who leads, confirmed; the newest where an older one has not noticed its end."""
        leading = [node for node in self.running() if node.core and node.core.election.leading]
        return max(leading, key=lambda node: node.core.epoch if node.core else 0, default=None)

    def start_worker(self, worker: WorkerName) -> None:
        self.launch(worker, self.homes[worker])

    def launch(self, worker: WorkerName, host: HostName) -> None:
        """Start a worker's process, unless its lock is held."""
        machine = self.machines[host]
        if not machine.on or worker in machine.worker_locks:
            return
        if worker not in self.disks:
            self._welcome(worker, host, self._new_member())
        self._new_life(worker, machine, machine.new_pid())

    def _new_life(self, worker: WorkerName, machine: Machine, pid: int) -> None:
        self._lives += 1
        self._left.pop(worker, None)
        machine.worker_locks[worker] = self._lives
        disk, chance = self.disks[worker], self._starts.fork()
        node = Node(self, worker, self._lives, pid, machine, disk, self.network, chance)
        self.nodes[worker] = node
        self.agenda.after(chance.spread(self.boot), self._begin, node)

    def _new_member(self) -> int:
        return self._starts.getrandbits(62) + (1 << 32)

    def _begin(self, node: Node) -> None:
        """Its log is read: the core is made, as ``runtime.node`` makes it."""
        if not node.alive:
            return
        if node.stops:
            self.agenda.after(10 * MS, self._begin, node)
            return
        worker = node.worker
        loss = node.disk.loss
        try:
            stored = node.disk.open(node)
        except DiskBroken as broken:
            self.end(node, Cause.OWN, str(broken))
            return
        if stored is None:
            stored = Stored()
            if not node.disk.unwritten:
                self.harm.lost(worker, loss)
                self._identities[worker] = self._new_member()
        member = node.member = self._identities[worker]
        first = self._genesis_members if member in self._genesis_members else None
        self.tell(WorkerBegan(worker, node.life, node.host, member, stored))
        random = self._core_chance.fork()
        compact_after = self.conditions.compact_after or None
        election = new_election(
            self.spec, worker, member, stored, first, random, compact_after=compact_after
        )
        node.core = Worker(
            worker,
            node.host,
            member,
            node.pid,
            genesis(self.spec),
            stored,
            election,
            random,
            node.machine.clock.read(self.agenda.now),
            self._probation(worker, first, stored),
            node.machine.known,
        )
        if self.coordination is not None:
            node.client = self.coordination.client(node)
        node.post(Started())
        if node.alive:  # it may have died within that step
            self.network.began(node)

    def _probation(
        self, worker: WorkerName, first: Mapping[int, WorkerName] | None, stored: Stored
    ) -> Probation | None:
        if guarantees_of(self.spec).coordinated or not self.spec.hosts:
            return None
        others = None if first is None else [name for name in first.values() if name != worker]
        return Probation(worker, self._birthmarks[worker], others, stored)

    def end(self, node: Node, cause: Cause, reason: str, again: bool = False) -> None:
        """A worker's process ends; ``again``: it begins anew by itself."""
        if not node.alive:
            return
        core, node.alive = node.core, False
        node.machine.let_go(node)
        if node.client is not None:
            node.client.end(silently=cause is Cause.MACHINE, closes=cause is Cause.OWN)
        if core is not None:
            node.disk.process_died()
            self.network.ended(node, silently=cause is Cause.MACHINE)
            self.clients.cut_off(node)
            self.tell(WorkerEnded(node.worker, node.life, cause, reason))
        if again:
            self.agenda.after(AGAIN_AFTER, self._begin_again, node)
            return
        self._forget_process(node)
        if cause is not Cause.MACHINE:
            self._prove_dead(node)
        if core is not None and core.election.leading:
            self.faults.happened("leader-ends")

    def _begin_again(self, node: Node) -> None:
        if self.nodes.get(node.worker) is node:
            self._new_life(node.worker, node.machine, node.pid)

    def _forget_process(self, node: Node) -> None:
        del self.nodes[node.worker]
        node.machine.worker_locks.pop(node.worker, None)
        node.machine.free_pid(node.pid)

    def _prove_dead(self, dead: Node) -> None:
        """The others of its machine are told by their pidfds."""
        for node in self.running():
            if node.host == dead.host:
                delay = 1 + self._starts.exponential(self.conditions.proof)
                self.agenda.after(delay, self.network.proved_dead, node, dead)

    def leave(self, node: Node, reason: str) -> None:
        """A worker's process ends as it was asked to."""
        self._left[node.worker] = None
        self.end(node, Cause.OWN, reason)

    def _guard(self) -> None:
        """systemd starts the workers of a machine that has none left. Where there is none somebody
        does so in the end, but not for those that have left a host as the file says."""
        if self.systemd:
            for machine in self.machines.values():
                if machine.on and not machine.worker_locks:
                    is_over = not (self.conditions.systemd or self.names(machine.name))
                    for worker in self._asked_for(machine.name):
                        if not (is_over and worker in self._left):
                            self.start_worker(worker)
        self.agenda.after(GUARD_LOOKS_EVERY, self._guard)

    def bring_down_who_know_nobody(self) -> None:
        """A user ends the workers that no newest file names and that know nobody it names: from
        a cluster that is down they cannot tell it, and nobody looks for them."""
        leader = self.leader()
        if leader is None or leader.core is None:
            return
        # who has just begun to lead has read nothing of its log yet
        states = (self._newest_state(), leader.core.state)
        named = {name for one in states for name in {**one.workers, **workers_of(one.spec)}}
        for node in self.running():
            if node.worker not in named and not any(map(node.knows, named)):
                self.leave(node, "its host was brought down")

    # Machines

    def lose_machine(self, host: HostName) -> None:
        """A machine is off at once, without a word to anybody."""
        machine = self.machines[host]
        for node in [node for node in self.nodes.values() if node.host == host]:
            if node.alive:
                self.end(node, Cause.MACHINE, f"{host} was lost")
            else:
                self._forget_process(node)
        machine.lose_power()
        for worker, home in self.homes.items():
            if home == host and self.disks[worker].power_lost():
                self._lost_what_it_promised(worker)
        self._cut_machine(host, self.network.cut)

    def _lost_what_it_promised(self, worker: WorkerName) -> None:
        if self.conditions.sound:
            self.disks[worker].damage = "the log ends before its mark"
            self.harm.harmed(worker)
        else:
            self.harm.lost(worker, "what was acknowledged is gone, unseen")

    def replace_machine(self, host: HostName) -> None:
        """It has empty disks, and its part of the cluster is made again from the newest file.

        Where that begins the cluster as it began, its workers are founders once more. Where it does
        not, whoever they call says how it began, and they join it.
        """
        self.lose_machine(host)
        machine, file = self.machines[host], self._newest_state().spec
        machine.lose_files()
        joins = file != self.spec
        if joins:
            machine.keep(Known(1, file.workers, file.hosts))
        for worker, home in self.homes.items():
            if home == host:
                self._replace_disk(worker, joins)

    def _replace_disk(self, worker: WorkerName, joins: bool) -> None:
        disk = self.disks[worker]
        disk.replace()
        self._replaced += 1
        self._birthmarks[worker] = -self._replaced
        for member, name in self._genesis_members.items():
            if name == worker:
                self._identities[worker] = member
        if joins:
            disk.disown()
        self.harm.lost(worker, "replaced by an empty disk")

    def set_clock(self, host: HostName, ppm: int) -> None:
        """Let a machine's boot-time clock run so many millionths faster than the world."""
        self.machines[host].clock.run_at(self.agenda.now, ppm)
        for node in list(self.nodes.values()):
            if node.host == host:
                node.clock_changed()

    def return_machine(self, host: HostName) -> None:
        """It is on again; systemd, or an administrator, starts its workers."""
        self.machines[host].start()
        self._cut_machine(host, self.network.mend)
        for worker in self._asked_for(host):
            self.agenda.after(self._starts.below(S), self.start_worker, worker)

    def _asked_for(self, host: HostName) -> list[WorkerName]:
        """A machine's workers by the newest file that was applied, and those that have not been
        dismissed yet."""
        newest = self._newest_state()
        asked_for = {**newest.workers, **workers_of(newest.spec)}
        return [worker for worker in self.homes if asked_for.get(worker) == host]

    def names(self, host: HostName) -> bool:
        """Whether the newest file names a host."""
        return host in workers_of(self._newest_state().spec).values()

    def departing(self) -> list[WorkerName]:
        """The workers that the newest file names no more: any moment now they vote no more."""
        newest = self._newest_state()
        asked_for = workers_of(newest.spec)
        return [worker for worker in newest.workers if worker not in asked_for]

    def is_left(self, host: HostName) -> bool:
        """Whether nothing runs on a host, and nobody is to: its folder can be removed."""
        machine = self.machines.get(host)
        if machine is None:
            return True
        runs = machine.processes or machine.worker_locks or self._asked_for(host)
        return machine.on and not runs

    def add_host(self, host: HostSpec, spec: ClusterSpec) -> None:
        """``interrex up FILE --host NEW``: its workers begin as ``runtime.joining`` lets them, with
        an empty folder."""
        if host.name not in self.machines:
            self.machines[host.name] = self._new_machine(host.name)
            self._addresses[host.address.rpartition(":")[0]] = host.name
        machine = self.machines[host.name]
        machine.lose_files()
        machine.keep(Known(1, spec.workers, spec.hosts))
        for worker, home in workers_of(spec).items():
            if home == host.name:
                if worker in self.disks:
                    self.disks[worker].disown()
                else:
                    self._welcome(worker, home, self._new_member())
                self.agenda.after(self._starts.below(S), self._launch_once_named, worker, home)

    def _launch_once_named(self, worker: WorkerName, home: HostName) -> None:
        """A file that nobody applied, as its change was lost, brings no host."""
        if worker in self._newest_state().workers:
            self.launch(worker, home)
        else:
            self.agenda.after(GUARD_LOOKS_EVERY, self._launch_once_named, worker, home)

    def _cut_machine(self, host: HostName, act: object) -> None:
        assert callable(act)
        for worker, home in self.homes.items():
            for other, its in self.homes.items():
                if worker != other and host in (home, its):
                    act(worker, other)

    def machine_at(self, address: str, seen_from: HostName) -> Machine | None:
        """The machine that a balancer reaches by an address."""
        return self.machines.get(self._addresses.get(address, seen_from))

    # Questions

    def unsettled(self) -> str:
        """What is not yet as it was asked for: empty where the fleet has converged."""
        leader = self.leader()
        if leader is None or leader.core is None:
            return "nobody leads"
        for worker, home in sorted(leader.core.state.workers.items()):
            if home in self.gone and worker not in workers_of(leader.core.state.spec):
                continue
            node = self.nodes.get(worker)
            core = node.core if node is not None else None
            if node is None or core is None:
                return f"{worker} does not run"
            if core.election.leader != leader.worker:
                return f"{worker} does not follow {leader.worker}"
            now = max(node.machine.clock.read(self.agenda.now), 0)
            status = status_of(core, now)
            if not is_ready(status):
                return f"{worker}: not everything is ready"
        state = leader.core.state
        for node in self.running():
            if node.worker not in state.workers:
                return f"{node.worker} is to leave"
        for placement in state.placements.values():
            if placement.generation != placement.target or not placement.wanted:
                return f"{placement.slot} is to be replaced"
        evicted = [placement for placement in state.evicted if placement.host not in self.gone]
        if evicted:
            return f"{len(evicted)} evicted replicas"
        return "" if self.gone else f"{len(state.barred)} barred ports" if state.barred else ""

    def tables(self) -> list[RouteTable]:
        """What each balancer process follows just now."""
        return [
            balancer.table for machine in self.machines.values() for balancer in machine.balancers()
        ]
