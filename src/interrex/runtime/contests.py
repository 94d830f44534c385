"""A worker's ``lead.sock``: programs of this host that want a named leadership.

Thin: the worker's ``Guardian`` decides. This holds the programs' connections, watches their
processes by pidfd and lifeline, and proposes what the guardian asks for.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import msgspec

from interrex.core.contests import Candidate, CandidateProcess, Contests
from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import S
from interrex.runtime.api import private_socket
from interrex.runtime.callers import Callers
from interrex.runtime.clock import now_ns
from interrex.runtime.contest_words import (
    MAX_NAME,
    MAX_REPLY,
    MAX_WORD,
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
    decode_word,
    encode_word,
)
from interrex.runtime.frames import BadFrame, FrameReader, encode_frame
from interrex.runtime.lifeline import NO_LIFELINE, Watch, watch_lifeline
from interrex.runtime.peer_process import is_trusted
from interrex.runtime.peer_socket import peer_credentials
from interrex.runtime.pidfd import ProcessIdentity, is_dead, open_pidfd
from interrex.runtime.questions import ChangeBody, Outcome
from interrex.worker import guardian as pure
from interrex.worker.guardian import Guardian

MOST_CALLERS = 1024
"""Each is one election of a program."""


class ContestBackend(Protocol):
    """What this asks of its worker."""

    def contests(self) -> tuple[Contests, int]:
        """The replicated contests, and the index of the last applied change."""

    def leads_the_cluster(self) -> bool: ...

    def leader_of_this_host(self) -> WorkerName | None:
        """The worker that leads the cluster, if it is one of this host's."""

    def contest_refusal(self) -> str:
        """Why this cluster gives no leaderships to programs; empty when it does."""

    def begin_change(self, body: ChangeBody) -> asyncio.Future[Outcome]:
        """Ask for a change at once; the future has what became of it."""


class _Process:
    """A candidate's process, watched until it dies."""

    def __init__(self, identity: ProcessIdentity, on_death: Callable[[], None]) -> None:
        """Raises ProcessLookupError when it is dead already."""
        pidfd = open_pidfd(identity)
        if pidfd is None:
            raise ProcessLookupError(identity.pid)
        self.identity = identity
        self._pidfd = pidfd
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._told = False
        self._lifeline: Watch | None = None
        self._loop.add_reader(pidfd, self._died)

    def wait_at(self, lifeline: int) -> None:
        """Know of its death earlier."""
        if lifeline != NO_LIFELINE and self._lifeline is None:
            self._lifeline = watch_lifeline(self.identity.pid, lifeline, self._broke)

    def _broke(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._died)

    def _died(self) -> None:
        if not self._told:
            self._told = True
            self._on_death()
            self.close()

    def close(self) -> None:
        """Watch no more."""
        self._told = True
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


class ContestServer:
    """Listens on a worker's ``lead.sock`` until closed.

    Args:
        me: the worker; ``backend`` its node.
    """

    def __init__(self, me: WorkerName, backend: ContestBackend) -> None:
        self.me = me
        self.backend = backend
        self.guardian = Guardian(me, now_ns())
        self.counters: Counter[str] = Counter()
        """How often each fault was seen: ``bad_frames``, ``refused``, ``strange_processes``,
        and those of ``Callers``."""
        self.callers = Callers(MOST_CALLERS, self.counters)
        self.connections: set[_Connection] = set()
        self._processes: dict[ProcessIdentity, _Process] = {}
        self._tickets: dict[str, ProcessIdentity] = {}
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._outcomes: set[asyncio.Future[Outcome]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False
        self._seen: tuple[int, bool] = (-1, False)

    async def start(self, path: Path) -> None:
        """Listen; the caller holds the worker's lock, so a socket that is there is a dead one's."""
        self._server = await self._loop.create_unix_server(
            lambda: _Connection(self), sock=private_socket(path)
        )

    def close(self) -> None:
        """Let go of everybody: a candidate may go on until its deadline, or come back."""
        if self._server is not None:
            self._server.close()
        self._is_due = False
        if self._timer is not None:
            self._timer.cancel()
        for outcome in self._outcomes:
            outcome.cancel()
        for connection in list(self.connections):
            connection.close()
        for process in self._processes.values():
            process.close()

    def moved(self, applied: int, leading: bool) -> None:
        """The worker has taken a step: look if that can matter. Cheap when it does not.

        Args:
            applied: the index of the last applied change.
            leading: whether the worker leads the cluster.
        """
        if self._seen != (applied, leading):
            self.look()

    def look_soon(self) -> None:
        """Look in this turn of the loop, once, whatever else comes in it."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._look_if_due)

    def _look_if_due(self) -> None:
        if self._is_due:
            self.look()

    def look(self) -> None:
        """Do what the guardian asks for now."""
        self._is_due = False
        contests, applied = self.backend.contests()
        leading = self.backend.leads_the_cluster()
        self._seen = (applied, leading)
        proposals = []
        for effect in self.guardian.look(contests, applied, leading, now_ns()):
            match effect:
                case pure.Proposal():
                    proposals.append(effect)
                case pure.Standings():
                    now = Now(effect.leader, effect.epoch, effect.waiting)
                    self._tell(now, self._following(effect.contest))
                case pure.Granted():
                    leads = Leads(effect.ticket, effect.epoch, effect.deadline)
                    self._tell(leads, self._of(effect.ticket))
                case pure.Lost():
                    ended = Ended(effect.ticket, effect.reason, effect.taken_by)
                    for connection in self._of(effect.ticket):
                        connection.laid_down.discard(effect.ticket)
                        connection.say(ended)
                    self._let_go(effect.ticket)
                case pure.Watch():
                    process = effect.process
                    identity = ProcessIdentity(*msgspec.structs.astuple(process))
                    self.watch(effect.ticket, identity, NO_LIFELINE)
        for proposal in proposals:  # last: what follows from one may be told before it returns
            self._propose(proposal)
        self._arm()

    def _of(self, ticket: str) -> "list[_Connection]":
        return [one for one in self.connections if ticket in (one.ticket, *one.laid_down)]

    def _following(self, contest: str) -> "list[_Connection]":
        return [one for one in self.connections if one.contest == contest]

    def _tell(self, reply: Reply, connections: "list[_Connection]") -> None:
        frame = encode_frame(encode_word(reply))
        for connection in connections:
            connection.send(frame)

    def _propose(self, proposal: pure.Proposal) -> None:
        change = ChangeId(f"contest-{os.urandom(8).hex()}")
        outcome = self.backend.begin_change(ChangeBody(change, (proposal.operation,)))
        self._outcomes.add(outcome)
        outcome.add_done_callback(partial(self._settled, proposal.number))

    def _settled(self, number: int, outcome: asyncio.Future[Outcome]) -> None:
        self._outcomes.discard(outcome)
        if not outcome.cancelled():
            done = outcome.result()
            self.guardian.settled(number, done.index if done.ok else None, now_ns())
            self.look_soon()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at = self.guardian.wake_at
        if wake_at is not None:
            delay = max(0, wake_at - now_ns()) / S
            self._timer = self._loop.call_later(delay + 0.001, self.look)

    # Processes

    def watch(self, ticket: str, identity: ProcessIdentity, lifeline: int) -> None:
        """Withdraw a ticket as soon as its process is dead."""
        process = self._processes.get(identity)
        if process is None:
            try:
                process = _Process(identity, partial(self._died, identity))
            except ProcessLookupError:
                self._loop.call_soon(self._withdraw, ticket)
                return
            self._processes[identity] = process
        process.wait_at(lifeline)
        self._tickets[ticket] = identity

    def _died(self, identity: ProcessIdentity) -> None:
        del self._processes[identity]
        for ticket in [one for one, of in self._tickets.items() if of == identity]:
            self.guardian.withdraw(ticket, now_ns())
        self.look()

    def _withdraw(self, ticket: str) -> None:
        self.guardian.withdraw(ticket, now_ns())
        self.look()

    def _let_go(self, ticket: str) -> None:
        identity = self._tickets.pop(ticket, None)
        if identity is not None and identity not in self._tickets.values():
            process = self._processes.pop(identity, None)
            if process is not None:
                process.close()


class _Connection(asyncio.Protocol):
    """One program's connection."""

    def __init__(self, server: ContestServer) -> None:
        self._server = server
        self._reader = FrameReader(MAX_WORD)
        self._transport: asyncio.Transport | None = None
        self._identity: ProcessIdentity | None = None
        self._follow: Follow | None = None
        self.ticket = ""
        self.laid_down: set[str] = set()
        """Its earlier tickets, until it is told that they are void."""

    @property
    def contest(self) -> str:
        """Which it follows."""
        return self._follow.contest if self._follow else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.callers.came(self):
            self.abort()  # without a word: one that is refused is not to ask the next worker
            return
        self._server.connections.add(self)
        raw = transport.get_extra_info("socket")
        credentials = peer_credentials(cast(socket.socket, raw))
        if credentials.pidfd is not None:
            dead = is_dead(credentials.pidfd)
            os.close(credentials.pidfd)
        else:
            dead = False
        if is_trusted(credentials) and not dead:
            self._identity = ProcessIdentity.of(credentials.pid)
        if self._identity is None:
            reason = f"process {credentials.pid} of uid {credentials.uid} cannot be watched"
            self._refuse("strange_processes", reason)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._transport is not None and (frame := self._reader.next_frame()) is not None:
                self._on_word(decode_word(frame))
        except (BadFrame, msgspec.MsgspecError) as error:
            self._refuse("bad_frames", f"that is no word of a program's: {error}")

    def _on_word(self, word: Word) -> None:
        guardian, now = self._server.guardian, now_ns()
        match word:
            case Follow():
                self._on_follow(word)
                return
            case StandFor(ticket, sent_at) if self._follow and self._identity:
                self.ticket = ticket
                process = CandidateProcess(*msgspec.structs.astuple(self._identity))
                follow = self._follow
                candidate = Candidate(
                    ticket, follow.identity, self._server.me, follow.priority, process
                )
                guardian.stand(follow.contest, candidate, min(sent_at, now), now)
                self._server.watch(ticket, self._identity, follow.lifeline)
            case StillHere(ticket, sent_at) if ticket == self.ticket:
                guardian.alive(ticket, min(sent_at, now))
            case StandDown(ticket, successor) if ticket == self.ticket:
                if guardian.answers_for(ticket):
                    self.laid_down.add(ticket)
                    guardian.withdraw(ticket, now, successor)
                else:
                    self.say(Ended(ticket, "it stands no more"))
            case _:
                self._refuse("bad_frames", "that comes out of turn")
        self._server.look_soon()

    def _on_follow(self, follow: Follow) -> None:
        if follow.version != VERSION:
            reason = f"it speaks version {follow.version}, this worker speaks {VERSION}"
            self._refuse("refused", reason, VERSION)
            return
        reason = self._server.backend.contest_refusal()
        if not (0 < len(follow.contest) <= MAX_NAME and 0 < len(follow.identity) <= MAX_NAME):
            reason = f"names have 1 to {MAX_NAME} characters"
        if reason:
            self._refuse("refused", reason)
            return
        self._follow = follow
        now = self._server.guardian.standings(follow.contest)
        nearest = self._server.backend.leader_of_this_host() or ""
        self.say(Now(now.leader, now.epoch, now.waiting, nearest))

    def say(self, reply: Reply) -> None:
        self.send(encode_frame(encode_word(reply)))

    def send(self, frame: bytes) -> None:
        """Unless it reads too slowly: then it may come again."""
        if self._transport is None:
            return
        if self._transport.get_write_buffer_size() > MAX_REPLY:
            self.close()
            return
        self._transport.write(frame)

    def _refuse(self, kind: str, reason: str, version: int = 0) -> None:
        self._server.counters[kind] += 1
        self.say(NotHere(reason, version))
        self.close()

    @property
    def is_idle(self) -> bool:
        """Whether it has not said which contest it follows."""
        return self._follow is None

    def abort(self) -> None:
        """End it at once, whatever it has not read."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Its ticket stays until it is silent for its lease: the program may be alive."""
        self._transport = None
        self._server.connections.discard(self)
        self._server.callers.left(self)
