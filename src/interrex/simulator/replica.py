"""How a simulated replica behaves: quick or slow to start, ill, hung, leaking, deaf to signals."""

from interrex.core.ids import ServiceName, SlotName, service_of
from interrex.core.time import MS
from interrex.simulator.chance import Chance

START = 30 * MS
STOP = 20 * MS


class Habits:
    """How the processes of one service behave from now on; faults change it, and change it back.

    Shares are per mille, durations ns. ``crashes_after`` (0: it does not) is how long after it is
    ready a process dies by itself; ``dependency_down`` makes every process ill at once, and those
    that ``needs_dependency`` end when they start without it. ``leaks`` (0: it does not) is about
    how long after its start a process is at its memory's limit, which ``ends_at_limit`` of them.
    Of balancers: one takes ``follows_in`` longer than usual to follow a table, or
    ``fails_to_follow`` it.
    """

    def __init__(self) -> None:
        self.start = START
        self.stop = STOP
        self.fails_to_start = 0
        self.crashes_after = 0
        self.ignores_term = 0
        self.forks = 0
        self.ill = 0
        self.dependency_down = 0
        self.needs_dependency = 0
        self.leaks = 0
        self.ends_at_limit = 0
        self.follows_in = 0
        self.fails_to_follow = 0


class Process:
    """One process that a worker has started: the main process of one incarnation of a slot.

    ``answers_at`` is from when (simulated ns) it accepts requests; ``hung`` counts the reasons why
    it does nothing, ``ill`` those why it answers with an error, ``refuses`` those why it accepts no
    connection; ``slow`` is how much longer (ns) an answer takes; while it is ``leaking`` it takes
    ever more memory. ``children`` outlive it unless they are swept.
    """

    __slots__ = (
        "alive", "answers_at", "children", "epoch", "generation", "habits", "hung",
        "ignores_term", "ill", "incarnation", "leaking", "pid", "port", "refuses", "service",
        "slot", "slow", "stopping",
    )  # fmt: skip

    def __init__(
        self,
        slot: SlotName,
        incarnation: int,
        generation: int,
        pid: int,
        port: int,
        epoch: int,
        habits: Habits,
    ) -> None:
        self.slot = slot
        self.service: ServiceName = service_of(slot)
        self.incarnation = incarnation
        self.generation = generation
        self.pid = pid
        self.port = port
        self.epoch = epoch
        self.habits = habits
        self.alive = True
        self.answers_at = 0
        self.hung = 0
        self.ill = 0
        self.refuses = 0
        self.leaking = False
        self.slow = 0
        self.children = 0
        self.ignores_term = False
        self.stopping = False

    def begin(self, now: int, chance: Chance) -> int:
        """Decide how this process will behave.

        Returns:
            After how many ns it ends by itself; 0 for never.
        """
        habits = self.habits
        self.answers_at = now + chance.spread(habits.start)
        self.ignores_term = chance.per_mille(habits.ignores_term)
        self.children = chance.below(3) + 1 if chance.per_mille(habits.forks) else 0
        self.ill = int(chance.per_mille(habits.ill))
        starts_in_vain = habits.dependency_down and chance.per_mille(habits.needs_dependency)
        if starts_in_vain or chance.per_mille(habits.fails_to_start):
            return chance.spread(habits.start) + 1
        if habits.crashes_after:
            return self.answers_at - now + chance.exponential(habits.crashes_after) + MS
        return 0

    def is_healthy(self, now: int) -> bool:
        """Whether it answers a request well."""
        return (
            self.alive
            and not (self.hung or self.ill or self.refuses or self.habits.dependency_down)
            and now >= self.answers_at
        )

    def complaint(self, now: int) -> str:
        """What a request that is answered at all meets: empty where all is well."""
        if not self.alive or self.refuses or now < self.answers_at:
            return "connecting: connection refused"
        if self.ill or self.habits.dependency_down:
            return "status 503"
        return ""
