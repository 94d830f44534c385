"""Connections between the workers of a cluster.

Between two workers there is one connection. The one with the lower name dials it; the other one
*knocks* when it misses it, which makes the first dial at once. So a restarted worker is connected
with everybody within two round trips, and two simultaneous connections cannot compete: the newer
one always replaces the older.

What the end of a connection means:
- ``peer_lost(proved_dead=False)``: suspicion. The process may live, or be dying this instant;
- ``peer_lost(proved_dead=True)``, ``peer_died``: its lifeline broke or its pidfd fired. Only on
  one host.

Not guaranteed: messages are neither repeated nor confirmed. What was sent around the end of a
connection may be lost; on one connection order is kept.
"""

import asyncio
import logging
import random
import ssl
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Known
from interrex.core.spec import Tls
from interrex.runtime.accepting import Acceptor
from interrex.runtime.dialing import Dialer
from interrex.runtime.greeting import (
    MAX_GREETING,
    Began,
    Hello,
    Refused,
    digest_of,
    encode_greeting,
    objection,
)
from interrex.runtime.link import Limits, Link, Role
from interrex.runtime.peer_process import PeerProcesses, is_trusted
from interrex.runtime.peer_socket import (
    Address,
    Credentials,
    TcpAddress,
    UnixAddress,
    listen_tcp,
    listen_unix,
)
from interrex.runtime.peer_tls import TlsContexts, names_host, tls_contexts

log = logging.getLogger(__name__)

_LOGGED_AT_MOST = 64
_STRANGER = "a stranger"


class TransportListener(Protocol):
    """Called on the event loop."""

    def peer_connected(self, hello: Hello) -> None:
        """Messages may be sent to ``hello.worker`` and will come from it."""

    def peer_lost(self, hello: Hello, proved_dead: bool) -> None:
        """The connection is gone. Unless proved, its process may be alive."""

    def peer_died(self, hello: Hello) -> None:
        """The process of a peer that was lost before is now proved dead.

        Not called for a process whose successor has connected meanwhile.
        """

    def not_known(self, index: int, led: bool) -> None:
        """A peer's state, as of this index, names no worker of this worker's name; ``led``: it
        follows a leader."""

    def introduction(self) -> Known | None:
        """Whom there is by this worker's state, for a peer that does not know this worker."""

    def introduced(self, worker: WorkerName, host: HostName, known: Known) -> None:
        """A stranger, by its certificate of the cluster and on this host, says whom there is by a
        newer state."""

    def peer_refuses(self, worker: WorkerName, reason: str) -> None:
        """A peer that was called does not believe this worker."""

    def comes_late(self) -> None:
        """A peer says that the cluster has begun, and otherwise than this worker would begin it."""

    def told_beginning(self, genesis: bytes) -> None:
        """The cluster that this worker would begin has begun already, and so."""

    def peer_ended(self, hello: Hello) -> None:
        """The process of a peer that died before has ended now: what it had locked is free."""

    def message(self, worker: WorkerName, payload: bytes) -> None:
        """A peer's message; ``disconnect`` the peer if it makes no sense."""


class Transport:
    """This worker's connections. To be made, used and closed on the event loop.

    Args:
        hello: what this worker says of itself.
        listener: told of peers and messages, until ``close`` is called.
        tls: certificate files; needed to reach or be reached over TCP.
        limits: what a peer may cost.

    Raises:
        InterrexError: the TLS files cannot be used.
    """

    def __init__(
        self,
        hello: Hello,
        listener: TransportListener,
        *,
        tls: Tls | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.hello = hello
        self.limits = limits or Limits()
        self.counters: Counter[str] = Counter()
        """How often each fault was seen: ``bad_frames``, ``refused``, ``slow_readers``, ..."""
        self._listener = listener
        self._contexts: TlsContexts | None = tls_contexts(tls) if tls else None
        self._processes = PeerProcesses(self._process_died, self._process_ended)
        self._acceptors: list[Acceptor] = []
        self._dialers: dict[WorkerName, Dialer] = {}
        self.peers_as_of = -1
        """The index of the state that says who the others are: whoever it does not name is told."""
        self.is_led = False
        """Whether this worker follows a leader, which is told to whoever it does not know."""
        self._unknown_to: set[WorkerName] = set()
        """Peers that refused this worker as a stranger, by an older state than its own."""
        self.began = b""
        """How the cluster began, once it has: whoever would begin it otherwise is told."""
        self._links: dict[WorkerName, Link] = {}
        self._known: dict[WorkerName, Hello] = {}
        self._filled: list[Link] = []
        """Those that have something to write."""
        self._holds = 0
        self._flush_is_due = False
        self._open: set[Link] = set()
        self._all_closed = asyncio.Event()
        self._closing = False
        self._logged: set[tuple[str, str, str]] = set()
        self._rng = random.Random()
        self._ending: set[asyncio.Task[None]] = set()

    def begins_nothing(self) -> None:
        """This worker's log is being written: it has taken part in how the cluster began."""
        if self.hello.begins:
            self.hello = msgspec.structs.replace(self.hello, begins="")

    def listen_unix(self, path: Path) -> None:
        """Accepts this host's workers. The caller holds this worker's exclusive lock.

        Raises:
            InterrexError: the folder is open to others, or the path is taken.
        """
        self._accept(Acceptor(listen_unix(path), self.limits, self._admit, self._stranger_fault))

    def listen_tcp(self, address: str, port: int) -> int:
        """Accepts other hosts' workers.

        Returns:
            The port: the kernel's choice for 0.

        Raises:
            InterrexError: there are no TLS files, or the address cannot be used.
        """
        if self._contexts is None:
            raise InterrexError(
                f"workers on other hosts need TLS to reach {address}:{port}: "
                "add [cluster.tls] with ca, certificate and key to the cluster file."
            )
        sock = listen_tcp(address, port)
        bound: int = sock.getsockname()[1]
        server = self._contexts.server
        self._accept(Acceptor(sock, self.limits, self._admit, self._stranger_fault, server))
        return bound

    def _accept(self, acceptor: Acceptor) -> None:
        self._acceptors.append(acceptor)

    def set_peers(self, peers: Mapping[WorkerName, Address]) -> None:
        """Says who the others are; this worker itself may be among them.

        Whoever is no longer named is cut off and reported as lost; a new address counts from the
        next dial on.
        """
        wanted = {name: address for name, address in peers.items() if name != self.hello.worker}
        for name, dialer in list(self._dialers.items()):
            if wanted.get(name) != dialer.address:
                del self._dialers[name]
                self._spawn_end(dialer)
            if name not in wanted and name in self._links:
                self._links[name].abort()
        for name, address in wanted.items():
            if name not in self._dialers:
                role = Role.DIALER if self.hello.worker < name else Role.KNOCKER
                self._dialers[name] = Dialer(self, role, name, address, self._rng)

    def _spawn_end(self, dialer: Dialer) -> None:
        task = asyncio.get_running_loop().create_task(dialer.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def send(self, worker: WorkerName, payload: bytes) -> bool:
        """Sends a message of 1 to ``limits.frame_bytes`` bytes.

        Returns:
            False when the peer is not connected, or the message is empty or too long, which is
            this worker's own fault and logged. True promises nothing.
        """
        if not 0 < len(payload) <= self.limits.frame_bytes:
            self.peer_faulted(worker, "unsendable", f"{len(payload)} bytes are no message for it")
            return False
        link = self._links.get(worker)
        return link is not None and link.send(payload)

    def hold(self) -> None:
        """What is sent from now on is written by ``release``, before anything else is done: one
        write for each peer, and no further turn of the loop."""
        self._holds += 1

    def release(self) -> None:
        """Ends a hold; the outermost one writes."""
        self._holds -= 1
        if not self._holds:
            self.flush()

    def flush(self) -> None:
        """Writes at once what was sent; without it, and unless held, the loop's next turn does."""
        while self._filled:
            filled, self._filled = self._filled, []
            for link in filled:
                link.flush()

    def _flush_late(self) -> None:
        self._flush_is_due = False
        self.flush()

    def connected(self) -> dict[WorkerName, Hello]:
        """The peers that messages can be sent to, and what they said of themselves."""
        return {name: link.peer for name, link in sorted(self._links.items()) if link.peer}

    def is_connected(self, peer: WorkerName) -> bool:
        """Whether messages can be sent to a peer."""
        return peer in self._links

    def redial(self, worker: WorkerName) -> None:
        """Something tells that this peer can be reached now: do not wait for the next attempt."""
        if worker in self._dialers and worker not in self._links:
            self._dialers[worker].poke()

    def disconnect(self, worker: WorkerName, reason: str) -> None:
        """Ends the connection of a peer that sends nonsense, or nothing; it is dialed again."""
        if worker in self._links:
            self._links[worker].fault("disconnected", reason)

    def kill_peer(self, worker: WorkerName, number: int) -> bool:
        """Signals the process that last was this peer, connected or not.

        Returns:
            False when it is dead or on another host, or was never connected.
        """
        known = self._known.get(worker)
        return known is not None and self._processes.signal(known, number)

    async def close(self) -> None:
        """Ends all connections, watches and attempts. The listener is not called any more."""
        if self._closing:
            return
        self._closing = True
        await asyncio.gather(*(acceptor.close() for acceptor in self._acceptors))
        await asyncio.gather(*(dialer.close() for dialer in self._dialers.values()))
        await asyncio.gather(*self._ending)
        self._processes.close()
        for link in list(self._open):
            link.close()
        if self._open:
            await self._all_closed.wait()

    # What links, acceptors and dialers ask and tell.

    def hello_to(self, peer: WorkerName | None) -> Hello:
        """What this worker says of itself to a peer that it calls; and whom there is, to one whose
        older state does not name it, unless that is too long for a greeting."""
        if peer not in self._unknown_to:
            return self.hello
        hello = msgspec.structs.replace(self.hello, known=self._listener.introduction())
        return hello if len(encode_greeting(hello)) <= MAX_GREETING else self.hello

    @property
    def client_context(self) -> ssl.SSLContext | None:
        """For dialing over TCP."""
        return self._contexts.client if self._contexts else None

    def new_link(
        self, role: Role, peer: WorkerName | None, credentials: Credentials | None
    ) -> Link:
        """A link that is not connected yet."""
        link = Link(self, role, peer, credentials)
        self._open.add(link)
        return link

    def _admit(self, credentials: Credentials | None) -> Link | None:
        link = self.new_link(Role.ACCEPTOR, None, credentials)
        if credentials and not is_trusted(credentials):
            self._stranger_fault("strange_users", f"uid {credentials.uid} called")
            link.discard()
            return None
        return link

    def judge(self, link: Link, hello: Hello) -> str:
        """Why a Hello is refused on this link; empty when it is believed."""
        late = "the cluster has begun without it" if self._comes_late(hello) else ""
        return objection(self.hello, hello) or self._doubt(link, hello) or late

    def _doubt(self, link: Link, hello: Hello) -> str:
        """Why it is not who it says; empty when that is proved."""
        dialer = self._dialers.get(hello.worker)
        if dialer is None:
            return f"{self.hello.worker} does not know a worker named {hello.worker[:100]}"
        if link.expected is not None and hello.worker != link.expected:
            return f"{link.expected} was dialed, {hello.worker} answered"
        if link.role is Role.ACCEPTOR and hello.knock != (hello.worker > self.hello.worker):
            return "the worker with the lower name dials, the other one knocks"
        if isinstance(dialer.address, UnixAddress):
            local = link.credentials is not None and hello.host == self.hello.host
            return "" if local else f"{hello.worker} is to be on this host"
        if hello.host != dialer.address.host:
            return f"{hello.worker} is to be on {dialer.address.host}, not on {hello.host[:100]}"
        if link.certificate is None or not names_host(link.certificate, hello.host):
            return f"its certificate does not name {hello.host}"
        return ""

    def _comes_late(self, hello: Hello) -> bool:
        """Whether it would begin the cluster, otherwise than it has begun."""
        return bool(
            self.began
            and hello.begins
            and hello.begins != digest_of(self.began)
            and (hello.version, hello.cluster) == (self.hello.version, self.hello.cluster)
        )

    def refusal(self, link: Link, hello: Hello, reason: str) -> Refused | Began:
        """What to answer a Hello that is refused: who comes late, and proves to be one of those
        whom the state names by now, is told how the cluster began."""
        if self._comes_late(hello):
            if hello.worker not in self._dialers:
                return Refused(
                    f"the cluster has begun without {hello.worker[:100]}, and its file does not "
                    "name it yet: run interrex apply FILE on one of its hosts",
                    begun=True,
                )
            if not self._doubt(link, hello) and len(self.began) < self.limits.frame_bytes // 2:
                return Began(self.began)
        if hello.worker in self._dialers or objection(self.hello, hello):
            return Refused(reason)
        known, certificate = hello.known, link.certificate
        proved = certificate is not None and names_host(certificate, hello.host)
        if proved and known is not None and known.index > self.peers_as_of:
            self._listener.introduced(hello.worker, hello.host, known)
        return Refused(reason, self.peers_as_of, self.is_led)

    def link_refused(self, link: Link, refusal: Refused) -> None:
        """A peer does not believe this worker, or does not know it."""
        if self._closing:
            return
        if link.expected is not None:
            self._listener.peer_refuses(link.expected, refusal.reason)
        if refusal.begun:
            self._listener.comes_late()
        if refusal.unknown_at >= 0:
            self._listener.not_known(refusal.unknown_at, refusal.led)
            if link.expected is not None and refusal.unknown_at < self.peers_as_of:
                self._unknown_to.add(link.expected)

    def link_told(self, link: Link, began: Began) -> None:
        """Believed of the host alone that was called, as its certificate says."""
        dialer = self._dialers.get(link.expected) if link.expected is not None else None
        if self._closing or dialer is None or not isinstance(dialer.address, TcpAddress):
            return
        self._listener.comes_late()
        if link.certificate is not None and names_host(link.certificate, dialer.address.host):
            self._listener.told_beginning(began.genesis)

    def link_up(self, link: Link) -> None:
        """Takes a link into use, in place of an older one with the same worker."""
        hello = link.peer
        assert hello is not None
        self._greeted(link)
        worker = hello.worker
        if worker not in self._dialers or self._closing:
            link.abort()
            return
        old = self._links.get(worker)
        self._links[worker] = link
        self._unknown_to.discard(worker)
        self._known[worker] = hello
        if link.credentials:
            pid = link.credentials.pid
            if not self._processes.watch(hello, pid, link.take_pidfd()):
                self._note(worker, "unwatched", "its process cannot be watched from here")
        self._logged = {key for key in self._logged if key[0] != worker or key[1] == "unwatched"}
        if old is not None:
            old.close()
        if old is not None and old.peer is not None:
            # Of one process too: what was under way on the older connection may be lost.
            same = old.peer.incarnation == hello.incarnation
            self._listener.peer_lost(old.peer, not same and self._settle_death(old.peer))
        self._listener.peer_connected(hello)
        self._dialers[worker].connection_changed()

    def link_knocked(self, link: Link, hello: Hello) -> None:
        """A peer misses its connection: dial it, unless it has been made meanwhile."""
        current = self._links.get(hello.worker)
        begins = current.peer.begins if current and current.peer else ""
        same = current and current.peer == msgspec.structs.replace(
            hello, knock=False, begins=begins, known=None
        )
        if not (current and current.is_young and same):
            self._dialers[hello.worker].poke()

    def link_filled(self, link: Link) -> None:
        """Sees to it that the link is flushed."""
        self._filled.append(link)
        if not self._holds and not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush_late)

    def link_read(self, link: Link) -> None:
        """Whoever writes may know of a death by now: this worker looks for itself."""
        self.hold()
        self._processes.look()

    def link_done(self, link: Link) -> None:
        """Writes what was answered."""
        self.release()

    def link_message(self, link: Link, payload: bytes) -> None:
        """Hands a message up."""
        assert link.peer is not None
        if not self._closing:
            self._listener.message(link.peer.worker, payload)

    def link_faulted(self, link: Link, kind: str, reason: str) -> None:
        """Counts a fault and logs it once."""
        name = link.peer.worker if link.peer else link.expected
        self.counters[kind] += 1
        self._note(name or _STRANGER, kind, reason)

    def link_closed(self, link: Link) -> None:
        """Reports the loss of a link that was in use."""
        self._open.discard(link)
        self._greeted(link)
        if not self._open and self._closing:
            self._all_closed.set()
        hello = link.peer
        if hello is None or self._links.get(hello.worker) is not link:
            return
        del self._links[hello.worker]
        if self._closing:
            return
        self._listener.peer_lost(hello, self._settle_death(hello))
        if hello.worker in self._dialers:
            self._dialers[hello.worker].connection_changed()

    def peer_faulted(self, peer: WorkerName, kind: str, reason: str) -> None:
        """Counts a fault and logs it once."""
        self.counters[kind] += 1
        self._note(peer, kind, reason)

    def _settle_death(self, hello: Hello) -> bool:
        """Whether a process is proved dead; if so, that is not reported again."""
        if not self._processes.is_dead(hello):
            return False
        self._processes.settle(hello)
        return True

    def _process_died(self, hello: Hello) -> None:
        link = self._links.get(hello.worker)
        if link and link.peer and link.peer.process == hello.process:
            del self._links[hello.worker]
            link.abort()
            self._listener.peer_lost(hello, True)
            if hello.worker in self._dialers:
                self._dialers[hello.worker].connection_changed()
        elif (known := self._known.get(hello.worker)) and known.process == hello.process:
            self._listener.peer_died(hello)

    def _process_ended(self, hello: Hello) -> None:
        if not self._closing:
            self._listener.peer_ended(hello)

    def _greeted(self, link: Link) -> None:
        for acceptor in self._acceptors:
            acceptor.greeted(link)

    def _stranger_fault(self, kind: str, reason: str) -> None:
        self.counters[kind] += 1
        self._note(_STRANGER, kind, reason)

    def _note(self, who: str, kind: str, reason: str) -> None:
        key = (who, kind, "" if who == _STRANGER else reason)
        if key not in self._logged and len(self._logged) < _LOGGED_AT_MOST:
            self._logged.add(key)
            log.warning("%s: %s", who, reason)
