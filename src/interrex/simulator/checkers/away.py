"""While the coordination service is away, what runs is left as it is."""

from interrex.core.messages import Assignment, Dismiss, KillWorker, LaunchWorker, Routes
from interrex.core.spec import ClusterSpec, service_of
from interrex.core.time import S, seconds
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import CoordinationAway, CoordinationBack, Step
from interrex.worker.interface import Send

LEAST = 4 * S
"""No session that is granted is longer than what is asked for, or this (ns)."""


def longest_session(spec: ClusterSpec) -> int:
    """After how long (ns) nobody leads any more that the service has not renewed."""
    service = service_of(spec)
    asked = 0 if service is None else seconds(service.session)
    return max(asked, LEAST) * 11 // 10


class Away(Watch):
    """Nobody gives a command when the coordination service has been away for longer than a session.

    That every signal to a service's process has a reason, in an assignment or in its health, is
    watched anyway; so then nothing is stopped, placed or routed otherwise but for its own sake.
    """

    promise = "what runs is left as it is while the coordination service is away"

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__()
        self._session = longest_session(spec)
        self._since: int | None = None
        kinds = (Assignment, Routes, LaunchWorker, KillWorker, Dismiss)
        self.messages = dict.fromkeys(kinds, self._commanded)
        self.occurrences = {CoordinationAway: self._goes, CoordinationBack: self._comes}

    def _goes(self, at: int, away: CoordinationAway) -> None:
        self._since = at

    def _comes(self, at: int, back: CoordinationBack) -> None:
        self._since = None

    def _commanded(self, step: Step, send: Send) -> None:
        if self._since is not None and step.at - self._since > self._session:
            raise self.broken(
                f"{step.worker} gives {send.to} a {type(send.message).__name__} at {step.at}; the "
                f"service is away since {self._since}"
            )
