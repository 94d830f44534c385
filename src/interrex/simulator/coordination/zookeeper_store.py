"""ZooKeeper in memory: nodes with versions, sessions that run out, and what each transaction did,
so that a server that lags behind can come after."""

from typing import NamedTuple, assert_never

import msgspec

from interrex.core.time import MS
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import ACTIVE, FOLDERS, Crumb

EPOCH_BITS = 32
"""So many bits of a zxid count what was done under one leader of the ensemble."""
FIRST_ZXID = 1 << EPOCH_BITS


class Node(NamedTuple):
    """A node's data, its version, who wrote it last, and the session that it is bound to."""

    data: bytes
    version: int
    modified: int
    owner: int = 0

    @property
    def stat(self) -> q.Stat:
        return q.Stat(self.version, self.modified)


Tree = dict[str, Node]


class Txn(NamedTuple):
    """What one transaction left of each node that it touched (None: nothing), and the session that
    ended with it."""

    zxid: int
    nodes: tuple[tuple[str, Node | None], ...]
    ended: int = 0


def first_tree() -> Tree:
    """The nodes that are always there."""
    return {name: Node(b"", 0, FIRST_ZXID) for name in FOLDERS}


def read(tree: Tree, question: q.Read | q.List) -> q.Answer:
    """What a server answers whose nodes these are."""
    match question:
        case q.Read(path):
            node = tree.get(path)
            return q.Missing() if node is None else q.Found(node.data, node.stat)
        case q.List(path) if path not in tree:
            return q.Missing()
        case q.List(path):
            start = f"{path}/"
            names = [name for name in tree if name.startswith(start)]
            return q.Names(tuple(sorted(name.removeprefix(start) for name in names)))
        case _:
            assert_never(question)


def apply_txn(tree: Tree, txn: Txn) -> None:
    """Let a server's nodes be as a transaction left them."""
    for path, node in txn.nodes:
        if node is None:
            tree.pop(path, None)
        else:
            tree[path] = node


class ZooKeeperStore:
    """One ensemble as its majority knows it. Times are ns of its own clock.

    Args:
        granted_ms: what every session gets, where ``grant`` does not say otherwise.
    """

    def __init__(self, granted_ms: int = 4000) -> None:
        self.granted_ms = granted_ms
        self.zxid = FIRST_ZXID
        self.nodes = first_tree()
        self.sessions: dict[int, int] = {}
        """When each ends."""
        self.history: list[Txn] = []
        self._granted: dict[int, int] = {}
        self._numbers = 0

    def new_session(self, session: int, now: int, granted_ms: int | None = None) -> None:
        """Begin a session."""
        self._granted[session] = granted_ms or self.granted_ms
        self.sessions[session] = now + self._granted[session] * MS

    def touch(self, session: int, now: int) -> None:
        """Its client was heard: it runs its whole time from now on."""
        if session in self.sessions:
            self.sessions[session] = now + self._granted[session] * MS

    def renew_all(self, now: int) -> None:
        """Another server leads: every session runs its whole time from now on."""
        for session in self.sessions:
            self.touch(session, now)

    def end(self, session: int) -> None:
        """A session is over, and its nodes go."""
        if self.sessions.pop(session, None) is not None:
            del self._granted[session]
            gone = [path for path, node in self.nodes.items() if node.owner == session]
            self._commit([(path, None) for path in gone], session)

    @property
    def ends(self) -> list[int]:
        """When each session runs out."""
        return list(self.sessions.values())

    def expire(self, now: int) -> list[int]:
        """Let sessions run out that are due.

        Returns:
            The epochs whose leaders held one of them.
        """
        due = [session for session, end in self.sessions.items() if now >= end]
        epoch, holder = self.holder() if due else (0, 0)
        epochs = [epoch for session in due if epoch and session == holder]
        for session in due:
            self.end(session)
        return epochs

    def holder(self) -> tuple[int, int]:
        """The epoch of whoever leads, and its session; 0 for nobody."""
        active = self.nodes.get(ACTIVE)
        if active is None or not active.data:
            return 0, 0
        crumb = msgspec.json.decode(active.data, type=Crumb)
        leads = not crumb.released and crumb.node in self.nodes
        return (active.modified, crumb.session) if leads else (0, 0)

    def put_back(self) -> None:
        """Another server leads what is restored: zxids begin with the next epoch of its own."""
        self.zxid = ((self.zxid >> EPOCH_BITS) + 1) << EPOCH_BITS

    def answer(self, session: int, question: q.Question, now: int) -> q.Answer:
        """Do what is asked, now, through a server that lags behind nobody."""
        self.expire(now)
        if session not in self.sessions:
            return q.Failed(may_be_done=False, text="session expired")
        self.touch(session, now)
        match question:
            case q.Read() | q.List():
                return read(self.nodes, question)
            case q.Sync() | q.Reset():
                return q.Done()
            case q.Transact(operations):
                return self.transact(session, operations)
            case _:
                assert_never(question)

    def transact(self, session: int, operations: tuple[q.Operation, ...]) -> q.Answer:
        """All of it or nothing, each operation on what those before it have left."""
        zxid = self.zxid + 1
        tree: dict[str, Node | None] = {}
        created, written = [], []
        for at, operation in enumerate(operations):
            path = operation.path
            node = tree[path] if path in tree else self.nodes.get(path)
            objection = _objection(operation, node)
            if objection is not None:
                return q.NotHeld(at, objection)
            match operation:
                case q.Check():
                    continue
                case q.Create(_, data, ephemeral, sequential):
                    if sequential:
                        path = f"{path}{self._numbers:010d}"
                        self._numbers += 1
                    tree[path] = Node(data, 0, zxid, session if ephemeral else 0)
                    created.append(path)
                case q.Write(_, data):
                    assert node is not None
                    after = Node(data, node.version + 1, zxid, node.owner)
                    tree[path] = after
                    written.append(after.stat)
                case q.Remove():
                    tree[path] = None
                case _:
                    assert_never(operation)
        self._commit(list(tree.items()))
        return q.Transacted(tuple(created), tuple(written))

    def _commit(self, nodes: list[tuple[str, Node | None]], ended: int = 0) -> None:
        self.zxid += 1
        txn = Txn(self.zxid, tuple(nodes), ended)
        apply_txn(self.nodes, txn)
        self.history.append(txn)


def _objection(operation: q.Operation, node: Node | None) -> q.Objection | None:
    if isinstance(operation, q.Create):
        taken = node is not None and not operation.sequential
        return q.Objection.EXISTS if taken else None
    if node is None:
        return q.Objection.MISSING
    fits = operation.version in (-1, node.version)
    return None if fits else q.Objection.VERSION
