"""One connection to a peer: frames, the greeting, and bounded buffers, as an asyncio.Protocol."""

import asyncio
import os
from enum import Enum
from typing import Protocol, cast

import msgspec

from interrex.core.ids import WorkerName
from interrex.runtime.frames import MAX_FRAME, BadFrame, FrameReader, encode_frame
from interrex.runtime.greeting import (
    MAX_GREETING,
    Began,
    Greeting,
    Hello,
    Refused,
    Welcome,
    decode_greeting,
    encode_greeting,
)
from interrex.runtime.peer_socket import Credentials

YOUNG_S = 1.0


class Role(Enum):
    """Who opened the connection, and for what."""

    DIALER = "dialer"
    KNOCKER = "knocker"
    ACCEPTOR = "acceptor"


class Limits(msgspec.Struct, frozen=True):
    """What a peer may cost.

    Args:
        frame_bytes: the longest message.
        unsent_bytes: how much may wait for a peer that does not read, before it is cut off.
        greeting_s: seconds until a new connection must have been greeted.
        strangers: accepted connections that have not greeted; one more cuts the oldest off.
    """

    frame_bytes: int = MAX_FRAME
    unsent_bytes: int = 8 * MAX_FRAME
    greeting_s: float = 2.0
    strangers: int = 64


class LinkOwner(Protocol):
    """What a link asks of and tells the transport it belongs to."""

    @property
    def hello(self) -> Hello:
        """What this worker says of itself."""

    def hello_to(self, peer: WorkerName | None) -> Hello:
        """What it says to a peer that it calls."""

    @property
    def limits(self) -> Limits: ...

    def judge(self, link: "Link", hello: Hello) -> str:
        """Why this Hello is refused on this link; empty when it is believed."""

    def refusal(self, link: "Link", hello: Hello, reason: str) -> Refused | Began:
        """What to answer a Hello that is refused."""

    def link_refused(self, link: "Link", refusal: Refused) -> None:
        """The peer does not believe this worker."""

    def link_told(self, link: "Link", began: Began) -> None:
        """Whoever was called says how the cluster began, which this worker would begin anew."""

    def link_up(self, link: "Link") -> None:
        """Both sides believe each other."""

    def link_knocked(self, link: "Link", hello: Hello) -> None:
        """A believed peer asks to be dialed."""

    def link_read(self, link: "Link") -> None:
        """Something was received: messages may follow, and then ``link_done``."""

    def link_message(self, link: "Link", payload: bytes) -> None: ...

    def link_done(self, link: "Link") -> None:
        """All that was received just now has been handed up."""

    def link_filled(self, link: "Link") -> None:
        """It has something to be written by ``flush``."""

    def link_faulted(self, link: "Link", kind: str, reason: str) -> None:
        """The link is being ended for this reason; ``kind`` is a counter's name."""

    def link_closed(self, link: "Link") -> None:
        """Exactly once for every link, and its last call."""


class Link(asyncio.Protocol):
    """One connection.

    Args:
        owner: told of everything.
        role: who dialed.
        expected: the worker that was dialed, None for an accepted connection.
        credentials: of the process at the other end, where the socket is a Unix socket.
    """

    def __init__(
        self,
        owner: LinkOwner,
        role: Role,
        expected: WorkerName | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.role = role
        self.expected = expected
        self.credentials = credentials
        self.peer: Hello | None = None
        self.is_up = False
        self.certificate: dict[str, object] | None = None
        loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[bool] = loop.create_future()
        """Whether the greeting succeeded; set when the link is up or ends."""
        self._owner = owner
        self._loop = loop
        # Whom we call has proved who it is, and may have to say how the cluster began.
        self._reader = FrameReader(
            MAX_GREETING if role is Role.ACCEPTOR else owner.limits.frame_bytes
        )
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._up_at = 0.0
        self._ended = False
        self._greeting_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.certificate = transport.get_extra_info("peercert")
        self._transport.set_write_buffer_limits(high=self._owner.limits.unsent_bytes)
        if self._ended:
            self._transport.abort()
            return
        self._greeting_timer = self._loop.call_later(
            self._owner.limits.greeting_s, self._greeting_overdue
        )
        if self.role is not Role.ACCEPTOR:
            knock = self.role is Role.KNOCKER
            hello = self._owner.hello_to(self.expected)
            self._greet(msgspec.structs.replace(hello, knock=knock))

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._reader.feed(data)
        self._owner.link_read(self)
        try:
            while (frame := self._next_frame()) is not None:
                if self.is_up:
                    self._owner.link_message(self, frame)
                else:
                    self._on_greeting(decode_greeting(frame))
        except BadFrame as error:
            self.fault("bad_frames", f"it announced {error}")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.fault("bad_greetings", f"its greeting is malformed: {error}")
        finally:
            self._owner.link_done(self)

    def _next_frame(self) -> bytes | None:
        """None too once the link was ended by what the last frame said."""
        return None if self._ended else self._reader.next_frame()

    def _on_greeting(self, greeting: Greeting) -> None:
        match self.role, greeting:
            case _, Refused():
                self._owner.link_refused(self, greeting)
                self.fault("refused_by_peer", f"it refuses this worker: {greeting.reason[:300]}")
            case Role.DIALER | Role.KNOCKER, Began():
                self._owner.link_told(self, greeting)
                self.fault("refused_by_peer", "the cluster has begun already")
            case Role.DIALER, Hello():
                if self._believe(greeting):
                    self._greet(Welcome())
                    self._become_up()
            case Role.ACCEPTOR, Hello() if self.peer is None:
                if self._believe(greeting):
                    self._answer(greeting)
            case Role.ACCEPTOR, Welcome() if self.peer is not None:
                self._become_up()
            case Role.KNOCKER, Welcome():
                self._settle(True)
                self.close()
            case _:
                self.fault("bad_greetings", "its greeting comes out of turn")

    def _believe(self, hello: Hello) -> bool:
        reason = self._owner.judge(self, hello)
        if reason:
            self._greet(self._owner.refusal(self, hello, reason))
            self.fault("refused", reason)
            return False
        self.peer = msgspec.structs.replace(hello, known=None)
        return True

    def _answer(self, hello: Hello) -> None:
        if hello.knock:
            self._greet(Welcome())
            self._owner.link_knocked(self, hello)
            self.close()
        else:
            self._greet(self._owner.hello)

    def _become_up(self) -> None:
        self._stop_greeting_timer()
        self._reader.limit = self._owner.limits.frame_bytes
        self.is_up = True
        self._up_at = self._loop.time()
        self._settle(True)
        self._owner.link_up(self)

    def _greet(self, greeting: Greeting) -> None:
        if self._transport:
            self._transport.write(encode_frame(encode_greeting(greeting)))

    def _greeting_overdue(self) -> None:
        self.fault("greetings_overdue", "it did not greet in time")

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection underneath, greeted or not."""
        return self._transport is not None

    @property
    def is_young(self) -> bool:
        """Whether the greeting succeeded a moment ago."""
        return self._loop.time() - self._up_at < YOUNG_S

    def send(self, payload: bytes) -> bool:
        """Sends a message together with all others until the owner flushes.

        Returns:
            False when the link is not up, or ends because the peer does not read.
        """
        if not self.is_up or self._ended or self._transport is None:
            return False
        if not self._unsent:
            self._owner.link_filled(self)
        self._unsent.append(len(payload).to_bytes(4, "big"))
        self._unsent.append(payload)
        return True

    def flush(self) -> None:
        """One write for everything that was sent and has not been written yet."""
        if self._ended or self._transport is None or not self._unsent:
            return
        data = b"".join(self._unsent)
        self._unsent.clear()
        if self._transport.get_write_buffer_size() + len(data) > self._owner.limits.unsent_bytes:
            self.fault("slow_readers", "it does not read what it is sent")
            return
        self._transport.write(data)

    def fault(self, kind: str, reason: str) -> None:
        """Ends the link for a fault of the peer's, after what was written if it is greeting."""
        if self._ended:
            return
        self._owner.link_faulted(self, kind, reason)
        if kind == "refused":
            self.close()
        else:
            self.abort()

    def close(self) -> None:
        """Ends the link once what was sent is written, but within the greeting's time."""
        if self._ended:
            return
        self.flush()
        self._ended = True
        if self._transport:
            self._transport.close()
            self._stop_greeting_timer()
            self._greeting_timer = self._loop.call_later(
                self._owner.limits.greeting_s, self._transport.abort
            )

    def abort(self) -> None:
        """Ends the link now; what was not written is lost."""
        self._ended = True
        if self._transport:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.discard()

    def discard(self) -> None:
        """Ends a link that has no connection: it was lost, or never came about."""
        self._ended = True
        self._stop_greeting_timer()
        self._settle(False)
        self._unsent.clear()
        if pidfd := self.take_pidfd():
            os.close(pidfd)
        self._owner.link_closed(self)

    def take_pidfd(self) -> int | None:
        """The other process's pidfd, at most once; the caller closes it."""
        pidfd = self.credentials.pidfd if self.credentials else None
        if self.credentials:
            self.credentials = self.credentials._replace(pidfd=None)
        return pidfd

    def _settle(self, greeted: bool) -> None:
        if not self.settled.done():
            self.settled.set_result(greeted)

    def _stop_greeting_timer(self) -> None:
        if self._greeting_timer:
            self._greeting_timer.cancel()
            self._greeting_timer = None
