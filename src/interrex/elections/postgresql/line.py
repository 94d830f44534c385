"""The candidates as a look at the tables has shown them."""

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.line import HandOver, Holder, Line
from interrex.elections.coordinated.settings import CoordinatedSettings
from interrex.elections.postgresql.questions import Row, Stander


class PostgresLine(Line):
    """The order of the candidates; a session's mark is its token."""

    def __init__(self, me: WorkerName, settings: CoordinatedSettings) -> None:
        super().__init__(me, settings)
        self._standers: tuple[Stander, ...] = ()
        self.row: Row | None = None
        self.epoch = 0

    def saw(self, row: Row, standers: tuple[Stander, ...]) -> None:
        """Take what a look has shown."""
        self.row, self._standers = row, standers
        self.epoch = max(self.epoch, row.epoch)

    def won(self, row: Row) -> None:
        """This member has written itself into the row."""
        self.row = row
        self.epoch = max(self.epoch, row.epoch)

    def lost(self) -> None:
        """What was seen may be long over."""
        self.row, self._standers = None, ()

    @property
    def holder(self) -> Holder | None:
        row = self.row
        if row is None or row.released or not row.alive:
            return None
        return Holder(row.leader, mark_of(row.token))

    @property
    def hand_over(self) -> HandOver | None:
        row = self.row
        return HandOver(row.leader, row.heir) if row is not None and row.released else None

    def order(self) -> list[WorkerName]:
        standers = sorted(self._standers, key=lambda one: (-one.priority, one.since, one.worker))
        return [one.worker for one in standers]


def mark_of(token: int) -> str:
    return f"{token:x}"
