"""``interrex:///CLUSTER/NAME``: a named leadership, asked of this host's part of a fleet.

The program keeps a connection with one worker of its host, any of them, and moves to the next when
that one goes; its ticket, and so its leadership, survives the move. Its process's death is proved
by the kernel to that worker, and the next one leads at once; a program that is only silent or cut
off keeps its leadership to the end of its lease.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.library.errors import (
    ElectionError,
    IdentityTaken,
    MalformedUrl,
    NoCluster,
    Refused,
    WrongVersion,
)
from interrex.library.standing import Standing
from interrex.library.urls import ElectionUrl
from interrex.runtime.clock import now_ns
from interrex.runtime.contest_words import (
    MAX_REPLY,
    VERSION,
    Ended,
    Follow,
    Leads,
    NotHere,
    Now,
    Reply,
    StandDown,
    StandFor,
    StillHere,
    Word,
    decode_reply,
    encode_word,
)
from interrex.runtime.frames import BadFrame, FrameReader, encode_frame
from interrex.runtime.layout import Layout, state_root
from interrex.runtime.lifeline import NO_LIFELINE, hold_lifeline
from interrex.runtime.peer_socket import connect_unix
from interrex.worker.guardian import CANDIDATE_LEASE

BEAT_S = CANDIDATE_LEASE / 4 / S
AGAIN_S = 0.02
PATIENCE_S = 10.0
LAST_WORDS_S = 2.0


def local_candidate(
    url: ElectionUrl, identity: str, priority: int, standing: Standing
) -> "LocalCandidate":
    """Raises MalformedUrl, UnknownOption."""
    url.only("state", "patience")
    if url.addresses or len(url.path) != 2:
        raise MalformedUrl(url.text, "it is to be interrex:///CLUSTER/NAME")
    cluster, contest = url.path
    state = url.options.get("state")
    layout = Layout(state_root(None if state is None else Path(state)), cluster)
    patience = url.duration("patience", PATIENCE_S, 0)
    return LocalCandidate(layout, contest, identity, priority, standing, patience)


class LocalCandidate:
    """Implements ``interrex.library.standing.Backend`` with the workers of this host."""

    lease = CANDIDATE_LEASE

    def __init__(
        self,
        layout: Layout,
        contest: str,
        identity: str,
        priority: int,
        standing: Standing,
        patience: float,
    ) -> None:
        self._layout = layout
        self._patience = patience
        self._follow = Follow(VERSION, contest, identity, priority, own_lifeline())
        self._standing = standing
        self._ticket = ""
        self._waiting: tuple[str, ...] = ()
        self._writer: asyncio.WriteTransport | None = None
        self._downs: dict[str, StandDown] = {}
        """Withdrawals that no worker has said to be done, by their ticket."""
        self._keeping: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._joined = asyncio.Event()
        self._failures = 0
        """How many workers in a row could not be talked to."""
        self._tried = WorkerName("")
        """The last worker that another one named as the better one to talk to."""

    async def open(self) -> None:
        """Raises NoCluster, WrongVersion, Refused."""
        if not self._layout.worker_names():
            raise NoCluster(
                f"there is no cluster {self._layout.cluster} in {self._layout.root}\n"
                "start it with: interrex up FILE; or name its folder: ?state=DIR"
            )
        loop = asyncio.get_running_loop()
        self._keeping = loop.create_task(self._keep_connected())
        self._beating = loop.create_task(self._beat())
        try:
            async with asyncio.timeout(self._patience):
                while not self._joined.is_set() and self._standing.failure is None:
                    await self._standing.changed()
        except TimeoutError:
            self._standing.fail(
                NoCluster(
                    f"no worker of {self._layout.cluster} in {self._layout.root} has answered "
                    f"within {self._patience:g} s (option patience)\n"
                    "look at it with: interrex status; start it with: interrex up FILE"
                )
            )
        except asyncio.CancelledError:
            await self.close()
            raise
        if self._standing.failure is not None:
            await self.close()
            raise self._standing.failure

    async def close(self) -> None:
        """Give up what is held, and wait a little until a worker has said so: it may not read what
        it was told last, once it has found this end closed."""
        self.withdraw()
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                while self._downs and self._writer is not None:
                    await self._standing.changed()
        except TimeoutError:
            pass  # its lease runs out
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        tasks = [task for task in (self._keeping, self._beating) if task is not None]
        if self._writer is not None:
            self._writer.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stand(self) -> None:
        self._ticket = secrets.token_hex(12)
        self._say(StandFor(self._ticket, now_ns()))

    def withdraw(self, successor: str | None = None) -> None:
        self._standing.end("it was given up")
        if self._ticket:
            down = self._downs[self._ticket] = StandDown(self._ticket, successor or "")
            self._ticket = ""
            self._say(down)

    def waiting(self) -> list[str]:
        return list(self._waiting)

    def _say(self, word: Word) -> bool:
        if self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(encode_frame(encode_word(word)))
        return True

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if self._ticket:
                self._say(StillHere(self._ticket, now_ns()))

    async def _keep_connected(self) -> None:
        """One worker after the other, until one gives an answer that is final."""
        worker: WorkerName | None = None
        while True:
            names = self._layout.worker_names()
            if worker is None:
                await asyncio.sleep(AGAIN_S if self._failures >= len(names) else 0)
                worker = names[self._failures % len(names)] if names else None
            else:
                try:
                    worker = await self._converse(worker)
                except ElectionError as error:
                    self._standing.fail(error)
                    return
                except (OSError, EOFError, BadFrame, msgspec.MsgspecError):
                    # It has gone, or is no worker: the next one.
                    self._failures += 1
                    worker = None

    async def _converse(self, worker: WorkerName) -> WorkerName:
        """Talk to one worker until it ends, or names a better one, which is returned."""
        replies = _Replies(partial(self._take, worker))
        sock = connect_unix(self._layout.lead_socket(worker))
        try:
            loop = asyncio.get_running_loop()
            replies.writer, _ = await loop.create_unix_connection(lambda: replies, sock=sock)
            replies.writer.write(encode_frame(encode_word(self._follow)))
            return await replies.ended
        finally:
            self._writer = None
            replies.close()

    def _take(self, worker: WorkerName, replies: "_Replies", reply: Reply) -> WorkerName | None:
        """One reply of a worker's; returns the one to talk to instead."""
        if self._writer is None:
            if isinstance(reply, Now) and reply.nearest not in ("", worker, self._tried):
                self._tried = WorkerName(reply.nearest)
                return self._tried
            self._on_first(replies.writer)
        self._on_reply(reply)
        return None

    def _on_first(self, writer: asyncio.WriteTransport | None) -> None:
        """This worker it is: lay down what is not wanted any more, and claim what is held."""
        self._failures = 0
        self._writer = writer
        for down in self._downs.values():
            # The last worker may have died with it unread. This one hears of the ticket first.
            self._say(StandFor(down.ticket, now_ns()))
            self._say(down)
        if self._ticket:
            self._say(StandFor(self._ticket, now_ns()))

    def _on_reply(self, reply: Reply) -> None:
        match reply:
            case Now(leader, epoch, waiting):
                self._waiting = waiting
                self._standing.saw(leader, epoch)
                self._joined.set()
                self._standing.wake()
            case Leads(ticket, epoch, deadline) if ticket == self._ticket:
                held = self._standing.leadership
                if held is not None and held.epoch == epoch:
                    self._standing.renew(deadline)
                elif deadline > now_ns():
                    self._standing.saw(self._follow.identity, epoch)
                    self._standing.grant(epoch, deadline)
            case Ended(ticket, reason, taken_by) if ticket == self._ticket:
                self._on_ended(reason, taken_by)
            case Ended(ticket):
                self._downs.pop(ticket, None)
                self._standing.wake()
            case NotHere(_, version) if version:
                raise WrongVersion(VERSION, version, "this host's worker")
            case NotHere(reason):
                raise Refused(f"the fleet gives this program no leadership: {reason}")
            case _:
                return  # it is about a ticket that was laid down

    def _on_ended(self, reason: str, taken_by: str) -> None:
        self._ticket = ""
        if taken_by:
            me = f"this process ({os.getpid()})"
            self._standing.fail(IdentityTaken(self._follow.identity, me, taken_by))
        elif self._standing.leadership is None:
            self.stand()
        else:
            self._standing.end(reason)


class _Replies(asyncio.Protocol):
    """A worker's replies, each taken as it arrives: no task is woken in between.

    Args:
        take: takes this and a reply, and returns the worker to talk to instead, if any.
    """

    def __init__(self, take: "Callable[[_Replies, Reply], WorkerName | None]") -> None:
        self._take = take
        self._reader = FrameReader(MAX_REPLY)
        self.writer: asyncio.WriteTransport | None = None
        self.ended: asyncio.Future[WorkerName] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while not self.ended.done() and (frame := self._reader.next_frame()) is not None:
                better = self._take(self, decode_reply(frame))
                if better is not None:
                    self.ended.set_result(better)
        except (ElectionError, BadFrame, msgspec.MsgspecError) as error:
            self.ended.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or EOFError("the worker has ended the connection"))

    def close(self) -> None:
        """Take no more."""
        self.ended.cancel()
        if self.writer is not None:
            self.writer.close()


def own_lifeline() -> int:
    """Where a worker may wait for this process's death; only its main thread can hold it."""
    if threading.current_thread() is not threading.main_thread():
        return NO_LIFELINE
    return _held_lifeline()


_held_lifeline = cache(hold_lifeline)
