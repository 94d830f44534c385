"""ZooKeeper through kazoo: its threads do the talking, everything is handed to the one event loop.

kazoo keeps the session alive and, when it has ended, begins another by itself; it retries no
request that is asked here. What it says in its threads arrives in its order.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_never, cast

from kazoo import exceptions as errors
from kazoo.client import KazooClient, TransactionRequest
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState, WatchedEvent
from kazoo.retry import KazooRetry
from kazoo.security import make_acl

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.placeholders import fill
from interrex.core.spec import ZooKeeper
from interrex.elections.interface import Ask, Noticed, Told
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import FOLDERS
from interrex.runtime.coordination.interface import Post

_OBJECTIONS: dict[type[Exception], q.Objection] = {
    errors.BadVersionError: q.Objection.VERSION,
    errors.NoNodeError: q.Objection.MISSING,
    errors.NodeExistsError: q.Objection.EXISTS,
}
_BYSTANDERS = (errors.RolledBackError, errors.RuntimeInconsistency)
_UNKNOWN_OUTCOMES = (
    errors.ConnectionLoss,
    errors.ConnectionClosedError,
    errors.SessionExpiredError,
    errors.OperationTimeoutError,
)
_SILENT = logging.getLogger("interrex.kazoo")
_SILENT.setLevel(logging.CRITICAL)


class ZooKeeperClient:
    """One ensemble's client. Implements ``CoordinationClient``.

    Args:
        options: servers and how to reach them.
        folder: the node that the cluster's own lie under.
        host: this machine, for the names of its certificate's files.
        post: takes answers and news.

    Raises:
        InterrexError: the password cannot be read.
    """

    def __init__(self, options: ZooKeeper, folder: str, host: HostName, post: Post) -> None:
        self._folder = folder.rstrip("/")
        self._post = post
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._granted_ms = 0
        self._resets: set[asyncio.Task[None]] = set()
        self._acl = [make_acl("sasl", options.user, all=True)] if options.user else None
        retry = KazooRetry(max_tries=-1, delay=0.05, backoff=2, max_delay=1.0)
        self._client = KazooClient(
            hosts=",".join(options.hosts),
            timeout=options.session,
            connection_retry=retry,
            logger=_SILENT,
            **_security(options, host),
        )
        self._note_granted_time()
        self._client.add_listener(self._state_changed)
        self._client.start_async()

    def ask(self, ask: Ask) -> None:
        """Begin to ask; ``Told`` is posted once, later."""
        request, question = ask.request, cast(q.Question, ask.question)
        if isinstance(question, q.Reset):
            task = self._loop.create_task(self._reset(request))
            self._resets.add(task)
            task.add_done_callback(self._resets.discard)
        elif not self._client.connected:
            failed = q.Failed(may_be_done=False, text="not connected with ZooKeeper")
            self._loop.call_soon(self._say, Told(request, failed))
        else:
            found = self._begin(question)
            found.rawlink(lambda result: self._hand(self._answered, request, question, result))

    async def close(self) -> None:
        """End the session; nothing is posted any more."""
        self._closed = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._client.stop()
        self._client.close()

    def _say(self, event: Told | Noticed) -> None:
        if not self._closed:
            self._post(event)

    def _hand(self, take: Callable[..., None], *arguments: Any) -> None:
        """From one of kazoo's threads to the event loop."""
        if not self._closed:
            self._loop.call_soon_threadsafe(take, *arguments)

    # Questions

    def _path(self, path: str) -> str:
        return f"{self._folder}/{path}"

    def _begin(self, question: q.Transact | q.Read | q.List | q.Sync) -> Any:
        match question:
            case q.Transact(operations):
                return self._transaction(operations).commit_async()
            case q.Read(path, watch):
                return self._client.get_async(self._path(path), self._fired if watch else None)
            case q.List(path):
                return self._client.get_children_async(self._path(path))
            case q.Sync():
                return self._client.sync_async(self._folder)
            case _:
                assert_never(question)

    def _transaction(self, operations: tuple[q.Operation, ...]) -> TransactionRequest:
        transaction = self._client.transaction()
        for operation in operations:
            path = self._path(operation.path)
            match operation:
                case q.Check(_, version):
                    transaction.check(path, version)
                case q.Create(_, data, ephemeral, sequential):
                    transaction.create(path, data, self._acl, ephemeral, sequential)
                case q.Write(_, data, version):
                    transaction.set_data(path, data, version)
                case q.Remove(_, version):
                    transaction.delete(path, version)
                case _:
                    assert_never(operation)
        return transaction

    def _answered(self, request: int, question: q.Question, result: Any) -> None:
        error = result.exception
        if error is None:
            answer = self._answer(question, result.value)
        elif isinstance(error, errors.NoNodeError):
            answer = q.Missing()
        else:
            text = str(error) or type(error).__name__
            answer = q.Failed(isinstance(error, _UNKNOWN_OUTCOMES), f"ZooKeeper: {text}")
        self._say(Told(request, answer))

    def _answer(self, question: q.Question, value: Any) -> q.Answer:
        match question:
            case q.Transact(operations):
                return self._transacted(operations, value)
            case q.Read():
                data, stat = value
                return q.Found(data or b"", q.Stat(stat.version, stat.mzxid))
            case q.List():
                return q.Names(tuple(sorted(value)))
            case q.Sync() | q.Reset():
                return q.Done()
            case _:
                assert_never(question)

    def _transacted(self, operations: tuple[q.Operation, ...], results: list[Any]) -> q.Answer:
        for at, result in enumerate(results):
            if isinstance(result, Exception) and not isinstance(result, _BYSTANDERS):
                objection = _OBJECTIONS.get(type(result))
                if objection is None:
                    return q.Failed(may_be_done=False, text=f"ZooKeeper: {result!r}")
                return q.NotHeld(at, objection)
        pairs = list(zip(operations, results, strict=True))
        created = [found for one, found in pairs if isinstance(one, q.Create)]
        written = [found for one, found in pairs if isinstance(one, q.Write)]
        return q.Transacted(
            tuple(path.removeprefix(f"{self._folder}/") for path in created),
            tuple(q.Stat(stat.version, stat.mzxid) for stat in written),
        )

    async def _reset(self, request: int) -> None:
        """Let kazoo end its session, and begin another."""
        await asyncio.to_thread(self._client.stop)
        if not self._closed:
            self._client.start_async()
            self._say(Told(request, q.Done()))

    # News

    def _note_granted_time(self) -> None:
        """kazoo keeps the time-out that ZooKeeper grants to itself, so it is read on its way."""
        connection = self._client._connection
        invoke = connection._invoke

        def noting(timeout_s: float, request: Any, xid: int | None = None) -> Any:
            answer = invoke(timeout_s, request, xid)
            if isinstance(request, Connect):
                self._granted_ms = answer[0].time_out
            return answer

        connection._invoke = noting

    def _state_changed(self, state: str) -> None:
        """In one of kazoo's threads."""
        if state == KazooState.CONNECTED:
            session = self._client.client_id[0]
            self._hand(self._connected, session, self._granted_ms)
        elif state == KazooState.SUSPENDED:
            self._hand(self._say, Noticed(q.Suspended()))
        else:
            self._hand(self._say, Noticed(q.Lost()))

    def _connected(self, session: int, granted_ms: int) -> None:
        """Before anything is asked under a session, the nodes are there that always are."""
        missing = set(FOLDERS)

        def made(name: str, result: Any) -> None:
            missing.discard(name)
            if result.exception is not None:
                _log.error("ZooKeeper: %s: %r", self._path(name), result.exception)
            elif not missing:
                self._say(Noticed(q.Connected(session, granted_ms)))

        def make(result: Any) -> None:
            for name in FOLDERS:
                found = self._client.ensure_path_async(self._path(name), self._acl)
                found.rawlink(lambda result, name=name: self._hand(made, name, result))

        found = self._client.ensure_path_async(self._folder, self._acl)
        found.rawlink(lambda result: self._hand(make, result))

    def _fired(self, event: WatchedEvent) -> None:
        """In one of kazoo's threads. A lost connection fires all watches, without a path."""
        if event.path is not None:
            path = event.path.removeprefix(f"{self._folder}/")
            self._hand(self._say, Noticed(q.Fired(path)))


_log = logging.getLogger(__name__)


def _security(options: ZooKeeper, host: HostName) -> dict[str, Any]:
    values = {"host": host}
    found: dict[str, Any] = {}
    if options.ca or options.certificate:
        found |= {"use_ssl": True, "ca": fill(options.ca, values) or None}
    if options.certificate:
        found |= {
            "certfile": fill(options.certificate, values),
            "keyfile": fill(options.key, values),
        }
    if options.user:
        try:
            password = Path(options.password_file).read_text().rstrip("\n")
        except OSError as error:
            raise InterrexError(
                f"the password of ZooKeeper's user {options.user} cannot be read: {error}"
            ) from error
        found["sasl_options"] = {
            "mechanism": "DIGEST-MD5",
            "username": options.user,
            "password": password,
        }
    return found
