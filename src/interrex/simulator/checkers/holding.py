"""Only who holds a slot's record touches its process, and one worker holds it at a time."""

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step, WorkerBegan, WorkerEnded
from interrex.supervision.interface import (
    Claimed,
    ClaimOutcome,
    Forget,
    Release,
    Signal,
    Spawn,
    Sweep,
)

Place = tuple[HostName, SlotName]


class Holding(Watch):
    """Believes the answers to claims, and that a lock falls with its holder's life."""

    promise = "only its holder touches a slot"

    def __init__(self) -> None:
        super().__init__()
        self._hosts: dict[WorkerName, HostName] = {}
        self._holders: dict[Place, int] = {}
        self._held: dict[int, dict[Place, None]] = {}
        self.events = {Claimed: self._claimed}
        self.effects = {
            Spawn: self._acts,
            Signal: self._acts,
            Sweep: self._acts,
            Release: self._lets_go,
            Forget: self._lets_go,
        }
        self.occurrences = {WorkerBegan: self._began, WorkerEnded: self._ended}

    def _began(self, at: int, began: WorkerBegan) -> None:
        self._hosts[began.worker] = began.host

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        for place in self._held.pop(ended.life, ()):
            if self._holders.get(place) == ended.life:
                del self._holders[place]

    def _claimed(self, step: Step, claimed: Claimed) -> None:
        if claimed.outcome is ClaimOutcome.LOCKED:
            return
        place = self._hosts[step.worker], claimed.slot
        holder = self._holders.setdefault(place, step.life)
        if holder != step.life:
            raise self.broken(
                f"{step.worker} (life {step.life}) took {claimed.slot}'s record on {place[0]}, "
                f"which life {holder} holds"
            )
        self._held.setdefault(step.life, {})[place] = None

    def _acts(self, step: Step, effect: Spawn | Signal | Sweep) -> None:
        self._place(step, effect)

    def _place(self, step: Step, effect: Spawn | Signal | Sweep | Release | Forget) -> Place:
        """Where the slot is, which this life holds."""
        place = self._hosts[step.worker], effect.slot
        if self._holders.get(place) != step.life:
            raise self.broken(
                f"{step.worker} (life {step.life}): {type(effect).__name__} of {effect.slot} "
                f"without its record on {place[0]}"
            )
        return place

    def _lets_go(self, step: Step, effect: Release | Forget) -> None:
        place = self._place(step, effect)
        del self._holders[place]
        self._held[step.life].pop(place, None)
