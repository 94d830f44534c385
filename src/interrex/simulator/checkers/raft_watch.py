"""Raft as it is seen from outside: messages sent, records handed out, records on disk.

``RaftWatch`` decodes each message once and keeps what the checkers of Raft's promises all need:
the log that each server has handed out, what each disk holds, and who leads which term. It
judges nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.messages import ElectionMail, Message
from interrex.core.storage import (
    AppendEntries,
    Entry,
    Record,
    SaveSnapshot,
    SetFact,
    Snapshot,
    Stored,
    TruncateFrom,
)
from interrex.elections.interface import Persist
from interrex.elections.raft import messages
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.simulator.checkers.watch import Seen, Watch
from interrex.simulator.observation import (
    DiskHarmed,
    DiskWritten,
    Step,
    Violation,
    WorkerBegan,
    WorkerEnded,
)
from interrex.worker.interface import Send

LEADERS_MAIL = (
    messages.AppendEntries,
    messages.Heartbeat,
    messages.Advance,
    messages.InstallSnapshot,
)
"""Only the leader of its term sends these."""
LeadersMail = (
    messages.AppendEntries | messages.Heartbeat | messages.Advance | messages.InstallSnapshot
)

_vote = msgspec.msgpack.Decoder(StoredVote)


class Log:
    """The terms of a log's entries. ``last`` and ``snapshot`` are indices, 0 for none."""

    __slots__ = ("last", "snapshot", "terms")

    def __init__(self, snapshot: Snapshot | None = None, entries: Iterable[Entry] = ()) -> None:
        self.terms: dict[int, int] = {0: 0}
        self.last = 0
        self.snapshot = 0
        if snapshot is not None:
            self.save(snapshot, discard=True)
        self.put(entries)

    def put(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.terms[entry.index] = entry.epoch
            self.last = max(self.last, entry.index)

    def truncate(self, index: int) -> None:
        while self.last >= index:
            self.terms.pop(self.last, None)
            self.last -= 1

    def save(self, snapshot: Snapshot, *, discard: bool) -> None:
        if discard:
            self.terms.clear()
            self.last = snapshot.index
        self.snapshot = max(self.snapshot, snapshot.index)
        self.last = max(self.last, snapshot.index)
        self.terms[snapshot.index] = snapshot.epoch

    def term_at(self, index: int) -> int | None:
        """The term of an entry, None where it is not known (any more)."""
        return self.terms.get(index)

    def take(self, record: Record) -> None:
        """What the record does to the log."""
        if type(record) is AppendEntries:
            self.put(record.entries)
        elif type(record) is TruncateFrom:
            self.truncate(record.index)
        elif type(record) is SaveSnapshot:
            self.save(record.snapshot, discard=record.discard_log)


class Disk:
    """What a member's disk holds. ``harmed``: the world changed it, it proves nothing any more."""

    __slots__ = ("harmed", "log", "vote")

    def __init__(self, member: int, stored: Stored) -> None:
        value = stored.facts.get(VOTE)
        self.vote = _vote.decode(value) if value is not None else StoredVote(member, 0, 0)
        self.log = Log(stored.snapshot, stored.entries)
        self.harmed = False


class Server:
    """One life of a worker, as a member of the cluster.

    ``stored`` is what it began with; ``log`` is what it has handed out for writing or sent as a
    leader; ``leads`` is the term that it leads, 0 for none; ``claimed`` is the highest commit index
    that it has sent in it; ``handouts`` is how often it has handed out entries.
    """

    __slots__ = (
        "claimed", "disk", "handouts", "leads", "life", "log", "member", "stored", "worker",
    )  # fmt: skip

    def __init__(self, began: WorkerBegan, disk: Disk) -> None:
        self.worker = began.worker
        self.life = began.life
        self.member = began.member
        self.stored = began.stored
        self.disk = disk
        self.log = Log(began.stored.snapshot, began.stored.entries)
        self.leads = 0
        self.claimed = 0
        self.handouts = 0

    def __str__(self) -> str:
        return f"{self.worker} (member {self.member}, life {self.life})"


class RaftChecker:
    """Watches one of Raft's promises, with what ``RaftWatch`` makes out. Empty tables: nothing."""

    promise = ""

    def __init__(self) -> None:
        self.disks: Mapping[int, Disk] = {}
        """The members' disks, kept up to date by the ``RaftWatch`` that it is given to."""
        self.mail: dict[type, Callable[[Server, Step, Any], None]] = {}
        self.handed_out: dict[type, Callable[[Server, Any], None]] = {}
        """By the record's type, when a server asks for it to be written; then its ``Persist``."""
        self.seen: dict[type, Callable[[Server, Step, Any], None]] = {}
        """By the type of an event, an effect (but ``Persist``) or a worker's message."""

    def broken(self, text: str) -> Violation:
        """The violation to raise."""
        return Violation(self.promise, text)

    def began(self, server: Server) -> None:
        """A server's life begins."""

    def leads(self, server: Server, step: Step) -> None:
        """A server sends its first message as the leader of ``server.leads``."""

    def commits(self, server: Server, step: Step, index: int) -> None:
        """A leader says that everything up to ``index`` is committed."""

    def voted(self, server: Server, vote: StoredVote) -> None:
        """A term and a vote are about to be on a server's disk, which ``server.disk`` is still
        without."""

    def harmed(self, member: int) -> None:
        """A member's disk was changed by a fault."""


class RaftWatch(Watch):
    """Tells the checkers of Raft's promises what happens.

    Args:
        checkers: told in this order.
    """

    promise = "Raft's promises"

    def __init__(self, checkers: Sequence[RaftChecker]) -> None:
        super().__init__()
        self.checkers = tuple(checkers)
        self.servers: dict[int, Server] = {}
        """By life."""
        self.disks: dict[int, Disk] = {}
        """By member."""
        for checker in checkers:
            checker.disks = self.disks
        self._members: dict[WorkerName, int] = {}
        self._mail: dict[type, tuple[Callable[[Server, Step, Any], None], ...]] = {
            kind: tuple(one.mail[kind] for one in checkers if kind in one.mail)
            for kind in dict.fromkeys(kind for one in checkers for kind in one.mail)
        }
        self._handed_out: dict[type, tuple[Callable[[Server, Any], None], ...]] = {
            kind: tuple(one.handed_out[kind] for one in checkers if kind in one.handed_out)
            for kind in dict.fromkeys(kind for one in checkers for kind in one.handed_out)
        }
        self.messages = {ElectionMail: self._sent}
        self.effects = {Persist: self._persists}
        for kind in dict.fromkeys(kind for one in checkers for kind in one.seen):
            tell = self._teller(tuple(one.seen[kind] for one in checkers if kind in one.seen))
            if issubclass(kind, Message):
                self.messages[kind] = tell
            else:
                self.events[kind] = self.effects[kind] = tell
        self.occurrences = {
            WorkerBegan: self._began,
            WorkerEnded: self._ended,
            DiskWritten: self._written,
            DiskHarmed: self._harmed,
        }

    def _teller(self, sees: tuple[Callable[[Server, Step, Any], None], ...]) -> Seen:
        def tell(step: Step, thing: object) -> None:
            server = self.servers[step.life]
            for see in sees:
                see(server, step, thing)

        return tell

    def _began(self, at: int, began: WorkerBegan) -> None:
        self._members[began.worker] = began.member
        disk = self.disks[began.member] = Disk(began.member, began.stored)
        server = self.servers[began.life] = Server(began, disk)
        for checker in self.checkers:
            checker.began(server)

    def _ended(self, at: int, ended: WorkerEnded) -> None:
        self.servers.pop(ended.life, None)

    def _harmed(self, at: int, harmed: DiskHarmed) -> None:
        member = self._members.get(harmed.worker)
        if member is not None:
            self.disks[member].harmed = True
            for checker in self.checkers:
                checker.harmed(member)

    def _sent(self, step: Step, send: Send) -> None:
        mail = send.message
        if type(mail) is not ElectionMail:
            return
        message = messages.decode(mail.payload)
        server = self.servers[step.life]
        kind = type(message)
        if isinstance(message, LEADERS_MAIL):
            self._leads(server, step, message)
        for see in self._mail.get(kind, ()):
            see(server, step, message)

    def _leads(self, server: Server, step: Step, message: LeadersMail) -> None:
        if message.term != server.leads:
            server.leads = message.term
            server.claimed = 0
            for checker in self.checkers:
                checker.leads(server, step)
        if type(message) is messages.AppendEntries and message.entries:
            server.log.put(message.entries)
        commit = 0 if isinstance(message, messages.InstallSnapshot) else message.commit
        if commit > server.claimed:
            server.claimed = commit
            for checker in self.checkers:
                checker.commits(server, step, commit)

    def _persists(self, step: Step, persist: Persist) -> None:
        server = self.servers[step.life]
        server.handouts += any(type(record) is AppendEntries for record in persist.records)
        for record in persist.records:
            kind = type(record)
            for see in self._handed_out.get(kind, ()):
                see(server, record)
            server.log.take(record)
            if server.leads and type(record) is SetFact and record.key == VOTE:
                newer = _vote.decode(record.value).term > server.leads
                server.leads = 0 if newer else server.leads
        for see in self._handed_out.get(Persist, ()):
            see(server, persist)

    def _written(self, at: int, written: DiskWritten) -> None:
        server = self.servers.get(written.life)
        if server is None:
            return
        for record in written.records:
            if type(record) is SetFact:
                if record.key == VOTE:
                    vote = _vote.decode(record.value)
                    for checker in self.checkers:
                        checker.voted(server, vote)
                    server.disk.vote = vote
            else:
                server.disk.log.take(record)
