"""A living core as plain, comparable data (``frozen``), and as a living core again.

``freeze`` keeps everything that decides what the core will do, and nothing that does not: no
clock, no draw, no count of campaigns. ``thaw`` builds a real ``Raft`` from it whose timers stand
at their full length; which of them runs out is the explorer's choice.

What is dropped, and why it may be: docs/simulator-explorer.md.
"""

from collections import deque
from operator import itemgetter
from random import Random

import msgspec

from interrex.core.errors import InvariantViolation
from interrex.core.storage import (
    AppendEntries,
    Entry,
    Record,
    SetFact,
    Stored,
    TruncateFrom,
)
from interrex.core.time import S
from interrex.elections.interface import SendPayload
from interrex.elections.raft import Raft, RaftSettings
from interrex.elections.raft import messages as m
from interrex.elections.raft.candidate import Candidate
from interrex.elections.raft.follower import Follower
from interrex.elections.raft.leader import Leader
from interrex.elections.raft.node import VOTE, Node, StoredVote
from interrex.elections.raft.progress import Progress, State
from interrex.elections.raft.server import Server
from interrex.elections.replicated.disk import Batch
from interrex.simulator.explorer.frozen import (
    Belief,
    Core,
    Disk,
    EntriesWritten,
    Following,
    FrozenRecord,
    Leading,
    Local,
    Log,
    Outbox,
    Reached,
    Standing,
    Truncated,
    VoteWritten,
    Write,
)
from interrex.simulator.explorer.letters import (
    LIVE,
    ME,
    MEMBERS,
    STALE,
    WORKERS,
    Letter,
    letter_of,
)

NOW = 1000 * S
NEVER = 10_000 * S
"""Long after ``NOW``: a timer that is not the explorer's next choice."""


class NoChance(Random):
    """Draws nothing: time-outs run out when the explorer says so."""

    def getrandbits(self, k: int, /) -> int:
        del k
        return 0


NO_CHANCE = NoChance()


# Freezing


def freeze_record(record: Record) -> FrozenRecord:
    """A record of a ``Persist``; there are no snapshots here."""
    match record:
        case SetFact(_, value):
            stored = msgspec.msgpack.decode(value, type=StoredVote)
            return VoteWritten(stored.term, stored.vote)
        case AppendEntries(entries):
            log = tuple((entry.epoch, entry.data) for entry in entries)
            return EntriesWritten(entries[0].index, log)
        case TruncateFrom(index):
            return Truncated(index)
        case _:
            raise InvariantViolation("nothing is explored that makes snapshots")


def freeze(raft: Raft, *, ended: bool) -> Core:
    """Everything of a core that decides what it does.

    ``ended``: whether leaderships can be known to be over at all; where not, what is kept for
    that alone is dropped.
    """
    server = raft._server
    node = server.node
    led = server._leader_of_epoch
    return Core(
        node.term,
        node.vote,
        tuple((entry.epoch, entry.data) for entry in node.log._entries),
        node.log.persisted,
        node.commit,
        _freeze_outbox(node),
        _freeze_belief(server, ended=ended),
        led if led[0] == node.term else (0, 0),
        _freeze_role(server),
    )


def _freeze_outbox(node: Node) -> Outbox:
    disk = node.disk
    base = _base_token(node)
    held = []
    for token, message in disk._held:
        to, letter = letter_of(message, own_round=STALE)
        held.append((token - base, to, letter))
    return Outbox(
        tuple(freeze_record(record) for record in disk._records),
        len(disk._entries),
        disk._reaches,
        disk._urgent,
        tuple(held),
    )


def _base_token(node: Node) -> int:
    """The token before the oldest write under way: tokens are only ever compared."""
    disk = node.disk
    return (disk._batches[0].token if disk._batches else disk._next_token) - 1


def _freeze_belief(server: Server, *, ended: bool) -> Belief:
    detection = server.detection
    remembered = [
        (MEMBERS[worker], Letter(m.PreVote, msgspec.structs.astuple(question)[2:]))
        for worker, question in detection.remembered.items()
    ]
    former = detection.former if ended else None
    return Belief(
        detection.leader or 0,
        detection.loss,
        detection.ended,
        detection.tried and ended,
        (MEMBERS[former[0]], former[1]) if former else (0, 0),
        tuple(sorted(MEMBERS[worker] for worker in detection.dead)),
        tuple(sorted(remembered, key=itemgetter(0))),
    )


def _freeze_role(server: Server) -> Following | Standing | Leading:
    role, node = server.role, server.node
    if isinstance(role, Follower):
        return Following(role.verified, role._acknowledge, role._acknowledged)
    if isinstance(role, Candidate):
        behind = 0 if role._is_stored else role._own_vote - _base_token(node)
        answers = tuple(sorted(role._answers.items()))
        return Standing(role.asking, answers, behind, role._is_stored)
    reached = sorted(
        (one, _freeze_progress(progress, node.log.appended_bytes))
        for one, progress in role.replication.progress.items()
    )
    handover = role._handover
    target = (0, False) if handover.until is None else (handover._target, handover.told)
    return Leading(role._lease.number, role._first_index, tuple(reached), target)


def _freeze_progress(progress: Progress, appended: int) -> Reached:
    return Reached(
        progress.match,
        progress.next,
        progress.state,
        progress.paused,
        tuple(progress.inflight),
        appended - progress.sent_bytes if progress.state is State.REPLICATE else 0,
        progress.sent_round,
        progress.commit_sent,
    )


# Thawing


def thaw_entries(log: Log, first: int = 1) -> tuple[Entry, ...]:
    """The entries of a log, or of a part of it from ``first`` on."""
    return tuple(Entry(index, term, data) for index, (term, data) in enumerate(log, first))


def stored(disk: Disk) -> Stored:
    """A disk as a starting core finds it."""
    facts = {}
    if disk.term:
        facts[VOTE] = msgspec.msgpack.encode(StoredVote(ME, disk.term, disk.vote))
    return Stored(facts, None, thaw_entries(disk.log))


def born(disk: Disk, settings: RaftSettings) -> Raft:
    """A core that starts from a disk, and has not taken a step."""
    return Raft(WORKERS[ME], ME, stored(disk), settings, WORKERS, NO_CHANCE)


def thaw(local: Local, settings: RaftSettings) -> Raft:
    """The living core that was frozen, with all its time still before it."""
    core = local.core
    if core is None:
        raise InvariantViolation("a dead core is started, not thawed")
    raft = born(Disk(core.term, core.vote, core.log), settings)
    server = raft._server
    node = server.node
    node.now = NOW
    node.log.persisted = core.persisted
    node.commit = core.commit
    _thaw_outbox(node, core, local.writing)
    _thaw_belief(server, core.belief)
    server._leader_of_epoch = core.term_led
    server.role = _thaw_role(server, core.role)
    raft._started = True
    raft._observe()
    return raft


def _thaw_outbox(node: Node, core: Core, writing: tuple[Write, ...]) -> None:
    disk, outbox = node.disk, core.outbox
    disk._batches = deque(Batch(token, one.reaches, NEVER) for token, one in enumerate(writing, 1))
    disk.waiting_since = NEVER if writing else None
    disk._next_token = len(writing) + 1
    disk._records = [thaw_record(record) for record in outbox.records]
    if outbox.entries:
        disk._entries = node.log._entries[-outbox.entries :]
    disk._reaches = outbox.reaches
    disk._urgent = outbox.urgent
    disk._held = deque(
        (token, SendPayload(WORKERS[to], m.encode(letter.kind(to, ME, *letter.fields))))
        for token, to, letter in outbox.held
    )


def thaw_record(record: FrozenRecord) -> Record:
    """The record again."""
    if isinstance(record, VoteWritten):
        value = msgspec.msgpack.encode(StoredVote(ME, record.term, record.vote))
        return SetFact(VOTE, value)
    if isinstance(record, Truncated):
        return TruncateFrom(record.start)
    return AppendEntries(thaw_entries(record.entries, record.first))


def _thaw_belief(server: Server, belief: Belief) -> None:
    detection = server.detection
    detection.leader = belief.leader or None
    detection.leader_worker = WORKERS[belief.leader] if belief.leader else None
    detection.epoch = server.node.term if belief.leader else 0
    detection.loss = belief.loss
    detection.ended, detection.ended_at = belief.ended, NOW
    detection.tried = belief.tried
    detection.silent_at = NOW + detection.timeout
    former, term = belief.former
    detection.former = (WORKERS[former], term) if former else None
    detection.dead = {WORKERS[one] for one in belief.dead}
    detection.remembered = {
        WORKERS[source]: m.PreVote(ME, source, *letter.fields)
        for source, letter in belief.remembered
    }


def _thaw_role(
    server: Server, role: Following | Standing | Leading
) -> Follower | Candidate | Leader:
    node, detection = server.node, server.detection
    if isinstance(role, Following):
        follower = Follower(node, detection, server, draw=0)
        follower.verified = role.verified
        follower._acknowledge = role.acknowledge
        follower._acknowledged = role.acknowledged
        # Not before the leader is missed: the one timer that is next says what is asked of it.
        follower.campaign_at = NOW + (1 if detection.has_lost else 2) * detection.timeout
        return follower
    if isinstance(role, Standing):
        node.campaigns = LIVE
        candidate = Candidate(
            node, detection, server, asking=role.asking, timeout=detection.timeout
        )
        candidate._answers = dict(role.answers)
        candidate._own_vote = role.own_vote
        candidate._is_stored = role.stored
        return candidate
    return _thaw_leader(server, role)


def _thaw_leader(server: Server, role: Leading) -> Leader:
    node = server.node
    leader = Leader(node, server, NOW)
    leader._heartbeat_at = NOW + node.settings.heartbeat
    leader._first_index = role.first_index
    leader._lease.number = role.beats
    leader._handover._target, leader._handover.told = role.handover
    leader._handover.until = NEVER if role.handover[0] else None
    for member, reached in role.reached:
        progress = leader.replication.progress[member]
        progress.match, progress.next = reached.match, reached.next
        progress.state, progress.paused = reached.state, reached.paused
        progress.inflight = deque(reached.inflight)
        progress.sent_bytes = node.log.appended_bytes - reached.unsent
        progress.sent_round = reached.sent_round
        progress.commit_sent = reached.commit_sent
        leader.replication.matched[member] = reached.match
    return leader


def own_round(raft: Raft) -> int:
    """The number of the campaign under way, STALE for none."""
    role = raft._server.role
    return role.round if isinstance(role, Candidate) else STALE
