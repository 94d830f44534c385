"""Who belongs to the cluster, as this server's log says.

A configuration takes effect when it is in the log, not when it is committed, and falls out again
with the entry when the log is truncated (thesis 4.1). Two configurations that follow one another
differ by at most one voter, so their majorities share a server.

Invariant: the history's indices rise; its first item is the snapshot's or the genesis.
"""

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.quorum import majority
from interrex.elections.replicated.payload import Configuration

NOBODY = Configuration({})


class Membership:
    """The configurations of one log, oldest first."""

    def __init__(self, index: int, configuration: Configuration) -> None:
        self._history: list[tuple[int, Configuration]] = [(index, configuration)]
        self._take()

    def _take(self) -> None:
        self.index, self.current = self._history[-1]
        self.voters = self.electorate = self.current.voters
        self.groups = (self.voters,)
        self.majority = majority(len(self.voters))
        self.by_worker = sorted(self.voters.items(), key=lambda voter: voter[::-1])

    @property
    def before(self) -> Configuration:
        """The configuration before the latest, as far as it is still known."""
        return self._history[-2][1] if len(self._history) > 1 else self.current

    @property
    def all(self) -> dict[int, WorkerName]:
        """Voters and learners."""
        return {**self.voters, **self.current.learners}

    def is_alone(self, member: int) -> bool:
        """Whether a member needs nobody else."""
        return self.majority == 1 and member in self.voters

    def worker_of(self, member: int) -> WorkerName | None:
        return self.voters.get(member) or self.current.learners.get(member)

    def member_of(self, worker: WorkerName) -> int | None:
        """The voter that a worker is."""
        return next((one for one, name in self.voters.items() if name == worker), None)

    def at(self, index: int) -> Configuration:
        """The configuration in force once the entry at this index was."""
        found = self._history[0][1]
        for start, configuration in self._history:
            if start > index:
                break
            found = configuration
        return found

    def append(self, index: int, configuration: Configuration) -> None:
        """Takes the configuration of the entry at this index."""
        ensure(index > self.index, "configurations are appended in order")
        before = self.voters.keys()
        ensure(
            not before or len(before ^ configuration.voters.keys()) <= 1,
            "one change of membership adds or removes one voter",
        )
        self._history.append((index, configuration))
        self._take()

    def truncate(self, index: int) -> None:
        """Forgets the configurations of entries from this index on."""
        while len(self._history) > 1 and self._history[-1][0] >= index:
            self._history.pop()
        self._take()

    def compact(self, index: int) -> None:
        """Forgets what only entries up to this index needed."""
        while len(self._history) > 1 and self._history[1][0] <= index:
            self._history.pop(0)

    def restore(self, index: int, configuration: Configuration) -> None:
        """Begins anew from the leader's snapshot."""
        self._history = [(index, configuration)]
        self._take()
