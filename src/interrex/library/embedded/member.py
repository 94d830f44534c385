"""A member of an embedded election: the election's core, run in the program's own event loop.

The core elects one of the members. Whoever it elects leads in its program only while that stands
(is in ``lead()``); otherwise it hands over to a member that does, the highest priority first.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from random import Random

from interrex.core.errors import InterrexError, InvariantViolation
from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS, seconds
from interrex.elections.interface import (
    Election,
    ElectionEffect,
    ElectionEvent,
    LeaderChanged,
    MalformedPayload,
    PayloadReceived,
    PeerConnected,
    PeerLost,
    Persist,
    Persisted,
    ProposalSettled,
    ReplaceMember,
    SendPayload,
    SnapshotTaken,
    StepDown,
    TakeSnapshot,
    WakeUp,
)
from interrex.elections.registry import new_election
from interrex.library.embedded.founding import Genesis, found, is_over
from interrex.library.embedded.judging import is_newcomer, judge, raised_by
from interrex.library.embedded.mesh import Mesh
from interrex.library.embedded.options import LEASE_SHARE, Options, options_from
from interrex.library.embedded.store import FolderStore, MemoryStore
from interrex.library.embedded.words import Founded, Greeting, Mail, NotBelieved, Stance
from interrex.library.errors import BadState, ElectionError, WrongSecret
from interrex.library.leaving import to_its_end
from interrex.library.standing import Standing
from interrex.library.urls import ElectionUrl
from interrex.runtime.clock import now_ns
from interrex.runtime.disk_file import DiskFull
from interrex.runtime.procfs import boot_id

log = logging.getLogger(__name__)


def embedded_member(
    url: ElectionUrl, identity: str, priority: int, standing: Standing
) -> "EmbeddedMember":
    """Raises MalformedUrl, UnknownOption, WrongPeers, BadTimes, BadSecret."""
    return EmbeddedMember(options_from(url), identity, priority, standing)


class EmbeddedMember:
    """Implements ``interrex.library.standing.Backend``."""

    def __init__(self, options: Options, identity: str, priority: int, standing: Standing) -> None:
        self._options = options
        self._identity = identity
        self._standing = standing
        timing = options.spec.timing
        self.lease = round(seconds(timing.election_timeout) * LEASE_SHARE)
        self._patience = 2 * seconds(timing.election_timeout)
        self._core: Election | None = None
        self._genesis: Genesis | None = None
        self._newest = 0
        self._over: set[int] = set()
        """The geneses of which a majority has lost its votes."""
        self._settled = False
        self._stance = Stance(False, priority, 0)
        self._stances: dict[WorkerName, Stance] = {}
        self._preferred: tuple[int, WorkerName, int] | None = None
        """The epoch in which another was asked to lead, whom, and until when (ns) it has time."""
        self._led: WorkerName | None = None
        self._mute: set[WorkerName] = set()
        """Who led, or was asked to, and has said nothing since: perhaps it stands still."""
        self._let_in: dict[WorkerName, tuple[int, int]] = {}
        self._queue: deque[ElectionEvent] = deque()
        self._stepping = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Raises StateTaken, BadState, OtherCluster, BadCertificates, CannotListen."""
        self._opened_at = now_ns()
        spec = self._options.spec
        try:
            self._store: MemoryStore | FolderStore = (
                MemoryStore()
                if self._options.state is None
                else FolderStore(self._options.state, spec.election, spec.name, self)
            )
        except ElectionError:
            raise
        except (InterrexError, OSError) as error:
            raise _unusable(error) from error
        try:
            self._mesh = Mesh(self._options, self)
        except ElectionError:
            self._store.close()
            raise
        try:
            await self._mesh.start()
        except asyncio.CancelledError:
            await self.close()
            raise
        if self._store.genesis is not None:
            self._begin(self._store.genesis)
        else:
            self._found_if_all_are_here()

    async def close(self) -> None:
        """Hand over what is led, then leave."""
        self.withdraw()
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await to_its_end(self._close())

    async def _close(self) -> None:
        await self._mesh.close()
        self._store.close()

    def stand(self) -> None:
        self._take_stance(stands=True, leads=0, favours=self._stance.favours)
        self._settle()

    def withdraw(self, successor: str | None = None) -> None:
        self._standing.end("it was given up")
        known = self._mesh.connected()
        favours = next((p for p, g in known.items() if g.identity == successor), None)
        self._take_stance(stands=False, leads=0, favours=favours)
        self._settle()

    def waiting(self) -> list[str]:
        known = self._mesh.connected()
        waiting = [
            known[peer].identity
            for peer, stance in self._candidates(self._core).items()
            if not stance.leads
        ]
        own = self._stance.stands and not self._stance.leads
        return [self._identity, *waiting] if own else waiting

    # Beginning

    def greeting(self, nonce: bytes) -> Greeting:
        return Greeting(
            election=self._options.spec.election,
            name=self._options.spec.name,
            peers=self._options.peers,
            place=self._options.own,
            identity=self._identity,
            member=self._store.member,
            genesis=self._genesis,
            newest=self._newest,
            age=now_ns() - self._opened_at,
            opened=self._opened_at,
            boot=boot_id(),
            nonce=nonce,
        )

    def judge(self, greeting: Greeting) -> NotBelieved | None:
        verdict = judge(self.greeting(b""), greeting, settled=self._settled)
        if verdict is not None and verdict.own_error is not None:
            self._standing.fail(verdict.own_error)
        return None if verdict is None else verdict.refusal

    def unproved(self, mine: Greeting, theirs: Greeting) -> None:
        if is_newcomer(mine, theirs, settled=self._settled):
            where = theirs.peers[theirs.place]
            self._standing.fail(
                WrongSecret(
                    f"the member at {where} has another secret than this one\n"
                    "give all members the same secret_file"
                )
            )

    def refused(self, peer: str, refusal: NotBelieved) -> None:
        error = raised_by(refusal, self.greeting(b""), peer)
        if error is not None and not self._settled:
            self._standing.fail(error)

    def connected(self, peer: WorkerName, greeting: Greeting) -> None:
        self._newest = max(self._newest, greeting.newest)
        self._mesh.send(peer, self._stance)
        if self._genesis is None and greeting.genesis is not None:
            self._adopt(greeting.genesis)
        elif self._genesis is not None and greeting.member in self._genesis.members:
            self._mesh.send(peer, Founded(self._genesis))
        self._found_if_all_are_here()
        if self._core is not None:
            self.post(PeerConnected(peer, greeting.member))
        self._begin_anew_if_over()

    def lost(self, peer: WorkerName) -> None:
        self._stances.pop(peer, None)
        self._mute.discard(peer)
        if self._core is not None:
            self.post(PeerLost(peer, proved_dead=False))

    def heard(self, peer: WorkerName, word: Mail | Stance | Founded) -> None:
        self._mute.discard(peer)
        match word:
            case Mail(payload):
                if self._core is not None:
                    self.post(PayloadReceived(peer, payload))
            case Stance():
                self._stances[peer] = word
                self._settle()
                self._standing.wake()
            case Founded(genesis):
                if self._genesis is None:
                    self._adopt(genesis)

    def _found_if_all_are_here(self) -> None:
        greetings = self._mesh.connected()
        alone = self._genesis is None and self._options.own == 0
        if not alone or len(greetings) + 1 < len(self._options.peers):
            return
        if any(greeting.genesis is not None for greeting in greetings.values()):
            return
        members = {peer: greeting.member for peer, greeting in greetings.items()}
        members[self._options.me] = self._store.member
        clock_us = time.time_ns() // 1000
        self._adopt(found(members, secrets.randbits(62), self._newest, clock_us), founds=True)

    def _adopt(self, genesis: Genesis, *, founds: bool = False) -> None:
        """Be part of an election that has begun: as a founder, or let in by the leader."""
        if genesis.id in self._over or self._standing.failure is not None:
            return
        try:
            self._store.keep(genesis)
        except (InterrexError, OSError) as error:
            self._fail(_unusable(error))
            return
        for peer, greeting in self._mesh.connected().items():
            if greeting.member in genesis.members:
                self._mesh.send(peer, Founded(genesis))
        self._begin(genesis, founds=founds)

    def _begin(self, genesis: Genesis, *, founds: bool = False) -> None:
        self._genesis = genesis
        store = self._store
        founders = genesis.members if store.member in genesis.members else None
        me, random = self._options.me, Random(secrets.randbits(128))
        self._core = new_election(
            self._options.spec,
            me,
            store.member,
            store.stored,
            founders,
            random,
            stands_at_once=founds,  # all are here, and nobody leads yet
        )
        self.post(WakeUp())
        for peer, greeting in self._mesh.connected().items():
            self.post(PeerConnected(peer, greeting.member))

    def _begin_anew_if_over(self) -> None:
        """A majority has forgotten its votes: so do the others, and all found it anew."""
        if self._core is None or self._genesis is None:
            return
        voters = {one.member: one.worker for one in self._core.members} or self._genesis.members
        present = {peer: greeting.member for peer, greeting in self._mesh.connected().items()}
        present[self._options.me] = self._store.member
        if not is_over(voters, present):
            return
        log.warning("a majority of the members has lost its votes: the election begins anew")
        self._standing.end("a majority of the members has lost its votes")
        self._over.add(self._genesis.id)
        self._core = self._genesis = None
        self._queue.clear()
        self._store.forget()
        self._stances.clear()
        self._take_stance(stands=self._stance.stands, leads=0)
        self._mesh.begin_anew()
        self._found_if_all_are_here()

    # Running the core

    def post(self, event: ElectionEvent) -> None:
        """Let the core take an event, after those before it."""
        self._queue.append(event)
        if self._stepping or self._closed:
            return
        self._stepping = True
        try:
            while self._queue and self._core is not None and not self._closed:
                self._step(self._core, self._queue.popleft())
        except InvariantViolation as error:
            self._fail(ElectionError(f"a safety rule was about to be broken: {error}"))
        finally:
            self._stepping = False
        self._settle()
        self._arm()

    def _step(self, core: Election, event: ElectionEvent) -> None:
        try:
            effects = core.step(event, now_ns())
        except MalformedPayload as error:
            log.warning("a member's message was refused: %s", error)
            return
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: ElectionEffect) -> None:
        match effect:
            case SendPayload(to, payload):
                self._mesh.send(to, Mail(payload))
            case Persist(token, records):
                self._store.write(token, records, self.persisted)
            case TakeSnapshot(index):
                self._queue.append(SnapshotTaken(index, b""))
            case LeaderChanged(leader, _, reason):
                self._settled = self._settled or leader is not None
                if self._led not in (None, leader):
                    self._mute.add(self._led)
                self._led = leader
                if leader != self._options.me:
                    self._standing.end(reason)
                    if leader is not None:
                        self._take_stance(stands=self._stance.stands, leads=0)
            case ProposalSettled():
                self._standing.wake()
            case _:
                return  # nothing is replicated but the votes, and who may vote

    def persisted(self, token: int) -> None:
        if self._core is not None and not self._closed:
            self.post(Persisted(token))

    def disk_full(self, error: DiskFull) -> None:
        log.error("%s", error)

    def disk_failed(self, error: Exception) -> None:
        self._fail(_unusable(error))

    def _fail(self, error: ElectionError) -> None:
        self._core = None
        self._standing.fail(error)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        core = self._core
        if core is None or self._closed:
            return
        times = [time for time in (core.wake_at, self._preferred and self._preferred[2]) if time]
        if times or core.wake_at == 0:
            delay_ms = -(-max(0, min(times, default=0) - now_ns()) // MS)
            self._timer = asyncio.get_running_loop().call_later(delay_ms / 1000, self._wake_up)

    def _wake_up(self) -> None:
        self._timer = None
        self.post(WakeUp())

    # Who leads

    def _take_stance(self, *, stands: bool, leads: int, favours: WorkerName | None = None) -> None:
        stance = Stance(stands, self._stance.priority, leads, favours)
        if stance != self._stance:
            self._stance = stance
            for peer in self._mesh.connected():
                self._mesh.send(peer, stance)

    def _settle(self) -> None:
        """Bring the program's leadership in line with the core's, and let in who lost its votes."""
        core, genesis = self._core, self._genesis
        if core is None or genesis is None or self._stepping or self._closed:
            return
        epoch = genesis.base + core.epoch
        self._newest = max(self._newest, epoch)
        deadline, held = core.deadline, self._standing.leadership
        if not core.leading or deadline is None or deadline <= now_ns():
            self._preferred = None
            self._standing.end("another member may lead now")
            stands, favours = self._stance.stands, self._stance.favours
            self._take_stance(stands=stands, leads=0, favours=favours)
            self._view(core, epoch)
            return
        self._let_in_the_new(core)
        if held is not None and held.epoch == epoch:
            self._standing.renew(deadline)
            return
        successor = self._better_placed(core, epoch)
        if successor is not None:
            self._ask_to_lead(successor, epoch)
        elif self._stance.stands and self._preferred is None:
            self._take_stance(stands=True, leads=epoch)
            self._standing.saw(self._identity, epoch)
            self._standing.grant(epoch, deadline)
        else:
            self._view(core, epoch)

    def _view(self, core: Election, epoch: int) -> None:
        leader = core.leader
        known = self._mesh.connected()
        stance = self._stances.get(leader) if leader is not None else None
        leads = leader in known and stance is not None and stance.leads == epoch
        self._standing.saw(known[leader].identity if leads and leader else None, epoch)

    def _better_placed(self, core: Election, epoch: int) -> WorkerName | None:
        """Who should lead instead of this member, if it was not asked in vain already."""
        if self._preferred is not None:
            asked_in, _, until = self._preferred
            if asked_in == epoch and now_ns() < until:
                return None
        asked = self._preferred[1] if self._preferred and self._preferred[0] == epoch else None
        self._preferred = None
        candidates = self._candidates(core)
        for peer in (asked, *self._mute):
            if peer is not None:
                candidates.pop(peer, None)
        if self._stance.favours in candidates:
            return self._stance.favours
        favoured = any(one.favours == self._options.me for one in self._stances.values())
        if not candidates or (favoured and self._stance.stands):
            return None
        best = max(candidates, key=lambda peer: candidates[peer].priority)
        own = self._stance.priority if self._stance.stands else None
        return best if own is None or candidates[best].priority > own else None

    def _candidates(self, core: Election | None) -> dict[WorkerName, Stance]:
        """The other members that stand and could be elected, in the order of their names."""
        known = self._mesh.connected()
        voters = {one.worker: one.member for one in core.members} if core else {}
        return {
            peer: stance
            for peer, stance in sorted(self._stances.items())
            if stance.stands and peer in known and voters.get(peer) == known[peer].member
        }

    def _ask_to_lead(self, successor: WorkerName, epoch: int) -> None:
        self._preferred = (epoch, successor, now_ns() + self._patience)
        self._mute.add(successor)
        self.post(StepDown(successor))

    def _let_in_the_new(self, core: Election) -> None:
        """Members that came back under a new identity vote in place of what they were."""
        voters = {one.worker: one.member for one in core.members}
        now = now_ns()
        for peer, greeting in self._mesh.connected().items():
            asked = self._let_in.get(peer)
            if voters.get(peer) == greeting.member or not voters:
                self._let_in.pop(peer, None)
            elif asked is None or asked[0] != greeting.member or now > asked[1] + self._patience:
                self._let_in[peer] = (greeting.member, now)
                change = ChangeId(f"let-in-{secrets.token_hex(8)}")
                self._queue.append(ReplaceMember(change, peer, greeting.member))
        if self._queue:
            self.post(self._queue.popleft())


def _unusable(error: Exception) -> BadState:
    return BadState(f"the state directory cannot be used: {error}")
