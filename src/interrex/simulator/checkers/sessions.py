"""No leader believes in itself when the coordination service has let its session run out."""

from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import HoldExpired, Step, WorkerEnded


class Sessions(Watch):
    """Believes the coordination service, and of each worker until when it leads.

    The deadline is by the leader's own clock, which may be slower than the world by less than
    what a session's time leaves over. A session that somebody ended before its time is no matter:
    that is done to those whose process is proved dead.
    """

    promise = "no leader outlives its session"

    def __init__(self) -> None:
        super().__init__()
        self._leads: dict[int, tuple[int, int]] = {}
        """Life -> its epoch, and until when it leads (simulated ns)."""
        self.every_step = self._look
        self.occurrences = {HoldExpired: self._expired, WorkerEnded: self._ended}

    def _look(self, step: Step) -> None:
        election = step.core.election
        deadline = election.deadline
        if deadline is None:
            self._leads.pop(step.life, None)
        else:
            self._leads[step.life] = (election.epoch, step.at + deadline - step.now)

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self._leads.pop(ended.life, None)

    def _expired(self, at: int, hold: HoldExpired) -> None:
        for life, (epoch, until) in self._leads.items():
            if epoch == hold.epoch and at < until:
                raise self.broken(
                    f"life {life} leads epoch {epoch} until {until}, its session ran out at {at}"
                )
