"""python -m bench.raft_node ROOT CLUSTER WORKER IN_FLIGHT SECONDS: one voter of three, alone.

The election with the runtime's own transport, disk writer and log, and a state machine that only
counts: what is left of a worker without supervision and HTTP. Whoever leads keeps IN_FLIGHT
proposals under way, prints how many were acknowledged a second, and goes on living.
"""

import asyncio
import sys
from collections import deque
from pathlib import Path
from random import Random
from typing import assert_never

import uvloop

from interrex.core.ids import ChangeId, HostName, WorkerName
from interrex.core.messages import Known
from interrex.core.spec import LOCAL_HOST
from interrex.elections.interface import (
    Ask,
    ChangesLost,
    Committed,
    ConfirmRead,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persist,
    Persisted,
    ProposalSettled,
    Propose,
    RaiseEpoch,
    ReadConfirmed,
    Restored,
    SendPayload,
    SnapshotTaken,
    TakeSnapshot,
    WakeUp,
)
from interrex.elections.registry import new_election
from interrex.runtime.addresses import addresses_of
from interrex.runtime.clock import now_ns
from interrex.runtime.disk import Writer
from interrex.runtime.genesis import read_genesis
from interrex.runtime.greeting import Hello
from interrex.runtime.layout import Layout, make_private
from interrex.runtime.lifeline import NO_LIFELINE
from interrex.runtime.node import hello_of_this_process
from interrex.runtime.opening import open_log
from interrex.runtime.transport import Transport

DATA = b"x" * 64
WARM_UP_S = 1.0


class RaftNode:
    """Interprets one election's effects."""

    def __init__(self, layout: Layout, worker: WorkerName, in_flight: int, seconds: float) -> None:
        genesis = read_genesis(layout.genesis)
        make_private(layout.worker(worker))
        opened = open_log(layout, genesis, worker)
        self._me = worker
        self._in_flight = in_flight
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._queue: deque[ElectionEvent] = deque()
        self._stepping = False
        self._proposed = self._settled = 0
        self._timer: asyncio.TimerHandle | None = None
        self._election = new_election(
            genesis.spec, worker, opened.member, opened.stored, opened.first_members, Random()
        )
        self._writer = Writer(opened.store, self, self._loop)
        hello = hello_of_this_process(genesis, worker, LOCAL_HOST, opened, NO_LIFELINE)
        self._transport = Transport(hello, self)
        self._transport.listen_unix(layout.peer_socket(worker))
        workers = dict.fromkeys(genesis.members.values(), LOCAL_HOST)
        self._transport.set_peers(addresses_of(layout, genesis.spec, workers, LOCAL_HOST))

    def post(self, event: ElectionEvent) -> None:
        """Let the core take an event, and perform what it asks."""
        self._queue.append(event)
        if self._stepping:
            return
        self._stepping = True
        while self._queue:
            for effect in self._election.step(self._queue.popleft(), now_ns()):
                self._perform(effect)
        self._stepping = False
        self._arm()

    def _perform(self, effect: ElectionEffect) -> None:
        match effect:
            case SendPayload():
                self._transport.send(effect.to, effect.payload)
            case Persist():
                self._writer.submit(effect.token, effect.records)
            case ProposalSettled():
                self._settled += effect.index is not None
                self._propose()
            case TakeSnapshot():
                self.post(SnapshotTaken(effect.index, b""))
            case LeaderChanged():
                if effect.leader == self._me:
                    self.post(ConfirmRead(1))
            case ReadConfirmed():
                if effect.confirmed:
                    self._loop.call_later(WARM_UP_S, self._begin)
                    for _ in range(self._in_flight):
                        self._propose()
            case Committed() | Restored() | ChangesLost() | Ask() | RaiseEpoch():
                """Nothing is applied here, nobody is asked, and nothing commanded."""
            case _:
                assert_never(effect)

    def _propose(self) -> None:
        self._proposed += 1
        self.post(Propose(ChangeId(f"{self._me}-{self._proposed}"), DATA))

    def _begin(self) -> None:
        self._settled = 0
        self._loop.call_later(self._seconds, self._report, self._loop.time())

    def _report(self, began: float) -> None:
        print(self._settled / (self._loop.time() - began), flush=True)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wake_at = self._election.wake_at
        if wake_at is not None:
            delay = max(0, wake_at - now_ns())
            self._timer = self._loop.call_later(delay / 1e9, self.post, WakeUp())

    # The disk's and the transport's news

    def persisted(self, token: int) -> None:
        self.post(Persisted(token))

    def disk_full(self, error: Exception) -> None:
        raise SystemExit(str(error))

    def disk_failed(self, error: Exception) -> None:
        raise SystemExit(str(error))

    def peer_connected(self, hello: Hello) -> None:
        self.post(PeerConnected(hello.worker, hello.member))

    def peer_lost(self, hello: Hello, proved_dead: bool) -> None:
        self.post(PeerLost(hello.worker, proved_dead))

    def peer_died(self, hello: Hello) -> None:
        self.post(PeerLost(hello.worker, True))

    def not_known(self, index: int, led: bool) -> None:
        """All three began together."""

    def introduction(self) -> None:
        """All know each other from the beginning."""

    def introduced(self, worker: WorkerName, host: HostName, known: Known) -> None:
        """They do."""

    def peer_refuses(self, worker: WorkerName, reason: str) -> None:
        """It may not be there yet."""

    def comes_late(self) -> None:
        """All three began together."""

    def told_beginning(self, genesis: bytes) -> None:
        """All three began together."""

    def peer_ended(self, hello: Hello) -> None:
        """Nobody is started here."""

    def message(self, worker: WorkerName, payload: bytes) -> None:
        self.post(PayloadReceived(worker, payload))


async def main(arguments: list[str]) -> None:
    """Runs until it is killed."""
    root, cluster, worker, in_flight, seconds = arguments
    layout = Layout(Path(root), cluster)
    node = RaftNode(layout, WorkerName(worker), int(in_flight), float(seconds))
    node.post(WakeUp())
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
