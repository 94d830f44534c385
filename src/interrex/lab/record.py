"""What happened in a world of the lab: every message, every change of leader, and for how long
nobody or more than one led."""

import msgspec

from interrex.core.ids import WorkerName


class Mail(msgspec.Struct):
    """One message. ``sent`` and ``arrived`` are simulated ns; None: it never arrived.

    ``depth`` is how many messages had to be sent one after the other for this one to be sent,
    itself included, counted since the record was begun. ``content`` is the election's own bytes;
    or what was said to a coordination service, or by it.
    """

    sender: WorkerName
    to: WorkerName
    content: bytes | msgspec.Struct
    sent: int
    depth: int
    arrived: int | None = None

    @property
    def size(self) -> int:
        """How many bytes it has; as msgpack, where it is none yet."""
        content = self.content
        return len(content if isinstance(content, bytes) else msgspec.msgpack.encode(content))


class Turn(msgspec.Struct, frozen=True):
    """At this time (simulated ns) a process began to name this leader (None: nobody)."""

    at: int
    worker: WorkerName
    leader: WorkerName | None
    epoch: int
    reason: str


class Incident(msgspec.Struct, frozen=True):
    """Something befell these processes."""

    at: int
    workers: tuple[WorkerName, ...]
    text: str


class Record:
    """Kept from ``begin`` on; what was under way then counts as said before."""

    def __init__(self) -> None:
        self.began = 0
        self.mails: list[Mail] = []
        self.turns: list[Turn] = []
        self.incidents: list[Incident] = []
        self.leaders: set[WorkerName] = set()
        """Who runs and believes itself to lead."""
        self.without = 0
        """For how long (ns) nobody did, up to the last change."""
        self.double = 0
        """For how long more than one did."""
        self.windows = 0
        """How often it came to that."""
        self._since = 0
        self._forgotten = 0

    def begin(self, at: int) -> None:
        """Forget what was before."""
        self.began = self._since = at
        self._forgotten += len(self.mails)
        self.mails, self.turns, self.incidents = [], [], []
        self.without = self.double = 0
        self.windows = int(len(self.leaders) > 1)

    def sent(self, mail: Mail) -> int:
        """A message is on its way. Returns its number, from 1."""
        self.mails.append(mail)
        return len(self.mails) + self._forgotten

    def arrived(self, number: int, at: int) -> int:
        """A message has arrived. Returns its depth; 0 for one that was said before."""
        mail = self.find(number)
        if mail is None:
            return 0
        mail.arrived = at
        return mail.depth

    def find(self, number: int) -> Mail | None:
        """The message of this number; None for one that was said before."""
        place = number - self._forgotten - 1
        return self.mails[place] if place >= 0 else None

    def lead(self, at: int, worker: WorkerName, leads: bool) -> None:
        """A process runs and leads from now on, or no longer does."""
        if leads == (worker in self.leaders):
            return
        self.close(at)
        if leads:
            self.leaders.add(worker)
            self.windows += len(self.leaders) == 2
        else:
            self.leaders.remove(worker)

    def close(self, at: int) -> None:
        """Count the time up to now."""
        passed, self._since = at - self._since, at
        if not self.leaders:
            self.without += passed
        elif len(self.leaders) > 1:
            self.double += passed
