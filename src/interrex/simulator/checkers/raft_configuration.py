"""A server goes by the newest configuration in its log, committed or not (thesis, 4.1)."""

from collections.abc import Iterable

from interrex.core.ids import WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.state import workers_of
from interrex.core.storage import AppendEntries, Entry, SaveSnapshot, TruncateFrom
from interrex.elections.interface import Persist, Persisted
from interrex.elections.replicated.payload import Configuration, configuration_of, snapshot_parts
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step
from interrex.worker.interface import Started

NOBODY = Configuration({})


class Configurations:
    """Those of one log, by index; 0 is for the one that the cluster began with."""

    def __init__(self, first: Configuration) -> None:
        self._first = first
        self._found = {0: first}

    def put(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            configuration = configuration_of(entry)
            if configuration is not None:
                self._found[entry.index] = configuration

    def truncate(self, index: int) -> None:
        self._found = {at: one for at, one in self._found.items() if at < index}

    def begin_anew(self, index: int, configuration: Configuration) -> None:
        self._found = {0: self._first, index: configuration}

    def newest(self, index: int) -> Configuration:
        """Of those up to an index."""
        return self._found[max(at for at in self._found if at <= index)]


class NewestConfiguration(RaftChecker):
    """Reads each server's configurations from what it hands out for writing, and compares them
    with whom its core calls the voters, and with what it says in a snapshot.

    Records that wait for the write before them are not handed out yet: a core is compared when the
    last write has been answered, and it asks for no other.

    Args:
        spec: names who was there when the cluster began.
    """

    promise = "the newest configuration in the log counts"

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__()
        self._genesis = Configuration(dict(enumerate(workers_of(spec), start=1)))
        self._of_life: dict[int, Configurations] = {}
        self._newest: dict[int, int] = {}
        """The token of each life's last write."""
        self.handed_out = {
            AppendEntries: self._appends,
            TruncateFrom: self._truncates,
            SaveSnapshot: self._saves,
            Persist: self._asks,
        }
        self.seen = {Started: self._compares, Persisted: self._compares}

    def began(self, server: Server) -> None:
        known = server.member in self._genesis.voters
        found = self._of_life[server.life] = Configurations(self._genesis if known else NOBODY)
        stored = server.stored
        if stored.snapshot is not None:
            parts = snapshot_parts(stored.snapshot.data)
            found.begin_anew(stored.snapshot.index, parts.configuration)
        found.put(stored.entries)

    def _appends(self, server: Server, record: AppendEntries) -> None:
        self._of_life[server.life].put(record.entries)

    def _asks(self, server: Server, persist: Persist) -> None:
        self._newest[server.life] = persist.token

    def _truncates(self, server: Server, record: TruncateFrom) -> None:
        self._of_life[server.life].truncate(record.index)

    def _saves(self, server: Server, record: SaveSnapshot) -> None:
        found, index = self._of_life[server.life], record.snapshot.index
        said = snapshot_parts(record.snapshot.data).configuration
        if record.discard_log:
            found.begin_anew(index, said)
        elif said != found.newest(index):
            raise self.broken(
                f"{server} takes a snapshot at {index} by which {_told(said.voters)} vote, by its "
                f"log {_told(found.newest(index).voters)}"
            )

    def _compares(self, server: Server, step: Step, event: Started | Persisted) -> None:
        token = event.token if type(event) is Persisted else 0
        waits = token != self._newest.get(server.life, 0)
        if waits or any(type(effect) is Persist for effect in step.effects):
            return
        named = self._of_life[server.life].newest(server.log.last).voters
        voters = {member.member: member.worker for member in step.core.election.members}
        if voters != named:
            raise self.broken(
                f"{server} goes by {_told(voters)}, its log up to {server.log.last} names "
                f"{_told(named)}"
            )


def _told(voters: dict[int, WorkerName]) -> str:
    """Voters for people."""
    return ", ".join(f"{worker} ({one})" for one, worker in sorted(voters.items())) or "nobody"
