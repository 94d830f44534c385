"""Leader Append-Only: a leader never overwrites or deletes entries in its log (paper, figure 3)."""

from interrex.core.storage import AppendEntries, SaveSnapshot, TruncateFrom
from interrex.simulator.checkers.raft_watch import RaftChecker, Server


class AppendOnly(RaftChecker):
    """Looks at what a leader hands out for writing, until it moves to a newer term."""

    promise = "a leader only appends"

    def __init__(self) -> None:
        super().__init__()
        self.handed_out = {
            TruncateFrom: self._truncates,
            SaveSnapshot: self._saves,
            AppendEntries: self._appends,
        }

    def _truncates(self, server: Server, record: TruncateFrom) -> None:
        if server.leads:
            raise self.broken(
                f"{server}, leader of term {server.leads}, drops its entries from {record.index} on"
            )

    def _saves(self, server: Server, record: SaveSnapshot) -> None:
        if server.leads and record.discard_log:
            raise self.broken(
                f"{server}, leader of term {server.leads}, discards its log for a snapshot"
            )

    def _appends(self, server: Server, record: AppendEntries) -> None:
        if not server.leads:
            return
        for entry in record.entries:
            known = server.log.term_at(entry.index)
            if known is not None and known != entry.epoch:
                raise self.broken(
                    f"{server}, leader of term {server.leads}, overwrites entry {entry.index} of "
                    f"term {known} by one of {entry.epoch}"
                )
