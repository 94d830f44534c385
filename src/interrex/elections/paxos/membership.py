"""Who the acceptors of each slot are: a configuration rules from a window after it was chosen.

The state machine itself says who runs it: the configuration that is chosen in slot *i* governs
the slots from *i* + window on. Nobody proposes further than a window ahead of what it has learned,
so whoever proposes in a slot knows its acceptors. Hence two configurations that follow one another
may be any two: each slot has one of them.

Learners are told everything and asked nothing; they change as soon as it is learned.

Invariant: the history's indices rise; it begins with what governs the slot after the snapshot.

Source: PMS 3, last two paragraphs (the window is its alpha); PMMC 3 (WINDOW).
Differs from PMS: the leader proposes no-ops until a new configuration governs, instead of waiting
for proposals.
"""

from collections.abc import Collection, Iterable, Sequence

from interrex.core.ids import WorkerName
from interrex.core.quorum import has_quorum, majority
from interrex.elections.replicated.payload import Configuration

NOBODY = Configuration({})

History = tuple[tuple[int, Configuration], ...]
"""Configurations, oldest first, each with the slot in which it was chosen."""


class Membership:
    """The configurations that one server has learned of, up to a chosen slot."""

    def __init__(self, history: Sequence[tuple[int, Configuration]], window: int) -> None:
        self._window = window
        self._history = list(history)
        self._chosen = 0
        self._take()

    def _take(self) -> None:
        ruling = self._position(self._chosen + 1)
        self.index, self.newest = self._history[-1]
        self.by_worker = sorted(self.newest.voters.items(), key=lambda voter: voter[::-1])
        self.groups: tuple[dict[int, WorkerName], ...] = _distinct(
            one.voters for _, one in self._history[ruling:]
        )
        """The voters of the slots that may be proposed in next, each set once, oldest first."""
        self.electorate: dict[int, WorkerName] = {}
        """All of them."""
        for voters in self.groups:
            self.electorate.update(voters)

    def _position(self, slot: int) -> int:
        """Where in the history that is which governs a slot; the first governs since ever."""
        for position in range(len(self._history) - 1, 0, -1):
            if self._history[position][0] + self._window <= slot:
                return position
        return 0

    @property
    def voters(self) -> dict[int, WorkerName]:
        """Those of the newest configuration, whether it governs already or not."""
        return self.newest.voters

    @property
    def all(self) -> dict[int, WorkerName]:
        """Voters and learners."""
        return {**self.electorate, **self.newest.learners}

    @property
    def settles_at(self) -> int:
        """With this slot learned, the newest configuration alone governs; 0 where it does."""
        return 0 if len(self.groups) == 1 else self.index + self._window - 1

    def governing(self, slot: int) -> dict[int, WorkerName]:
        """The acceptors of a slot, at most a window behind the last one learned."""
        if len(self.groups) == 1:
            return self.groups[0]
        return self._history[self._position(slot)][1].voters

    def last_governed_like(self, slot: int) -> int | None:
        """The last slot that has this slot's configuration, None for no end in sight."""
        position = self._position(slot) + 1
        if len(self.groups) == 1 or position == len(self._history):
            return None
        return self._history[position][0] + self._window - 1

    def has_quorum(self, agreeing: Collection[int]) -> bool:
        """Whether those who agree are a majority of every group."""
        return all(has_quorum(voters, agreeing) for voters in self.groups)

    def can_reach_quorum(self, refusing: Collection[int]) -> bool:
        """Whether those who have not refused may still be a majority of every group."""
        return all(
            len(voters) - sum(one in refusing for one in voters) >= majority(len(voters))
            for voters in self.groups
        )

    def is_alone(self, member: int) -> bool:
        """Whether a member needs nobody else."""
        return all(voters.keys() == {member} for voters in self.groups)

    def worker_of(self, member: int) -> WorkerName | None:
        return self.electorate.get(member) or self.newest.learners.get(member)

    def member_of(self, worker: WorkerName) -> int | None:
        """The voter that a worker is."""
        return next((one for one, name in self.voters.items() if name == worker), None)

    def learned(self, chosen: int, news: Sequence[tuple[int, Configuration]] = ()) -> None:
        """All slots up to ``chosen`` are learned, and in them these configurations."""
        self._chosen = chosen
        if news or len(self.groups) > 1:
            self._history.extend(news)
            self._take()

    def at(self, index: int) -> History:
        """What has to be known to go on after a slot."""
        known = [one for one in self._history if one[0] <= index] or self._history[:1]
        while len(known) > 1 and known[1][0] + self._window <= index + 1:
            known.pop(0)
        return tuple(known)

    def compact(self, index: int) -> None:
        """Forgets what only slots up to this one needed."""
        while len(self._history) > 1 and self._history[1][0] + self._window <= index + 1:
            self._history.pop(0)

    def restore(self, chosen: int, history: Sequence[tuple[int, Configuration]]) -> None:
        """Begins anew from a snapshot."""
        self._history = list(history)
        self._chosen = chosen
        self._take()


def _distinct(groups: Iterable[dict[int, WorkerName]]) -> tuple[dict[int, WorkerName], ...]:
    """Each group once, next to each other ones that are equal made one."""
    found: list[dict[int, WorkerName]] = []
    for voters in groups:
        if not found or found[-1] != voters:
            found.append(voters)
    return tuple(found)
