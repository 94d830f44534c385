"""A worker's process: the thin interpreter of one pure Worker's effects.

Everything runs on one asyncio loop; only the disk has a thread. Events queue up and are stepped
one at a time, so that an effect performed in the middle of a list never overtakes the rest of it.
"""

import asyncio
import logging
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from random import Random, SystemRandom
from typing import TYPE_CHECKING, NamedTuple, assert_never

import msgspec

from interrex.core.contests import Contests
from interrex.core.errors import InterrexError, InvariantViolation
from interrex.core.ids import BALANCER, HostName, WorkerName, service_of
from interrex.core.journal import Note
from interrex.core.messages import Known, encode
from interrex.core.state import genesis as genesis_state
from interrex.core.state import workers_of
from interrex.elections.guarantees import guarantees_of
from interrex.elections.interface import Ask, Persist, Persisted
from interrex.elections.registry import new_election
from interrex.runtime.addresses import addresses_of, listening_place, tls_files
from interrex.runtime.balancers import HostBalancers
from interrex.runtime.clock import delay_s, now_ns
from interrex.runtime.coming_late import HeldQuestions
from interrex.runtime.coordination.registry import new_client
from interrex.runtime.disk import Writer
from interrex.runtime.genesis import Genesis
from interrex.runtime.greeting import Hello, digest_of
from interrex.runtime.huge_pages import gather
from interrex.runtime.joining import file_of_host, join_cluster
from interrex.runtime.journal import Event, EventTail, Journal
from interrex.runtime.known_workers import keep_known, read_known
from interrex.runtime.launching import launch_worker
from interrex.runtime.layout import Layout
from interrex.runtime.opening import OpenedLog, disown
from interrex.runtime.pidfd import ProcessIdentity
from interrex.runtime.processes import HostProcesses
from interrex.runtime.questions import ChangeBody, Leadership, Outcome, StepDownBody
from interrex.runtime.transport import Transport
from interrex.supervision.interface import (
    Claim,
    Forget,
    Probe,
    Release,
    Signal,
    Spawn,
    SpawnFailed,
    Sweep,
)
from interrex.worker.interface import (
    Answer,
    BeginAnewAsked,
    ChangeAsked,
    Disconnect,
    DiskFull,
    EndWorker,
    FollowRoutes,
    HandOverAsked,
    Introduced,
    Leave,
    LeaveAsked,
    MessageReceived,
    NotKnown,
    PeerJoined,
    PeerLeft,
    ReadAsked,
    Remember,
    Send,
    Started,
    StartWorker,
    TakeNewIdentity,
    WakeUp,
    WorkerEffect,
    WorkerEvent,
)
from interrex.worker.probation import Probation
from interrex.worker.status import status_of
from interrex.worker.worker import Worker

_log = logging.getLogger(__name__)


if TYPE_CHECKING:
    from interrex.runtime.api import ApiServer
    from interrex.runtime.contests import ContestServer


class Ending(NamedTuple):
    """Why a node ended, and whether its process is to begin again."""

    reason: str
    again: bool


class Node:
    """One running worker.

    Args:
        layout: the cluster's folders.
        genesis: how the cluster began.
        worker: which of its workers this process is (the caller holds its lock), on which host.
        opened: its log.
        lifeline: where others of this host may wait for this process's death.
    """

    def __init__(
        self,
        layout: Layout,
        genesis: Genesis,
        worker: WorkerName,
        host: HostName,
        opened: OpenedLog,
        lifeline: int,
    ) -> None:
        self._layout = layout
        self._genesis = genesis
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ending] = self._loop.create_future()
        self._queue: deque[WorkerEvent] = deque()
        self._stepping = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: int | None = None
        self._requests: dict[int, asyncio.Future[Outcome]] = {}
        self._leadership: tuple[WorkerName | None, int] = (None, 0)
        self._led = asyncio.Event()
        self._request_number = 0
        self._known_workers: dict[WorkerName, HostName] = {}
        self._addresses = addresses_of(layout, genesis.spec, workers_of(genesis.spec), host)
        self._api: ApiServer | None = None
        self._contests: ContestServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

        state = genesis_state(genesis.spec)
        random = Random(os.urandom(16))
        member = opened.member
        election = new_election(
            genesis.spec, worker, member, opened.stored, opened.first_members, random
        )
        self.core = Worker(
            worker,
            host,
            member,
            os.getpid(),
            state,
            opened.stored,
            election,
            random,
            now_ns(),
            _probation(genesis, worker, opened),
            read_known(layout.known(host)),
        )
        self._journal = Journal(layout.events(worker), worker, host)
        self._writer = Writer(opened.store, self, self._loop)
        self._balancers = HostBalancers(layout, host, self.post)
        self._processes = HostProcesses(
            layout.host(host),
            self._loop,
            self.post,
            admin_probe=self._balancers.probe,
            address="0.0.0.0" if genesis.spec.hosts else "127.0.0.1",
        )
        self._client = new_client(genesis.spec, genesis.cluster_id, host, self.post)
        file = file_of_host(genesis, opened.stored, host)
        self._transport = Transport(
            hello_of_this_process(
                genesis, worker, host, opened, lifeline, _begins(layout, genesis, worker)
            ),
            self,
            tls=tls_files(file, host),
        )
        self._faults: dict[str, Counter[str]] = {"peer": self._transport.counters}
        self._transport.listen_unix(layout.peer_socket(worker))
        if file.hosts:
            self._transport.listen_tcp(*listening_place(file, worker, host))
        self._refusals: dict[WorkerName, str] = {}
        self._questions = HeldQuestions(self._ask_service)
        if self._client is not None and self._transport.hello.begins:
            others = {one.name for one in file.hosts} - {host}
            self._questions.hold(others, file.timing.lost_host)
        self._connected: set[WorkerName] = set()
        self._not_ended: set[WorkerName] = set()
        """To be started when the process that has their lock, and may be dying, has ended."""
        if opened.loss:
            self._journal.write(Note(kind="log.lost", text=opened.loss, worker=worker), 0)

    async def run(self) -> Ending:
        """Work until asked to leave, or until going on would be unsafe."""
        self.post(Started())
        self._spawn(self._serve_api())
        try:
            return await self._ended
        finally:
            await self._close()

    def post(self, event: WorkerEvent) -> None:
        """Let the core take an event, after those before it, and perform what it asks."""
        self._queue.append(event)
        if self._stepping:
            return
        self._stepping = True
        sound = False
        try:
            while self._queue and not self._ended.done():
                effects = self.core.step(self._queue.popleft(), now_ns())
                if self._contests is not None:
                    # What is applied is on a majority's disks: who leads by it waits for nothing.
                    self._contests.moved(self.core.state.index, self.core.election.leading)
                for effect in effects:
                    self._perform(effect)
            sound = True
        except InvariantViolation as error:
            self._stop(f"a safety rule was about to be broken: {error}")
        finally:
            self._stepping = False
            if not sound:
                self._stop("an internal error left the worker's state in doubt", again=True)
        self._tell_leader()
        self._arm()
        self._processes.pass_by()

    def _post_and_write(self, event: WorkerEvent) -> None:
        """Post an event, and write at once what it makes the core send."""
        self._transport.hold()
        try:
            self.post(event)
        finally:
            self._transport.release()

    def _perform(self, effect: WorkerEffect) -> None:
        match effect:
            case Persist():
                self._transport.begins_nothing()
                self._writer.submit(effect.token, effect.records)
            case Ask():
                self._questions.ask(effect)
            case Send():
                self._send(effect)
            case Claim() | Release() | Forget() | Signal() | Sweep() | Probe():
                self._processes.perform(effect)
            case Spawn():
                if service_of(effect.slot) == BALANCER:
                    self._spawn(self._start_balancer(effect))
                else:
                    self._processes.perform(effect)
            case FollowRoutes():
                self._spawn(self._balancers.follow(effect, self.core.state.spec.balancer))
            case StartWorker():
                self._start_worker(effect.worker)
            case EndWorker():
                self._transport.kill_peer(effect.worker, signal.SIGKILL)
            case Disconnect():
                self._transport.disconnect(effect.peer, effect.reason)
            case Answer():
                self._answer(effect)
            case Note():
                self._note(effect)
            case TakeNewIdentity():
                self._take_new_identity(effect.reason)
            case Remember():
                keep_known(self._layout.known(self._host), effect.known)
            case Leave():
                self._leave(effect)
            case _:
                assert_never(effect)

    def _ask_service(self, question: Ask) -> None:
        assert self._client is not None
        self._client.ask(question)

    def _send(self, effect: Send) -> None:
        payload = encode(effect.message)
        for peer in self._connected if effect.to is None else (effect.to,):
            self._transport.send(peer, payload)

    async def _start_balancer(self, effect: Spawn) -> None:
        """Its command line is made here: it depends on which other balancer lives just now."""
        try:
            command = await self._balancers.command(effect.slot, self.core.state.spec.balancer)
        except (InterrexError, OSError) as error:
            self.post(SpawnFailed(effect.slot, effect.incarnation, f"no balancer: {error}"))
            return
        spec = msgspec.structs.replace(effect.spec, command=command)
        self._processes.perform(msgspec.structs.replace(effect, spec=spec))

    def _start_worker(self, worker: WorkerName) -> None:
        self._not_ended.discard(worker)
        try:
            pid = launch_worker(self._layout, worker, self._host)
        except InterrexError as error:
            self._note(Note(kind="worker.not_started", text=str(error), worker=worker))
        else:
            if pid is None:
                self._not_ended.add(worker)
            else:
                text = f"{worker} was started (pid {pid})"
                self._note(Note(kind="worker.launched", text=text, worker=worker))

    def _note(self, note: Note) -> None:
        """Write an event down, after what is sent in this loop iteration: no vote waits for it."""
        self._loop.call_soon(self._journal.write, note, self.core.epoch)

    def _take_new_identity(self, reason: str) -> None:
        """Put this log aside for good, and begin again as a new member."""
        disown(self._layout, self.core.me)
        self._stop(f"back under a new identity: {reason}", again=True)

    def _arm(self) -> None:
        """Keep the one timer at the core's one wake-up; connect to whoever is new."""
        acquaintances, state = self.core.acquaintances, self.core.state
        workers = acquaintances.workers(state)
        self._transport.peers_as_of = state.index
        self._transport.is_led = self.core.election.leader is not None
        if state.index and not self._transport.began and self._genesis.spec.hosts:
            self._transport.began = self._genesis.beginning
        if workers != self._known_workers:
            self._known_workers = dict(workers)
            spec = acquaintances.spec(state)
            addresses = addresses_of(self._layout, spec, workers, self._host, self._addresses)
            self._addresses |= addresses
            self._transport.set_peers(addresses)
        wake_at = self.core.wake_at
        if wake_at == self._timer_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = wake_at
        if wake_at is not None and not self._ended.done():
            self._timer = self._loop.call_later(delay_s(wake_at), self._wake_up)

    def _wake_up(self) -> None:
        self._timer = None
        if self._timer_at is not None and now_ns() < self._timer_at:
            self._timer_at = None
            self._arm()
            return
        self._post_and_write(WakeUp())

    def _leave(self, effect: Leave) -> None:
        if effect.dismissed:
            try:
                self._layout.dismissed(self.core.me).touch()
            except OSError as error:  # then it is started again, and dismissed again
                _log.error("that it is dismissed cannot be written down: %s", error)
        self._stop(effect.reason)

    def _stop(self, reason: str, again: bool = False) -> None:
        if not self._ended.done():
            _log.info("ending: %s", reason)
            self._note(Note(kind="worker.ended", text=reason))
            self._ended.set_result(Ending(reason, again))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": str(error), "exception": error})
            self._stop(f"an internal error: {error!r}", again=True)

    async def _close(self) -> None:
        self._questions.close()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._api is not None:
            self._api.close()
        if self._contests is not None:
            self._contests.close()
        if self._client is not None:
            await self._client.close()
        await self._transport.close()
        self._balancers.close()
        self._processes.close()
        self._writer.close()
        self._journal.close()

    # The disk's answers

    def persisted(self, token: int) -> None:
        self._post_and_write(Persisted(token))

    def disk_full(self, error: Exception) -> None:
        self._note(Note(kind="disk.full", text=str(error)))
        _log.error("%s", error)
        self.post(DiskFull())

    def disk_failed(self, error: Exception) -> None:
        self._stop(f"the disk failed: {error}")

    # The transport's news

    def peer_connected(self, hello: Hello) -> None:
        self._connected.add(hello.worker)
        self._not_ended.discard(hello.worker)
        self._refusals.pop(hello.worker, None)
        if hello.host != self._host:
            self._questions.met(hello.host, is_new=bool(hello.begins))
        self.post(PeerJoined(hello.worker, hello.host, hello.member))

    def peer_lost(self, hello: Hello, proved_dead: bool) -> None:
        self._connected.discard(hello.worker)
        self._post_and_write(PeerLeft(hello.worker, proved_dead))

    def peer_died(self, hello: Hello) -> None:
        self._post_and_write(PeerLeft(hello.worker, proved_dead=True))

    def not_known(self, index: int, led: bool) -> None:
        self.post(NotKnown(index, led))

    def introduction(self) -> Known | None:
        return self.core.acquaintances.introduction(self.core.state)

    def introduced(self, worker: WorkerName, host: HostName, known: Known) -> None:
        self.post(Introduced(worker, host, known))

    def peer_refuses(self, worker: WorkerName, reason: str) -> None:
        self._refusals[worker] = reason

    def comes_late(self) -> None:
        self._questions.comes_late()

    def told_beginning(self, genesis: bytes) -> None:
        """Begin again, from how the cluster began: nothing was ever said under this identity."""
        if not self._transport.hello.begins:
            return
        try:
            join_cluster(self._layout, self._host, self._genesis, genesis)
            disown(self._layout, self.core.me)
        except (InterrexError, OSError) as error:
            text = f"the cluster cannot be joined: {error}"
            self._note(Note(kind="cluster.not_joined", text=text, worker=self.core.me))
            return
        self._stop(f"{self.core.me} joins a cluster that has begun without it", again=True)

    def peer_ended(self, hello: Hello) -> None:
        if hello.worker in self._not_ended:
            self._start_worker(hello.worker)

    def message(self, worker: WorkerName, payload: bytes) -> None:
        self.post(MessageReceived(worker, payload))

    # What users ask

    async def _serve_api(self) -> None:
        """Imported only now: the replicas are adopted, and nothing that heals waits for it."""
        from interrex.runtime.api import ApiServer

        self._api = ApiServer(self)
        self._faults["api"] = self._api.counters
        await self._api.start(self._layout.api_socket(self.core.me))
        from interrex.runtime.contests import ContestServer

        contests = ContestServer(self.core.me, self)
        self._faults["lead"] = contests.counters
        await contests.start(self._layout.lead_socket(self.core.me))
        self._contests = contests
        gather()

    def status_document(self) -> bytes:
        faults = {
            f"{sock}.{kind}": times
            for sock, counter in sorted(self._faults.items())
            for kind, times in sorted(counter.items())
        }
        return msgspec.json.encode(status_of(self.core, now_ns(), self._refusals, faults))

    def spec_document(self) -> bytes:
        return msgspec.json.encode(self.core.state.spec)

    def is_healthy(self) -> bool:
        return self.core.election.leader is not None

    def new_events(self) -> Callable[[], list[Event]]:
        names = self._layout.worker_names()
        return EventTail([self._layout.events(name) for name in names]).read

    async def leader_above(self, epoch: int) -> Leadership:
        while self._leadership[0] is None or self._leadership[1] <= epoch:
            await self._led.wait()
        return Leadership(leader=self._leadership[0], epoch=self._leadership[1])

    def _tell_leader(self) -> None:
        """Wake those who wait for a leader; the event is new each time, so nobody misses one."""
        now = (self.core.election.leader, self.core.election.epoch)
        if now != self._leadership:
            self._leadership = now
            self._transport.flush()  # the others wait to hear of it, too
            self._led.set()
            self._led = asyncio.Event()

    async def confirm(self) -> Outcome:
        return await self._ask(ReadAsked)

    async def change(self, body: ChangeBody) -> Outcome:
        return await self.begin_change(body)

    def begin_change(self, body: ChangeBody) -> asyncio.Future[Outcome]:
        return self._begin_to_ask(lambda n: ChangeAsked(n, body.id, body.operations))

    async def step_down(self, body: StepDownBody) -> Outcome:
        return await self._ask(lambda n: HandOverAsked(n, body.successor))

    async def begin_anew(self) -> Outcome:
        return await self._ask(BeginAnewAsked)

    def contests(self) -> tuple[Contests, int]:
        return self.core.state.contests, self.core.state.index

    def leads_the_cluster(self) -> bool:
        return self.core.election.leading

    def leader_of_this_host(self) -> WorkerName | None:
        leader = self.core.election.leader
        here = leader is not None and self.core.state.workers.get(leader) == self._host
        return leader if here else None

    def contest_refusal(self) -> str:
        guarantees = self.core.election.guarantees
        return "" if guarantees.fenced else f"no one is sure to lead alone: {guarantees.caution}"

    async def leave(self) -> Outcome:
        return await self._ask(LeaveAsked)

    async def _ask(self, make: Callable[[int], WorkerEvent]) -> Outcome:
        return await self._begin_to_ask(make)

    def _begin_to_ask(self, make: Callable[[int], WorkerEvent]) -> asyncio.Future[Outcome]:
        self._request_number += 1
        number = self._request_number
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._requests[number] = future
        self.post(make(number))
        return future

    def _answer(self, answer: Answer) -> None:
        future = self._requests.pop(answer.request, None)
        if future is not None and not future.done():
            future.set_result(
                Outcome(ok=answer.ok, text=answer.text, index=answer.index, refused=answer.refused)
            )


def _probation(genesis: Genesis, worker: WorkerName, opened: OpenedLog) -> Probation | None:
    """Where several hosts make the cluster, each its own part, and where workers vote at all."""
    if guarantees_of(genesis.spec).coordinated or not genesis.spec.hosts:
        return None
    first = opened.first_members
    others = None if first is None else [name for name in first.values() if name != worker]
    return Probation(worker, genesis.birthmark, others, opened.stored)


def _begins(layout: Layout, genesis: Genesis, worker: WorkerName) -> str:
    """How a worker of several hosts would begin the cluster, as long as its log was not written."""
    unwritten = genesis.spec.hosts and layout.unwritten(worker).exists()
    return digest_of(genesis.beginning) if unwritten else ""


def hello_of_this_process(
    genesis: Genesis,
    worker: WorkerName,
    host: HostName,
    opened: OpenedLog,
    lifeline: int,
    begins: str = "",
) -> Hello:
    """What this process says of itself to its peers."""
    process = ProcessIdentity.of(os.getpid())
    assert process is not None
    return Hello(
        cluster=genesis.spec.name,
        cluster_id=genesis.cluster_id,
        worker=worker,
        host=host,
        member=opened.member,
        incarnation=SystemRandom().getrandbits(63),
        lifeline=lifeline,
        begins=begins,
        pid=process.pid,
        start_time=process.start_time,
        boot_id=process.boot_id,
        pid_namespace=process.pid_namespace,
    )
