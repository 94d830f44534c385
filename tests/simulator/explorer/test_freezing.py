"""A frozen core, thawed, is the core that was never frozen."""

from random import Random

import pytest

from interrex.core.ids import ChangeId
from interrex.core.storage import Stored
from interrex.core.time import MS, US
from interrex.elections.interface import (
    ElectionEffect,
    ElectionEvent,
    PayloadReceived,
    Persist,
    Persisted,
    Propose,
    SendPayload,
    WakeUp,
)
from interrex.elections.raft import Raft
from interrex.elections.raft import messages as m
from interrex.elections.raft.candidate import Candidate
from interrex.elections.raft.follower import Follower
from interrex.elections.raft.leader import Leader
from interrex.simulator.explorer.bounds import Bounds
from interrex.simulator.explorer.freezing import NO_CHANCE, freeze, freeze_record, own_round, thaw
from interrex.simulator.explorer.frozen import Disk, Local, Write, swapped, without_round, written
from interrex.simulator.explorer.letters import (
    LIVE,
    WORKERS,
    Letter,
    letter_of,
)
from interrex.simulator.explorer.search import Search
from interrex.simulator.explorer.steps import MAIL, Happening, Steps
from interrex.simulator.explorer.world import Action, State, World


class Halfway(Random):
    """Time-outs of one and a half: a leader is missed first, and a campaign comes later."""

    def getrandbits(self, k: int, /) -> int:
        return 1 << 31 if k == 32 else 0


class Living:
    """A core that goes on living, on a clock and a disk of its own."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.now = 1000 * MS
        self.disk = Disk(0, 0, ())
        self.writing: list[tuple[int, Write]] = []
        self.sent: list[tuple[int, Letter]] = []
        self.raft = Raft(WORKERS[1], 1, Stored(), bounds.settings, WORKERS, Halfway())
        self.step(WakeUp())

    def step(self, event: ElectionEvent) -> None:
        effects = self.raft.step(event, self.now)
        self._perform(effects)
        if not self.bounds.slow_disks:
            while self.writing:
                self.write()

    def _perform(self, effects: list[ElectionEffect]) -> None:
        for effect in effects:
            if isinstance(effect, SendPayload):
                self.sent.append(letter_of(effect, own_round(self.raft)))
            elif isinstance(effect, Persist):
                records = tuple(freeze_record(record) for record in effect.records)
                self.writing.append((effect.token, Write(records, 0)))

    def write(self) -> None:
        token, write = self.writing.pop(0)
        self.disk = written(self.disk, write)
        self._perform(self.raft.step(Persisted(token), self.now))

    def take(self, happening: int, steps: Steps) -> list[tuple[int, Letter]]:
        """The same as ``Steps.take``. Returns what was sent."""
        self.sent.clear()
        self.now += US
        if happening >= MAIL:
            number, variant = divmod(happening - MAIL, 4)
            letter = steps.letters[number]
            assert letter is not None
            fields = letter.fields
            if letter.kind in (m.Vote, m.PreVoteAnswer) and fields[1] == LIVE:
                fields = (fields[0], own_round(self.raft), *fields[2:])
            source = 2 + variant
            message = letter.kind(1, source, *fields)
            self.step(PayloadReceived(WORKERS[source], m.encode(message)))
        elif happening == Happening.WRITTEN:
            self.write()
        elif happening == Happening.PROPOSAL:
            self.step(Propose(ChangeId("c"), b"x"))
        else:
            self.now = self.raft.wake_at or self.now
            self.step(WakeUp())
        return self.sent

    @property
    def frozen(self) -> Local:
        batches = self.raft._server.node.disk._batches
        writing = tuple(
            Write(write.records, batch.reaches)
            for (_, write), batch in zip(self.writing, batches, strict=True)
        )
        return Local(self.disk, writing, freeze(self.raft, ended=False))


@pytest.mark.parametrize("seed", range(24))
def test_thawed_cores_do_what_living_ones_do(seed: int) -> None:
    """Three of each, the same events at random: after each they hold and have sent the same."""
    bounds = Bounds(terms=4, slow_disks=seed % 2 == 1, asks=seed % 4 < 2, beats=2, proposals=2)
    world, random = World(bounds), Random(seed)
    state = world.beginning()
    living = [Living(bounds) for _ in range(3)]
    led = 0
    for _ in range(300):
        action = _some_action(world, state, random)
        after = world.after(state, action)
        if after is None:
            continue  # beyond the bounds
        sent = living[action.server].take(action.happening, world.steps)
        assert [letter.stale() if letter.is_live else letter for _, letter in sent] == [
            letter.stale() if letter.is_live else letter for letter in _sent(world, state, action)
        ]
        state = after
        for server, number in enumerate(state[:3]):
            frozen = world.steps.locals[number]
            assert _of_no_round(frozen) == _of_no_round(living[server].frozen)
            led += world.steps.is_leader[number]
    assert led


def _of_no_round(local: Local) -> Local:
    """The living ones do not hear that a peer's campaign is over: the world notes it for them."""
    return without_round(without_round(local, 2), 3)


def _sent(world: World, state: State, action: Action) -> list[Letter]:
    outcome = world.steps.take(state[action.server], action.happening)
    assert outcome is not None
    letters = [world.steps.letters[what] for _, what in outcome.sent]
    return [letter for letter in letters if letter is not None]


def _some_action(world: World, state: State, random: Random) -> Action:
    """Mail more often than time-outs, and none of what a living one's clock would not allow."""
    choices = []
    for action in world.actions(state):
        waits = bool(world.steps.locals[state[action.server]].writing)
        if action.happening == Happening.TIMER:
            # A write that takes a whole time-out is a stuck disk, which is not explored.
            choices += [action] * (not waits)
        elif action.happening != Happening.EXPIRY:
            choices += [action] * 6
    return random.choice(choices)


def test_what_is_frozen_thaws_to_the_same_and_swaps_back() -> None:
    world = World(Bounds(terms=2, crashes=1, slow_disks=True, proofs=True, hand_overs=1))
    Search(world).run(4000)
    settings = world.bounds.settings
    for local in world.steps.locals:
        assert swapped(swapped(local)) == local
        if local.core is not None:
            assert freeze(thaw(local, settings), ended=True) == local.core


KNOWN = {
    "Server": {"node", "detection", "voting", "reason", "role", "_leader_of_epoch"},
    "Node": {
        "worker", "member", "settings", "random", "now", "effects", "disk", "peers", "term",
        "vote", "log", "commit", "membership", "campaigns", "_snapshot_asked",
        "_bytes_since_snapshot",
    },
    "Disk": {
        "_records", "_entries", "_reaches", "_urgent", "_next_token", "_batches", "_held",
        "waiting_since",
    },
    "Detection": {
        "_member", "_settings", "_most_retries", "leader", "leader_worker", "epoch", "silent_at",
        "loss", "ended", "ended_at", "timeout", "round_trip", "order", "passed", "dead",
        "remembered", "fast_retries", "tried", "former", "graced",
    },
    "Follower": {
        "_node", "_detection", "_server", "_draw", "verified", "_acknowledge", "_acknowledged",
        "_chunks", "_chunks_of", "campaign_at",
    },
    "Candidate": {
        "_node", "_detection", "_server", "asking", "asked_at", "deadline", "round", "_answers",
        "_own_vote", "_is_stored",
    },
    "Leader": {
        "_node", "_server", "_lease", "replication", "_proposals", "_uncommitted_bytes", "_reads",
        "_early_reads", "_changes", "_handover", "_heartbeat_at", "_lateness", "_grace_until",
        "_forgiven", "_ended", "_first_index",
    },
    "Lease": {
        "deadline", "number", "answered", "sent_at", "_rounds", "_asked", "_owing", "_answers",
        "_groups", "_is_settled",
    },
    "Replication": {"_node", "_lease", "_appended", "progress", "matched", "order"},
    "Progress": {
        "member", "match", "next", "state", "paused", "inflight", "sent_bytes", "sent_round",
        "commit_sent", "round_trips", "snapshot", "snapshot_offset", "goes_back",
    },
    "Handover": {"_node", "_tell", "_target", "told", "until"},
    "Voting": {"_node", "_detection", "_believes"},
    "Log": {
        "snapshot", "_entries", "_base_index", "_base_term", "persisted", "appended_bytes",
        "last_index",
    },
}  # fmt: skip
"""What the cores remember, and whoever froze them knew of."""


def test_the_core_remembers_nothing_that_freezing_has_not_heard_of() -> None:
    """A new attribute has to be frozen, or left out for a reason: then name it here."""
    raft = Raft(WORKERS[1], 1, Stored(), Bounds().settings, WORKERS, NO_CHANCE)
    server = raft._server
    node, detection = server.node, server.detection
    leader = Leader(node, server, 0)
    parts: list[object] = [
        server, node, node.disk, node.log, detection, server.voting, leader, leader._lease,
        leader.replication, leader.replication.progress[2], leader._handover,
        Follower(node, detection, server, draw=0),
        Candidate(node, detection, server, asking=True, timeout=1),
    ]  # fmt: skip
    assert {type(part).__name__: set(vars(part)) for part in parts} == KNOWN
