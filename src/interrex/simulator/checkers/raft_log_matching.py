"""Log Matching: if two logs contain an entry with the same index and term, then the logs are
identical in all entries up through the given index (paper, figure 3)."""

from interrex.core.storage import AppendEntries
from interrex.simulator.checkers.raft_watch import RaftChecker, Server


class LogMatching(RaftChecker):
    """Looks at each entry once, when a server hands it out for writing.

    Every entry is known by index and term, with its bytes and the term of the entry before it.
    Where these are the same in all logs, then by induction so is everything before.
    """

    promise = "logs match"

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[tuple[int, int], tuple[int | None, bytes]] = {}
        self.handed_out = {AppendEntries: self._appends}

    def _appends(self, server: Server, record: AppendEntries) -> None:
        if not record.entries:
            return
        before = server.log.term_at(record.entries[0].index - 1)
        for entry in record.entries:
            index, term = entry.index, entry.epoch
            known = self._entries.get((index, term))
            if known is None or known[0] is None:
                self._entries[index, term] = (before, entry.data)
            if known is not None:
                self._compare(server, (index, term), known, (before, entry.data))
            before = term

    def _compare(
        self,
        server: Server,
        name: tuple[int, int],
        known: tuple[int | None, bytes],
        found: tuple[int | None, bytes],
    ) -> None:
        if known[1] != found[1]:
            raise self.broken(f"{server}: entry {name[0]} of term {name[1]} differs from others'")
        if None not in (known[0], found[0]) and known[0] != found[0]:
            raise self.broken(
                f"{server}: before entry {name[0]} of term {name[1]} comes one of term {found[0]}, "
                f"in other logs one of {known[0]}"
            )
