"""The steps of one server, taken by the real core once and remembered from then on.

A step is a function of the server's frozen state and the event alone, because the core is pure.
A million states of three servers are made of some ten thousand of one, so nearly every step of
the exploration is one that a core has already taken.
"""

from enum import IntEnum
from typing import NamedTuple

from interrex.core.errors import ensure
from interrex.core.ids import ChangeId
from interrex.elections.interface import (
    ElectionEffect,
    ElectionEvent,
    PeerLost,
    Persist,
    Persisted,
    Propose,
    SendPayload,
    StepDown,
    WakeUp,
)
from interrex.elections.raft import Raft
from interrex.elections.raft import messages as m
from interrex.elections.raft.leader import Leader as LeaderRole
from interrex.simulator.explorer.bounds import Bounds
from interrex.simulator.explorer.freezing import (
    NEVER,
    NOW,
    born,
    freeze,
    freeze_record,
    own_round,
    thaw,
)
from interrex.simulator.explorer.frozen import (
    Core,
    Disk,
    Leading,
    Local,
    Log,
    Standing,
    Write,
    swapped,
    without_round,
    written,
)
from interrex.simulator.explorer.letters import (
    PEERS,
    WORKERS,
    Letter,
    delivery,
    letter_of,
)


class Happening(IntEnum):
    """What may befall a server besides mail. Mail has the numbers from ``MAIL`` on."""

    TIMER = 0
    """A follower misses its leader or campaigns, a candidate tries anew, a leader beats."""
    EXPIRY = 1
    """A leader has not heard from a majority for too long."""
    WRITTEN = 2
    """The oldest write is on the disk, and the core hears of it."""
    PROPOSAL = 3
    START = 4
    HAND_OVER_TO_NEXT = 5
    HAND_OVER_TO_LAST = 6
    CRASH = 7
    """CRASH + k: and k of the writes under way had reached the disk."""


MAIL = 16
"""Mail is this, and four times the letter's number, and 1 if the last peer sent it, and ``LATE``
if it comes so long after a leadership is known to be over that this is not believed any more."""
LATE = 2
DEATH = 0
"""The letter that is none: the proof that its sender's process has died."""

CHANGE = Propose(ChangeId("c"), b"x")


class Notes(NamedTuple):
    """What an independent observer writes down about a step."""

    led: int
    """The term that the server leads from now on, 0 where it does not begin to."""
    votes: tuple[tuple[int, int], ...]
    """Term and candidate of the votes that left, or that it won with itself."""
    term: int
    committed: Log
    """What it holds to be committed now, where that is news."""


NOTHING = Notes(0, (), 0, ())


class Outcome(NamedTuple):
    local: int
    sent: tuple[tuple[int, int], ...]
    """To which peer (2 or 3), which letter."""
    closes: bool
    """Whether the campaign that was under way is over: what belongs to it is an earlier one's."""
    notes: Notes | None


class Steps:
    """All frozen servers and letters met so far, by number, and what became of them."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.settings = bounds.settings
        self.locals: list[Local] = []
        self.swaps: list[int] = []
        """The number of the same server with its peers exchanged."""
        self.menus: list[tuple[int, ...]] = []
        """What may happen to a server, beside mail and what has a budget."""
        self.is_leader: list[bool] = []
        self.is_alive: list[bool] = []
        self.ended: list[int] = []
        """The term whose leadership the server knows to be over, 0 for none."""
        self.letters: list[Letter | None] = [None]
        self.stale: list[int] = [DEATH]
        """The number of the same letter of a campaign that is over; itself where that is all
        the same."""
        self.is_answer: list[bool] = [False]
        self.terms: list[int] = [0]
        self._numbers: dict[Local, int] = {}
        self._letter_numbers: dict[Letter, int] = {}
        self._rounds_ended: dict[tuple[int, int], int] = {}
        self.taken = 0
        """How many steps a core has really taken."""

    # Numbers

    def number(self, local: Local) -> int:
        """A server's number, new or known."""
        known = self._numbers.get(local)
        if known is not None:
            return known
        number = self._enter(local)
        mirrored = swapped(local)
        if mirrored == local:
            self.swaps[number] = number
        else:
            other = self._enter(mirrored)
            self.swaps[number], self.swaps[other] = other, number
        return number

    def _enter(self, local: Local) -> int:
        number = self._numbers[local] = len(self.locals)
        role = local.core.role if local.core else None
        self.locals.append(local)
        self.swaps.append(number)
        self.menus.append(tuple(self._menu(local)))
        self.is_leader.append(isinstance(role, Leading))
        self.is_alive.append(local.core is not None)
        self.ended.append(local.core.belief.ended if local.core else 0)
        return number

    def _menu(self, local: Local) -> list[int]:
        if local.core is None:
            return [Happening.START]
        menu: list[int] = []
        if not isinstance(local.core.role, Leading):
            menu.append(Happening.TIMER)
        else:
            menu.append(Happening.EXPIRY)
            if local.core.role.beats < self.bounds.beats:
                menu.append(Happening.TIMER)
        if local.writing:
            menu.append(Happening.WRITTEN)
        return menu

    def letter(self, letter: Letter) -> int:
        """A letter's number, new or known."""
        known = self._letter_numbers.get(letter)
        if known is not None:
            return known
        number = self._letter_numbers[letter] = len(self.letters)
        self.letters.append(letter)
        self.stale.append(number)
        self.is_answer.append(letter.kind in (m.Vote, m.PreVoteAnswer))
        self.terms.append(letter.term)
        if letter.is_live:
            self.stale[number] = self.letter(letter.stale())
        return number

    def without_round(self, number: int, member: int) -> int:
        """The server when a peer's campaign is over."""
        key = (number, member)
        known = self._rounds_ended.get(key)
        if known is None:
            known = self._rounds_ended[key] = self.number(
                without_round(self.locals[number], member)
            )
        return known

    # Steps

    def take(self, number: int, happening: int) -> Outcome | None:
        """What becomes of a server, None where it would leave the bounds.

        Raises:
            InvariantViolation: the core itself refuses to go on.
        """
        local = self.locals[number]
        if Happening.CRASH <= happening < MAIL:
            return self._crash(local, happening - Happening.CRASH)
        self.taken += 1
        disk, writing = local.disk, list(local.writing)
        if happening == Happening.START:
            raft = born(disk, self.settings)
            event: ElectionEvent = WakeUp()
            now = NOW
        else:
            raft = thaw(local, self.settings)
            event, now = self._event(raft, happening)
        if happening == Happening.WRITTEN:
            disk = written(disk, writing.pop(0))
        before = own_round(raft)
        effects = list(raft.step(event, now))
        disk, writing = self._write(raft, disk, writing, effects)
        return self._outcome(
            local, Local(disk, tuple(writing), self._freeze(raft)), raft, before, effects
        )

    def _freeze(self, raft: Raft) -> Core:
        return freeze(raft, ended=self.bounds.ends)

    def _event(self, raft: Raft, happening: int) -> tuple[ElectionEvent, int]:
        if happening >= MAIL:
            number, variant = divmod(happening - MAIL, 4)
            letter, source = self.letters[number], PEERS[variant & 1]
            if variant & LATE:
                raft._server.detection.ended_at = 0
            if letter is None:
                return PeerLost(WORKERS[source], proved_dead=True), NOW
            return delivery(letter, source), NOW
        match happening:
            case Happening.WRITTEN:
                return Persisted(1), NOW
            case Happening.PROPOSAL:
                return CHANGE, NOW
            case Happening.HAND_OVER_TO_NEXT | Happening.HAND_OVER_TO_LAST:
                return StepDown(WORKERS[PEERS[happening - Happening.HAND_OVER_TO_NEXT]]), NOW
            case Happening.EXPIRY:
                role = raft._server.role
                if isinstance(role, LeaderRole):
                    role._heartbeat_at = NEVER
                    raft.wake_at = role.wake_at
        return WakeUp(), raft.wake_at or NOW

    def _write(
        self, raft: Raft, disk: Disk, writing: list[Write], effects: list[ElectionEffect]
    ) -> tuple[Disk, list[Write]]:
        """Hands new writes to the disk; a fast one has done them before anything else happens."""
        fresh = [effect for effect in effects if isinstance(effect, Persist)]
        records = [one.records for one in writing]
        while fresh:
            persist = fresh.pop(0)
            frozen = tuple(freeze_record(record) for record in persist.records)
            if self.bounds.slow_disks:
                records.append(frozen)
                continue
            disk = written(disk, Write(frozen, 0))
            more = raft.step(Persisted(persist.token), raft._server.node.now)
            effects += more
            fresh += [effect for effect in more if isinstance(effect, Persist)]
        batches = raft._server.node.disk._batches
        ensure(len(batches) == len(records), "every write under way is known to both sides")
        return disk, [
            Write(one, batch.reaches) for one, batch in zip(records, batches, strict=True)
        ]

    def _outcome(
        self,
        before: Local,
        after: Local,
        raft: Raft,
        round_before: int,
        effects: list[ElectionEffect],
    ) -> Outcome | None:
        core = after.core
        ensure(core is not None, "a core that took a step lives")
        if core is None or core.term > self.bounds.terms:
            return None
        ensure(before.disk.term <= after.disk.term, "a term on disk never falls")
        now_round = own_round(raft)
        sent = []
        votes = []
        for effect in effects:
            if isinstance(effect, SendPayload):
                to, letter = letter_of(effect, now_round)
                sent.append((to, self.letter(letter)))
                if letter.kind is m.Vote and letter.fields[2]:
                    votes.append((letter.term, to))
        return Outcome(
            self.number(after),
            tuple(sent),
            round_before > 0 and now_round != round_before,
            _notes(before.core, core, votes),
        )

    def _crash(self, local: Local, reached: int) -> Outcome:
        disk = local.disk
        for write in local.writing[:reached]:
            disk = written(disk, write)
        standing = local.core is not None and isinstance(local.core.role, Standing)
        return Outcome(self.number(Local(disk, (), None)), (), standing, None)


def _notes(before: Core | None, after: Core, votes: list[tuple[int, int]]) -> Notes | None:
    leads = isinstance(after.role, Leading)
    led_before = before is not None and isinstance(before.role, Leading)
    led = after.term if leads and not led_before else 0
    if led:
        votes.append((led, 1))
    committed = after.log[: after.commit] if after.commit > (before.commit if before else 0) else ()
    if not (led or votes or committed):
        return None
    return Notes(led, tuple(votes), after.term, committed)
