"""The connections between the members of an embedded election: one between any two of them.

The one that is listed first dials, and greets first. A newer connection with a member takes the
place of an older one, whose frames count no more once the newer one's greeting was believed.
"""

import asyncio
import logging
import secrets
import socket
from contextlib import suppress
from typing import Protocol, cast

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.core.spec import Tls
from interrex.library.embedded.options import Options, host_and_port
from interrex.library.embedded.words import (
    MAX_GREETING,
    Founded,
    Greeting,
    Mail,
    NotBelieved,
    Proof,
    Session,
    Stance,
    Word,
    decode_word,
    encode_word,
)
from interrex.library.errors import BadCertificates, CannotListen
from interrex.runtime.frames import MAX_FRAME, BadFrame, FrameReader, encode_frame
from interrex.runtime.peer_socket import listen_tcp
from interrex.runtime.peer_tls import TlsContexts, tls_contexts

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.02
MAX_DELAY_S = 1.0
GREETING_S = 2.0
MAX_STRANGERS = 64


class MeshOwner(Protocol):
    """What the mesh asks of and tells its member."""

    def greeting(self, nonce: bytes) -> Greeting:
        """What this member says of itself just now."""

    def judge(self, greeting: Greeting) -> NotBelieved | None:
        """Why a greeting is not believed; None when it is."""

    def unproved(self, mine: Greeting, theirs: Greeting) -> None:
        """The sender of ``theirs`` does not know this member's secret; ``mine`` answered it."""

    def refused(self, peer: str, refusal: NotBelieved) -> None:
        """Another does not believe this member's greeting."""

    def connected(self, peer: WorkerName, greeting: Greeting) -> None: ...

    def heard(self, peer: WorkerName, word: Mail | Stance | Founded) -> None: ...

    def lost(self, peer: WorkerName) -> None: ...


class Mesh:
    """This member's connections. Made, used and closed on the event loop.

    Raises:
        BadCertificates: the TLS files cannot be used.
        CannotListen: the own address is not to be had.
    """

    def __init__(self, options: Options, owner: MeshOwner) -> None:
        self.options = options
        self.owner = owner
        self._contexts = None if options.tls is None else _contexts(options.tls)
        self._sock = _listening(options.me)
        self._server: asyncio.Server | None = None
        self._links: dict[WorkerName, _Link] = {}
        self.strangers: list[_Link] = []
        self._dialing: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen, and dial those that are listed behind this member."""
        loop = asyncio.get_running_loop()
        context = self._contexts.server if self._contexts else None
        self._server = await loop.create_server(
            lambda: _Link(self, None), sock=self._sock, ssl=context, start_serving=False
        )
        # Apart from making it: whoever is cancelled here has a server to close.
        await self._server.start_serving()
        for peer in self.options.peers[self.options.own + 1 :]:
            self._dialing.append(loop.create_task(self._keep_dialing(peer)))

    async def close(self) -> None:
        """End everything; the owner is told nothing any more."""
        for task in self._dialing:
            task.cancel()
        await asyncio.gather(*self._dialing, return_exceptions=True)
        for link in (*self._links.values(), *self.strangers):
            link.close()
        self._links.clear()
        if self._server is not None:
            self._server.close()
        else:
            self._sock.close()

    def send(self, peer: WorkerName, word: Mail | Stance | Founded) -> None:
        """Say something to a member, if it is connected."""
        link = self._links.get(peer)
        if link is not None:
            link.send(word)

    def connected(self) -> dict[WorkerName, Greeting]:
        """The members that can be spoken to, and what they said of themselves."""
        return {peer: link.theirs for peer, link in sorted(self._links.items()) if link.theirs}

    def begin_anew(self) -> None:
        """End all connections, so that each begins with a new greeting."""
        links, self._links = self._links, {}
        for link in (*links.values(), *self.strangers):
            link.close()

    async def _keep_dialing(self, peer: WorkerName) -> None:
        loop = asyncio.get_running_loop()
        host, port = host_and_port(peer)
        context = self._contexts.client if self._contexts else None
        delay = FIRST_DELAY_S
        while True:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(GREETING_S):
                    _, link = await loop.create_connection(
                        lambda: _Link(self, peer),
                        host,
                        port,
                        ssl=context,
                        server_hostname="" if context else None,
                    )
                    await link.settled.wait()
                if link.is_up:
                    delay = FIRST_DELAY_S
                    await link.ended.wait()
            await asyncio.sleep(delay)
            delay = min(2 * delay, MAX_DELAY_S)

    # What links tell

    def believe(self, link: "_Link", greeting: Greeting) -> NotBelieved | None:
        """Judge a greeting; if it is believed, older connections with its sender end."""
        refusal = self.owner.judge(greeting) or self._other_place(link, greeting)
        if refusal is not None:
            return refusal
        peer = greeting.peers[greeting.place]
        older = self._links.pop(peer, None)
        if older is not None:
            older.close()
            self.owner.lost(peer)
        for stranger in list(self.strangers):
            if stranger is not link and stranger.peer == peer:
                stranger.close()
        return None

    def _other_place(self, link: "_Link", greeting: Greeting) -> NotBelieved | None:
        name = greeting.peers[greeting.place]
        if link.dialed is not None and link.dialed != name:
            return NotBelieved("WrongPeers", f"{link.dialed} was dialed, {name} answered")
        if link.certificate is not None:
            host = HostName(host_and_port(name)[0])
            if not _certificate_names(link.certificate, host):
                return NotBelieved("WrongPeers", f"its certificate does not name {host}")
        return None

    def up(self, link: "_Link") -> None:
        """Both sides believe each other."""
        assert link.theirs is not None
        peer = link.theirs.peers[link.theirs.place]
        self._links[peer] = link
        self.owner.connected(peer, link.theirs)

    def word(self, link: "_Link", word: Word) -> None:
        """Something was said on a link that is up."""
        peer = link.peer
        if peer is None or self._links.get(peer) is not link:
            return
        if isinstance(word, Mail | Stance | Founded):
            self.owner.heard(peer, word)
        else:
            link.close()

    def down(self, link: "_Link") -> None:
        """A link has ended."""
        if link in self.strangers:
            self.strangers.remove(link)
        if link.peer is not None and self._links.get(link.peer) is link:
            del self._links[link.peer]
            self.owner.lost(link.peer)


class _Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, mesh: Mesh, dialed: WorkerName | None) -> None:
        self._mesh = mesh
        self.dialed = dialed
        self.theirs: Greeting | None = None
        self.certificate: dict[str, object] | None = None
        self.is_up = False
        self.settled = asyncio.Event()
        self.ended = asyncio.Event()
        self._reader = FrameReader(MAX_GREETING)
        self._mine: Greeting | None = None
        self._mine_sent = b""
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> WorkerName | None:
        """Who is at the other end, once believed."""
        return self.theirs.peers[self.theirs.place] if self.theirs else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.certificate = transport.get_extra_info("peercert")
        strangers = self._mesh.strangers
        strangers.append(self)
        if len(strangers) > MAX_STRANGERS:
            strangers[0].close()
        self._timer = asyncio.get_running_loop().call_later(GREETING_S, self.close)
        if self.dialed is not None:
            self._greet()

    def _greet(self) -> None:
        assert self._transport is not None
        self._mine = self._mesh.owner.greeting(secrets.token_bytes(16))
        self._mine_sent = encode_word(self._mine)
        self._transport.write(encode_frame(self._mine_sent))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._transport is not None and (frame := self._reader.next_frame()) is not None:
                self._on_frame(frame)
        except (BadFrame, ValueError, msgspec.MsgspecError) as error:
            log.warning("a connection of the election was ended: %s", error)
            self.close()

    def _on_frame(self, frame: bytes) -> None:
        if self.is_up:
            assert self._session is not None
            self._mesh.word(self, decode_word(self._session.open(frame)))
            return
        match decode_word(frame):
            case Greeting() as greeting if self.theirs is None:
                self._on_greeting(greeting, frame)
            case Proof(mac) if self._session is not None:
                self._on_proof(mac)
            case NotBelieved() as refusal:
                self._mesh.owner.refused(self._who(), refusal)
                self.close()
            case _:
                raise ValueError("it speaks out of turn")

    def _on_greeting(self, greeting: Greeting, frame: bytes) -> None:
        refusal = self._mesh.believe(self, greeting)
        if refusal is not None:
            self._refuse(refusal)
            return
        if self.dialed is None:
            # Only now: what it says of this member's genesis cannot be outdated any more by what
            # comes on an older connection with the same member.
            self._greet()
        session = Session(self._mesh.options.secret, self._mine_sent, frame)
        self.theirs, self._session = greeting, session
        self._write(Proof(session.proof))

    def _on_proof(self, mac: bytes) -> None:
        assert self._session is not None
        if not self._session.accepts(mac):
            assert self.theirs is not None
            assert self._mine is not None
            self._mesh.owner.unproved(self._mine, self.theirs)
            self._refuse(NotBelieved("", "it does not know the members' secret"))
            return
        assert self._timer is not None
        self._timer.cancel()
        self._mesh.strangers.remove(self)
        self._reader.limit = MAX_FRAME
        self.is_up = True
        self.settled.set()
        self._mesh.up(self)

    def _refuse(self, refusal: NotBelieved) -> None:
        log.warning("%s is not believed: %s", self._who(), refusal.reason)
        self._write(refusal)
        self.close()

    def _who(self) -> str:
        if self.dialed is not None:
            return self.dialed
        name = self._transport.get_extra_info("peername") if self._transport else None
        return ":".join(map(str, name[:2])) if name else "somebody"

    def _write(self, word: Word) -> None:
        if self._transport is not None:
            self._transport.write(encode_frame(encode_word(word)))

    def send(self, word: Word) -> None:
        """Say something on a link that is up; one who does not read is cut off."""
        if self._transport is None or self._session is None:
            return
        if self._transport.get_write_buffer_size() > 8 * MAX_FRAME:
            self.close()
            return
        self._transport.write(encode_frame(self._session.seal(encode_word(word))))

    def close(self) -> None:
        """End it, after what was said."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self.settled.set()
        self.ended.set()
        self._mesh.down(self)


def _contexts(files: Tls) -> TlsContexts:
    try:
        return tls_contexts(files)
    except InterrexError as error:
        raise BadCertificates(str(error)) from error


def _listening(address: str) -> socket.socket:
    try:
        return listen_tcp(*host_and_port(address))
    except InterrexError as error:
        raise CannotListen(str(error)) from error


def _certificate_names(certificate: dict[str, object], host: HostName) -> bool:
    names = certificate.get("subjectAltName", ())
    assert isinstance(names, tuple)
    return any(name == host for _, name in names)
