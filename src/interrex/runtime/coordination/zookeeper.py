"""An election's questions to ZooKeeper, one attempt each; kazoo retries none of them."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, assert_never, cast

from kazoo import exceptions as errors
from kazoo.client import TransactionRequest
from kazoo.protocol.states import WatchedEvent

from interrex.core.errors import InterrexError
from interrex.elections.interface import Ask, Noticed, Told
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import FOLDERS
from interrex.runtime.coordination.interface import BadCredentials, Post
from interrex.runtime.coordination.zookeeper_session import (
    REFUSED_S,
    ZooKeeperConnection,
    in_one_line,
    unserved,
)

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
_FORBIDDEN = (errors.NoAuthError, errors.InvalidACLError)
_log = logging.getLogger(__name__)


def _log_refusal(error: InterrexError) -> None:
    _log.error("%s", in_one_line(error))


class ZooKeeperClient:
    """One election's questions. Implements ``CoordinationClient``.

    Args:
        connection: with the ensemble.
        folder: the node that the election's own lie under.
        post: takes answers and news.
        shares: whether the connection is others' too, and is not to be closed.
        refused: takes the reason when ZooKeeper is not to be led by, lets this user not in, or not
            under the folder; it is tried again all the same.
    """

    def __init__(
        self,
        connection: ZooKeeperConnection,
        folder: str,
        post: Post,
        *,
        shares: bool = False,
        refused: Callable[[InterrexError], None] = _log_refusal,
    ) -> None:
        self._connection = connection
        self._folder = folder.rstrip("/")
        self._post = post
        self._shares = shares
        self.refused = refused
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._is_forbidden = False
        self._again: asyncio.TimerHandle | None = None
        self._resets: set[asyncio.Task[None]] = set()
        connection.join(self)

    def ask(self, ask: Ask) -> None:
        """Begin to ask; ``Told`` is posted once, later."""
        request, question = ask.request, cast(q.Question, ask.question)
        if isinstance(question, q.Reset):
            task = self._loop.create_task(self._reset(request))
            self._resets.add(task)
            task.add_done_callback(self._resets.discard)
        elif not self._connection.kazoo.connected:
            failed = q.Failed(may_be_done=False, text="not connected with ZooKeeper")
            self._loop.call_soon(self.say, Told(request, failed))
        else:
            found = self._begin(question)
            found.rawlink(
                lambda result: self._connection.hand(self._answered, request, question, result)
            )

    async def close(self) -> None:
        """Nothing is posted any more; what is only this election's ends."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        self._connection.leave(self)
        if not self._shares:
            await self._connection.close()

    def say(self, event: Told | Noticed) -> None:
        """Post, unless it was closed."""
        if not self._closed:
            self._post(event)

    # Questions

    def _path(self, path: str) -> str:
        return f"{self._folder}/{path}"

    def _begin(self, question: q.Transact | q.Read | q.List | q.Sync) -> Any:
        match question:
            case q.Transact(operations):
                return self._transaction(operations).commit_async()
            case q.Read(path, watch):
                return self._connection.kazoo.get_async(
                    self._path(path), self._fired if watch else None
                )
            case q.List(path, watch):
                watcher = self._fired if watch else None
                return self._connection.kazoo.get_children_async(self._path(path), watcher)
            case q.Sync():
                return self._connection.kazoo.sync_async(self._folder)
            case _:
                assert_never(question)

    def _transaction(self, operations: tuple[q.Operation, ...]) -> TransactionRequest:
        transaction = self._connection.kazoo.transaction()
        for operation in operations:
            path = self._path(operation.path)
            match operation:
                case q.Check(_, version):
                    transaction.check(path, version)
                case q.Create(_, data, ephemeral, sequential):
                    transaction.create(path, data, self._connection.acl, ephemeral, sequential)
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
            if isinstance(error, _FORBIDDEN):
                self._forbidden(error)
            text = f"ZooKeeper: {str(error) or type(error).__name__}"
            is_unknown = isinstance(error, _UNKNOWN_OUTCOMES)
            answer = q.Failed(is_unknown, text, refused=not is_unknown)
        self.say(Told(request, answer))

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
                    if isinstance(result, _FORBIDDEN):
                        self._forbidden(result)
                    return q.Failed(False, f"ZooKeeper: {result!r}", refused=True)
                return q.NotHeld(at, objection)
        pairs = list(zip(operations, results, strict=True))
        created = [found for one, found in pairs if isinstance(one, q.Create)]
        written = [found for one, found in pairs if isinstance(one, q.Write)]
        return q.Transacted(
            tuple(path.removeprefix(f"{self._folder}/") for path in created),
            tuple(q.Stat(stat.version, stat.mzxid) for stat in written),
        )

    async def _reset(self, request: int) -> None:
        """Let the session end, and another begin."""
        await self._connection.reset()
        self.say(Told(request, q.Done()))

    # News

    def connected(self, session: int, granted_ms: int) -> None:
        """Before anything is asked under a session, the nodes are there that always are. As long
        as they cannot be made it is tried again."""
        connection = self._connection
        missing = set(FOLDERS)
        failed: list[str] = []

        def made(name: str, result: Any) -> None:
            missing.discard(name)
            error = result.exception
            if isinstance(error, _FORBIDDEN):
                self.say(Noticed(unserved(self._forbidden(error))))
            if error is not None:
                failed.append(name)
                # A lost connection fails all of them; that and a refusal are told by themselves.
                told = (*_UNKNOWN_OUTCOMES, *_FORBIDDEN, errors.AuthFailedError)
                is_told = isinstance(error, told) or len(failed) > 1
                _log.log(
                    logging.DEBUG if is_told else logging.WARNING,
                    "ZooKeeper: %s cannot be made: %r",
                    self._path(name),
                    error,
                )
            if missing:
                return
            if failed:
                self._again = self._loop.call_later(REFUSED_S, again)
            else:
                self._is_forbidden = False
                connection.let_in()
                self.say(Noticed(q.Connected(session, granted_ms)))

        def again() -> None:
            if connection.serves(session):
                self.connected(session, granted_ms)

        def make(result: Any) -> None:
            for name in FOLDERS:
                found = connection.kazoo.ensure_path_async(self._path(name), connection.acl)
                found.rawlink(lambda result, name=name: connection.hand(made, name, result))

        found = connection.kazoo.ensure_path_async(self._folder, connection.acl)
        found.rawlink(lambda result: connection.hand(make, result))

    def _forbidden(self, error: Exception) -> InterrexError:
        """Said once for a session's many questions."""
        user = self._connection.user
        shown = f"{user!r}" if user else "who shows no user"
        why = type(error).__name__
        found = BadCredentials(
            f"ZooKeeper refuses {shown} the nodes under {self._folder}: {why}\n"
            "let it do everything there (setAcl), or choose another root"
        )
        if not self._is_forbidden:
            self._is_forbidden = True
            self.refused(found)
        return found

    def _fired(self, event: WatchedEvent) -> None:
        """In one of kazoo's threads. A lost connection fires all watches, without a path."""
        if event.path is not None:
            path = event.path.removeprefix(f"{self._folder}/")
            self._connection.hand(self.say, Noticed(q.Fired(path)))
