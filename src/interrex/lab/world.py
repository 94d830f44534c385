"""All processes of a trial, on one machine, and what can be done to them.

As in a fleet on one machine, a death is proved to the others (``Conditions.proof``), and whoever is
connected with whom learns of closed connections. A cut lets nothing through and says nothing.
"""

from collections.abc import Callable, Iterable

import msgspec

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.core.time import MS, US
from interrex.elections.catalogue import Algorithm, Setting
from interrex.elections.guarantees import Guarantees
from interrex.elections.interface import Election, LeaderChanged, Noticed, Told
from interrex.lab.process import MACHINE, SERVICE, Process
from interrex.lab.record import Incident, Mail, Record, Turn
from interrex.simulator.agenda import Agenda
from interrex.simulator.chance import Chance
from interrex.simulator.clock import Clock
from interrex.simulator.coordination.ensemble import Ensemble
from interrex.simulator.coordination.registry import new_ensemble
from interrex.simulator.coordination.ways import Way
from interrex.simulator.disk import Disk
from interrex.simulator.network import Network
from interrex.simulator.plan import Conditions, CoordinationConditions

CONNECTED_BY = 20 * MS
"""When (simulated ns) the elections begin: all are connected by then."""
PROOF = 300 * US
"""How long after a death the others have it proved to them, on average."""
CONDITIONS = Conditions(near=100 * US, sync=500 * US, proof=PROOF)
SERVICES = CoordinationConditions()
"""Of a coordination service: farther away than the processes are from each other."""


def names(nodes: int) -> tuple[WorkerName, ...]:
    """``w1`` to ``w5``, or ``w01`` to ``w12``: they sort as their numbers do."""
    digits = len(str(nodes))
    return tuple(WorkerName(f"w{number:0{digits}}") for number in range(1, nodes + 1))


class World:
    """Everything of one trial.

    Args:
        algorithm: what all processes run.
        nodes: how many there are.
        seed: of all chance: the order on rings, who is how far from whom, latencies, time-outs.
        loss: so many messages in a thousand are lost on their way between processes.
        missing: who never starts.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        nodes: int,
        seed: int,
        loss: int = 0,
        missing: Iterable[WorkerName] = (),
    ) -> None:
        chance = Chance(seed)
        self.algorithm = algorithm
        self.agenda = Agenda()
        self.record = Record()
        self.members = {name: number for number, name in enumerate(names(nodes), start=1)}
        self.circle = tuple(chance.fork().shuffled(list(self.members)))
        self.chance = chance.fork()
        """For faults."""
        self._cores, disks = chance.fork(), chance.fork()
        conditions = msgspec.structs.replace(CONDITIONS, datagrams=loss > 0, loss=loss)
        self.network = Network(self.agenda, chance.fork(), conditions)
        self.service = self._new_service(chance.fork())
        """The coordination service, where the election rests on one."""
        self._service_depth = 0
        self._clock = Clock(0)
        self._lives = 0
        self.processes: dict[WorkerName, Process] = {}
        """The living ones."""
        self.together = frozenset(self.members)
        """Who has to agree."""
        self.guarantees: Guarantees
        """What the cores promise, once they have begun."""
        self.agreed_at: int | None = None
        """When (simulated ns) all of those first named one leader, who is among them and leads."""
        self._disks: dict[WorkerName, Disk] = {}
        for name in self.members:
            self.network.welcome(name, MACHINE)
            self._disks[name] = Disk(self.agenda, disks.fork(), CONDITIONS.sync, lambda *_: None)
        for name in self.members:
            if name not in missing:
                self._new_process(name)
        self.agenda.at(CONNECTED_BY, self._begin_all)

    def _new_service(self, chance: Chance) -> Ensemble | None:
        spec = self.algorithm.service
        if spec is None:
            return None
        return new_ensemble(spec, self.agenda, chance, SERVICES, lambda _: None)

    def ways_to_service(self, workers: Iterable[WorkerName]) -> list[Way]:
        """Between these and the coordination service; none where there is none."""
        if self.service is None:
            return []
        return [way for worker in workers for way in self.service.ways_of(worker)]

    # Processes

    def _new_process(self, name: WorkerName) -> Process:
        self._lives += 1
        process = self.processes[name] = Process(
            self,
            name,
            self._lives,
            self.members[name],
            self.algorithm.neighbours(self.circle, name),
            self.network,
            self._disks[name],
        )
        self.network.began(process)
        return process

    def _begin_all(self) -> None:
        self.begin_record()
        for process in list(self.processes.values()):
            self._begin(process)

    def _begin(self, process: Process) -> None:
        stored = process.disk.open(process)
        ensure(stored is not None, "no disk of the lab is ever lost")
        setting = Setting(
            worker=process.worker,
            members=self.members,
            circle=self.circle,
            stored=stored or Stored(),
            random=self._cores.fork(),
        )
        core = self.algorithm.new(setting)
        self.guarantees = core.guarantees
        if self.service is not None:
            process.client = self.service.client(process)
        process.begin(core)

    def start(self, name: WorkerName) -> None:
        """A process that was killed begins anew, with what its disk holds."""
        self.happened((name,), "started")
        self._begin(self._new_process(name))

    def kill(self, name: WorkerName) -> None:
        """SIGKILL."""
        process = self.processes.pop(name)
        process.alive = False
        process.disk.process_died()
        if process.client is not None:
            process.client.end(silently=False, closes=False)
        self.network.ended(process, silently=False)
        self._rests(name, "killed")
        for other in self.processes.values():
            delay = 1 + self.chance.exponential(PROOF)
            self.agenda.after(delay, self.network.proved_dead, other, process)

    def stop(self, name: WorkerName) -> None:
        """SIGSTOP."""
        self.processes[name].stop()
        self._rests(name, "stopped")

    def go_on(self, name: WorkerName) -> None:
        """SIGCONT."""
        self.happened((name,), "goes on")
        self.processes[name].go_on()

    def _rests(self, name: WorkerName, why: str) -> None:
        self.happened((name,), why)
        self.record.lead(self.agenda.now, name, leads=False)

    def happened(self, workers: tuple[WorkerName, ...], text: str) -> None:
        """Something befalls these."""
        self.record.incidents.append(Incident(self.agenda.now, workers, text))

    # What processes ask and tell

    def now(self) -> int:
        """What the machine's clock shows (ns)."""
        return self._clock.read(self.agenda.now)

    def ring_at(self, local: int, action: Callable[[int], None], timer: int) -> None:
        """Call when the machine's clock shows this."""
        self.agenda.at(max(self._clock.when(local), self.agenda.now), action, timer)

    def sent(self, process: Process, to: WorkerName, content: bytes | msgspec.Struct) -> int:
        """A message is on its way. Returns its number."""
        mail = Mail(process.worker, to, content, self.agenda.now, process.depth + 1)
        return self.record.sent(mail)

    def arrived(self, number: int) -> int:
        """A message has arrived. Returns its depth."""
        return self.record.arrived(number, self.agenda.now)

    def told(self, process: Process, number: int, told: Told) -> int:
        """The service's answer to a question has come. Returns its depth.

        When the question came to the service is not seen from outside: half-way.
        """
        now, question = self.agenda.now, self.record.find(number)
        if question is None:
            return self._said(process, told.answer, now, 0)
        middle = (question.sent + now) // 2
        question.arrived = middle
        self._service_depth = max(self._service_depth, question.depth)
        return self._said(process, told.answer, middle, question.depth)

    def noticed(self, process: Process, noticed: Noticed) -> int:
        """The service's client says something by itself. Returns its depth."""
        sent = max(self.record.began, self.agenda.now - SERVICES.near)
        return self._said(process, noticed.news, sent, self._service_depth)

    def _said(self, process: Process, content: msgspec.Struct, sent: int, after: int) -> int:
        mail = Mail(SERVICE, process.worker, content, sent, after + 1, self.agenda.now)
        self.record.sent(mail)
        return mail.depth

    def turned(self, process: Process, change: LeaderChanged) -> None:
        """A process names another leader."""
        self.record.turns.append(
            Turn(self.agenda.now, process.worker, change.leader, change.epoch, change.reason)
        )

    def stepped(self, process: Process, core: Election) -> None:
        """A core has taken an event."""
        self.record.lead(self.agenda.now, process.worker, core.leading)
        if self.agreed_at is None and self._agree():
            self.agreed_at = self.agenda.now

    # Looking

    def begin_record(self) -> None:
        """What counts begins now, and with it the question who agrees."""
        self.record.begin(self.agenda.now)
        self.agreed_at = None
        self._service_depth = 0
        for process in self.processes.values():
            process.depth = 0

    def look(self, together: Iterable[WorkerName]) -> None:
        """From now on, these have to agree; perhaps they do."""
        self.together = frozenset(together)
        self.agreed_at = self.agenda.now if self._agree() else None

    def _agree(self) -> bool:
        leaders = self.record.leaders & self.together
        return len(leaders) == 1 and self.named_by(self.together) == leaders

    def named_by(self, workers: Iterable[WorkerName]) -> set[WorkerName | None]:
        """Whom these name as their leader; None for those who name nobody, or do not run."""
        return {self._named_by(self.processes.get(name)) for name in workers}

    def _named_by(self, process: Process | None) -> WorkerName | None:
        if process is None or process.core is None or process.stops:
            return None
        return process.core.leader
