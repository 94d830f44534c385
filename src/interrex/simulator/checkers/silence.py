"""A worker is killed only where it is silent, and not where its killer did not listen."""

from interrex.core.ids import WorkerName
from interrex.core.time import seconds
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerEnded
from interrex.worker.interface import EndWorker, MessageReceived, PeerJoined


class Silence(Watch):
    """Believes the messages that a worker takes, and its own clock at each of its steps.

    Who took nothing at all for half of the time after which a worker counts as silent was itself
    stopped: what the others said may still lie in its sockets.
    """

    promise = "only a silent worker is killed"

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[int, dict[WorkerName, int]] = {}
        """Life -> when it last heard of each other worker (ns)."""
        self._awake: dict[int, tuple[int, int]] = {}
        """Life -> since when it runs without a stop, and its last step (ns)."""
        self.every_step = self._look
        self.events = {MessageReceived: self._hears, PeerJoined: self._joins}
        self.effects = {EndWorker: self._kills}
        self.occurrences = {WorkerEnded: self._ended}

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._heard.pop(ended.life, None)
        self._awake.pop(ended.life, None)

    def _hears(self, step: Step, event: MessageReceived) -> None:
        self._heard.setdefault(step.life, {})[event.sender] = step.now

    def _joins(self, step: Step, event: PeerJoined) -> None:
        self._heard.setdefault(step.life, {})[event.peer] = step.now

    def _look(self, step: Step) -> None:
        self._awake[step.life] = self._awake_since(step), step.now

    def _awake_since(self, step: Step) -> int:
        since, last = self._awake.get(step.life, (step.now, step.now))
        return step.now if step.now - last > _patience(step) else since

    def _kills(self, step: Step, kill: EndWorker) -> None:
        heard = self._heard.get(step.life, {}).get(kill.worker, 0)
        listens = self._awake_since(step)
        if step.now - max(heard, listens) < _patience(step):
            raise self.broken(
                f"{step.worker} kills {kill.worker} at {step.now}, which it heard at {heard}; it "
                f"listens since {listens}"
            )


def _patience(step: Step) -> int:
    """Half of the time (ns) after which a worker counts as silent."""
    return seconds(step.core.state.spec.timing.silent_worker) // 2
