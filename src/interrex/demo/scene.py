"""What the demo's picture shows: gathered here, drawn in ``picture``, ignored when piped."""

from interrex.demo.samples import Sample
from interrex.demo.tally import Sparkline, Tally
from interrex.worker.status import Status

SPARKS = 56


class Scene:
    """The state of the whole demo as its customers and its workers tell it.

    Attributes:
        status: the newest document, None before there is any.
        answering: the workers that answer at their sockets.
        deed: what the demo has done to the fleet, while that is not healed.
        doing: what the demo does at the moment.
    """

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.seed = seed
        self.tally = Tally()
        self.sparks = Sparkline(SPARKS)
        self.status: Status | None = None
        self.answering: set[str] = set()
        self.deed = "started"
        self.doing = ""

    def take(self, sample: Sample) -> None:
        """A request has ended."""
        self.tally.add(sample)
        self.sparks.add(sample)
