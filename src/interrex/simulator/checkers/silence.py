"""A worker is killed only where it is silent, and not where its killer did not listen."""

from interrex.core.ids import WorkerName
from interrex.core.time import MS, seconds
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerEnded
from interrex.worker.interface import EndWorker, MessageReceived, PeerJoined

SHORTEST = 5 * MS
"""A worker that took nothing for no longer than this was not stopped, however short its times."""


class _Life:
    """When one life heard of each other worker, since when it runs without a stop, and its last
    step (ns)."""

    __slots__ = ("heard", "last", "since")

    def __init__(self, now: int) -> None:
        self.heard: dict[WorkerName, int] = {}
        self.since = self.last = now


class Silence(Watch):
    """Believes the messages that a worker takes, and its own clock at each of its steps.

    Who took nothing at all for half of the time after which a worker counts as silent was itself
    stopped: what the others said may still lie in its sockets.
    """

    promise = "only a silent worker is killed"

    def __init__(self) -> None:
        super().__init__()
        self._lives: dict[int, _Life] = {}
        self.every_step = self._look
        self.events = {MessageReceived: self._hears, PeerJoined: self._joins}
        self.effects = {EndWorker: self._kills}
        self.occurrences = {WorkerEnded: self._ended}

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._lives.pop(ended.life, None)

    def _life(self, step: Step) -> _Life:
        life = self._lives.get(step.life)
        if life is None:
            life = self._lives[step.life] = _Life(step.now)
        return life

    def _hears(self, step: Step, event: MessageReceived) -> None:
        life = self._lives.get(step.life) or self._life(step)
        life.heard[event.sender] = step.now

    def _joins(self, step: Step, event: PeerJoined) -> None:
        self._life(step).heard[event.peer] = step.now

    def _look(self, step: Step) -> None:
        now = step.now
        life = self._lives.get(step.life) or self._life(step)
        if now - life.last > SHORTEST and now - life.last > _patience(step):
            life.since = now
        life.last = now

    def _kills(self, step: Step, kill: EndWorker) -> None:
        life, now = self._life(step), step.now
        heard = life.heard.get(kill.worker, 0)
        listens = now if now - life.last > _patience(step) else life.since
        if now - max(heard, listens) < _patience(step):
            raise self.broken(
                f"{step.worker} kills {kill.worker} at {now}, which it heard at {heard}; it "
                f"listens since {listens}"
            )


def _patience(step: Step) -> int:
    """Half of the time (ns) after which a worker counts as silent."""
    return seconds(step.core.state.spec.timing.silent_worker) // 2
