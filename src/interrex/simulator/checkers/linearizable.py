"""What clients are told is linearizable: writes and reads, through whichever worker they went."""

import msgspec

from interrex.core.ids import ChangeId, ServiceName, WorkerName
from interrex.core.state import ClusterState, Restart, Scale
from interrex.simulator.checkers.linearizability import Operation, Verdict, check, divided
from interrex.simulator.checkers.watch import Cores, Watch
from interrex.simulator.observation import Answered, Asked, Step
from interrex.worker.interface import Answer, Started

Register = tuple[int, int]
"""Of one service: how many replicas are asked for, and its generation."""
_READ = "read"


def log_model(state: int, input: object, output: object) -> int | None:
    """The whole state, known by the index that an operation was told.

    A write is behind everything before it; a read shows all writes up to its index and no other.
    """
    if not isinstance(output, int):
        return None
    if output > state or (input == _READ and output == state):
        return output
    return None


def register_model(state: Register, input: object, output: object) -> Register | None:
    """One service: a ``Scale`` sets its replicas, a ``Restart`` raises its generation by one."""
    replicas, generation = state
    if isinstance(input, Scale):
        return input.replicas, generation
    if isinstance(input, Restart):
        return replicas, generation + 1
    return state if output == state else None


class _Call(msgspec.Struct):
    at: int
    asked: Asked
    answer: int | None = None
    index: int | None = None


class Linearizable(Watch):
    """Believes what clients asked and were told.

    Twice: by index, as the answers say it; and by value, service by service, so that a change
    that was lost or applied twice is seen. The values that a read showed are those of the state
    of the worker that answered it. A change that was asked for again under its id is one write,
    from the first time it was asked for until the first good answer.
    """

    promise = "what clients are told is linearizable"

    def __init__(self) -> None:
        super().__init__()
        self.undecided = 0
        """How many objects' histories took too long to judge."""
        self._writes: dict[ChangeId, _Call] = {}
        self._reads: list[_Call] = []
        self._open: dict[tuple[int, int], _Call] = {}
        self._initial: dict[ServiceName, Register] | None = None
        self._shown: dict[tuple[WorkerName, int], dict[ServiceName, Register]] = {}
        self.events = {Started: self._started}
        self.effects = {Answer: self._answers}
        self.occurrences = {Asked: self._asked, Answered: self._answered}

    def _started(self, step: Step, event: Started) -> None:
        if self._initial is None:
            self._initial = _registers(step.core.state)

    def _answers(self, step: Step, answer: Answer) -> None:
        state = step.core.state
        if answer.ok and answer.index == state.index:
            self._shown[step.worker, state.index] = _registers(state)

    def _asked(self, at: int, asked: Asked) -> None:
        call = _Call(at, asked)
        if asked.change is not None:
            call = self._writes.setdefault(asked.change, call)
        else:
            self._reads.append(call)
        self._open[asked.client, asked.request] = call

    def _answered(self, at: int, answered: Answered) -> None:
        call = self._open.pop((answered.client, answered.request), None)
        if call is not None and answered.ok and call.answer is None:
            call.answer, call.index = at, answered.index

    def finish(self, at: int, cores: Cores) -> None:
        self._judge_indices()
        asked_for = [op for call in self._writes.values() for op in call.asked.operations]
        if self._initial is not None and all(isinstance(op, Scale | Restart) for op in asked_for):
            self._judge_values(at, cores)

    def _judge_indices(self) -> None:
        history = [
            Operation(
                call.at,
                call.answer,
                _READ if call.asked.change is None else "",
                call.index,
                _place(call.index, call.asked.change is None),
            )
            for call in (*self._writes.values(), *self._reads)
            if call.answer is not None
        ]
        verdict = check(history, log_model, 0)
        self.undecided += verdict is Verdict.UNDECIDED
        if verdict is Verdict.BROKEN:
            raise self.broken(f"no order of the writes and reads fits: {_told(history)}")

    def _judge_values(self, at: int, cores: Cores) -> None:
        initial = self._initial or {}
        newest = max((core.state for core in cores.values()), key=_index, default=None)
        applied = newest.applied if newest is not None else {}
        history: list[tuple[ServiceName, Operation]] = []
        for change, call in self._writes.items():
            place = _place(applied.get(change, call.index), False)
            for op in call.asked.operations:
                if isinstance(op, Scale | Restart) and op.service in initial:
                    written = Operation(call.at, call.answer, op, None, place)
                    history.append((op.service, written))
        for call in self._reads:
            shown = self._shown.get((call.asked.worker, call.index or 0), {})
            for service, value in shown.items() if call.answer is not None else ():
                read = Operation(call.at, call.answer, _READ, value, _place(call.index, True))
                history.append((service, read))
        for service, value in _registers(newest).items() if newest is not None else ():
            history.append((service, Operation(at, at, _READ, value)))
        for service, part in divided(history).items():
            verdict = check(part, register_model, initial.get(service, (0, 0)))
            self.undecided += verdict is Verdict.UNDECIDED
            if verdict is Verdict.BROKEN:
                raise self.broken(f"no order of what was done to {service} fits: {_told(part)}")


def _place(index: int | None, is_read: bool) -> int | None:
    """A write's place is its index, a read's is behind the write that it shows."""
    return None if index is None else 2 * index + is_read


def _index(state: ClusterState) -> int:
    return state.index


def _registers(state: ClusterState) -> dict[ServiceName, Register]:
    return {
        name: (service.spec.replicas, service.generation)
        for name, service in state.services.items()
    }


def _told(history: list[Operation]) -> str:
    """The last operations of a history, for people."""
    last = sorted(history, key=lambda operation: operation.call)[-20:]
    return "; ".join(f"{op.call}-{op.answer} {op.input} {op.output}" for op in last)
