"""A leader appends a configuration when the one before is committed (thesis, 4.1)."""

from interrex.core.storage import AppendEntries
from interrex.elections.replicated.payload import configuration_of
from interrex.simulator.checkers.majorities import is_majority
from interrex.simulator.checkers.raft_watch import RaftChecker, Server


class OneMembershipAtATime(RaftChecker):
    """Looks for each leader's last configuration on the disks of those who vote by it."""

    promise = "one change of membership at a time"

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[int, tuple[int, list[int]]] = {}
        """By term: index and voters of its leader's last configuration."""
        self.handed_out = {AppendEntries: self._appends}

    def _appends(self, server: Server, record: AppendEntries) -> None:
        for entry in record.entries:
            if not server.leads or entry.epoch != server.leads:
                continue
            configuration = configuration_of(entry)
            if configuration is None:
                continue
            index, voters = self._last.get(entry.epoch, (0, []))
            holding = [one for one in voters if self._holds(one, index, entry.epoch)]
            if voters and not is_majority(holding, voters):
                raise self.broken(
                    f"{server} appends a configuration at {entry.index}, a majority of {voters} "
                    f"has the one at {index} not on disk yet"
                )
            self._last[entry.epoch] = entry.index, sorted(configuration.voters)

    def _holds(self, member: int, index: int, term: int) -> bool:
        disk = self.disks.get(member)
        return disk is not None and (
            disk.harmed or disk.log.snapshot >= index or disk.log.term_at(index) == term
        )
