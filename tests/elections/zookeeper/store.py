"""ZooKeeper in memory: nodes with versions, sessions that run out, watches that fire once."""

from typing import assert_never

from interrex.core.time import MS
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import FOLDERS


class Node:
    """A node's data, its version, who wrote it last, and the session that it is bound to."""

    def __init__(self, data: bytes, zxid: int, owner: int = 0) -> None:
        self.data = data
        self.version = 0
        self.modified = zxid
        self.owner = owner

    @property
    def stat(self) -> q.Stat:
        return q.Stat(self.version, self.modified)


class Store:
    """One ensemble as its clients see it. Times are ns."""

    def __init__(self, granted_ms: int = 4000) -> None:
        self.granted_ms = granted_ms
        self.zxid = 1 << 32
        self.nodes = {name: Node(b"", self.zxid) for name in FOLDERS}
        self.sessions: dict[int, int] = {}
        self.numbers = 0
        self.changed: list[str] = []
        """The paths of nodes that were changed since somebody asked."""

    def new_session(self, session: int, now: int) -> None:
        self.sessions[session] = now + self.granted_ms * MS

    def touch(self, session: int, now: int) -> None:
        if session in self.sessions:
            self.sessions[session] = now + self.granted_ms * MS

    def end(self, session: int) -> None:
        if self.sessions.pop(session, None) is not None:
            self.zxid += 1
            for path in [path for path, node in self.nodes.items() if node.owner == session]:
                del self.nodes[path]
                self.changed.append(path)

    def expire(self, now: int) -> None:
        for session, end in list(self.sessions.items()):
            if now >= end:
                self.end(session)

    def answer(self, session: int, question: q.Question, now: int) -> q.Answer:
        self.expire(now)
        if session not in self.sessions:
            return q.Failed(may_be_done=False, text="session expired")
        self.touch(session, now)
        match question:
            case q.Read(path):
                node = self.nodes.get(path)
                return q.Missing() if node is None else q.Found(node.data, node.stat)
            case q.List(path):
                start = f"{path}/"
                names = [name for name in self.nodes if name.startswith(start)]
                return q.Names(tuple(sorted(name.removeprefix(start) for name in names)))
            case q.Sync() | q.Reset():
                return q.Done()
            case q.Transact(operations):
                return self._transact(session, operations)
            case _:
                assert_never(question)

    def _transact(self, session: int, operations: tuple[q.Operation, ...]) -> q.Answer:
        for at, operation in enumerate(operations):
            objection = self._objection(operation)
            if objection is not None:
                return q.NotHeld(at, objection)
        self.zxid += 1
        created, written = [], []
        for operation in operations:
            match operation:
                case q.Check():
                    continue
                case q.Create(path, data, ephemeral, sequential):
                    if sequential:
                        path = f"{path}{self.numbers:010d}"
                        self.numbers += 1
                    self.nodes[path] = Node(data, self.zxid, session if ephemeral else 0)
                    created.append(path)
                    self.changed.append(path)
                case q.Write(path, data):
                    node = self.nodes[path]
                    node.data, node.version, node.modified = data, node.version + 1, self.zxid
                    written.append(node.stat)
                    self.changed.append(path)
                case q.Remove(path):
                    del self.nodes[path]
                    self.changed.append(path)
                case _:
                    assert_never(operation)
        return q.Transacted(tuple(created), tuple(written))

    def _objection(self, operation: q.Operation) -> q.Objection | None:
        node = self.nodes.get(operation.path)
        if isinstance(operation, q.Create):
            taken = node is not None and not operation.sequential
            return q.Objection.EXISTS if taken else None
        if node is None:
            return q.Objection.MISSING
        fits = operation.version in (-1, node.version)
        return None if fits else q.Objection.VERSION
