"""Election by a ZooKeeper ensemble, as a pure state machine behind the election's contract.

Each worker stands in a line with an ephemeral, sequential node, and watches the one before it.
Whoever comes first when nobody leads writes itself into the *breadcrumb*, a node that stays: in one
transaction that holds only while the breadcrumb is as it was and its own node is there. The zxid of
that transaction is the epoch. Everything else that a leader writes is guarded by the breadcrumb's
version and its node in the line. A leader stops by its own clock before its session can have run
out. When a leader's *process* is proved dead, the next one's claim deletes exactly the node of that
process, and does not wait for its session to run out.

Guaranteed, while the ensemble keeps what it acknowledged: one leader per epoch, epochs that rise,
changes in the same order everywhere, no acknowledged change lost, none acknowledged by a deposed
leader.

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); a right deadline where clocks run at very different rates; the
deadline's relation to another's claim where a person deletes nodes of the line.

Source: ZooKeeper's recipe "Leader Election"; the breadcrumb is that of HDFS'
ActiveStandbyElector. Differs from the recipe: the winner writes, so its epoch is newer than every
earlier leadership's; priorities come before arrival.
"""

from collections import deque
from collections.abc import Generator, Sequence
from random import Random
from typing import assert_never, cast

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.core.time import MS, earliest
from interrex.elections.coordinated.anew import new_beginning
from interrex.elections.coordinated.candidacy import Who
from interrex.elections.coordinated.election import CoordinatedElection
from interrex.elections.coordinated.script import Script, follow
from interrex.elections.guarantees import ZOOKEEPER
from interrex.elections.interface import SnapshotTaken
from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.denied import AttentiveDesk
from interrex.elections.zookeeper.leading import ZooKeeperLeading
from interrex.elections.zookeeper.line import ZooKeeperLine
from interrex.elections.zookeeper.mending import mending, set_back
from interrex.elections.zookeeper.nodes import (
    ACTIVE,
    FENCED,
    LINE,
    NOBODY,
    SNAPSHOT,
    TIP,
    Crumb,
    Place,
    Tip,
    part_path,
    place_of,
    place_prefix,
)
from interrex.elections.zookeeper.reader import Reader
from interrex.elections.zookeeper.settings import ZooKeeperSettings

REMEMBERED_GUIDS = 16

_ELSEWHERE = "see to its servers, nothing is to be done here"
_NOBODY_ANSWERS = q.Unserved("no server answers that is in touch with a majority")


class ZooKeeper(CoordinatedElection[q.Answer]):
    """One worker of an election by ZooKeeper. Implements ``elections.interface.Election``."""

    guarantees = ZOOKEEPER
    _holds = "is the active one in ZooKeeper"
    _way_out = (
        "put back what stood there, or go on without it: interrex up FILE --anew "
        '(docs/zookeeper.md, "When ZooKeeper has lost data")'
    )

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        settings: ZooKeeperSettings,
        random: Random,
        who: str = "",
        stored: Stored | None = None,
    ) -> None:
        """As every coordinated election; its client says when there is a session."""
        super().__init__(worker, member, settings, random, who, stored)
        self._who = who
        self._settings = settings
        self._reader = Reader(self._desk, settings, self._log)
        self._places = ZooKeeperLine(worker, settings)
        self._session: q.Connected | None = None
        self._is_connected = False
        self._deadline = 0
        self._guids: deque[str] = deque([""], maxlen=REMEMBERED_GUIDS)
        """What this worker's nodes are told by; the last is that of the next."""
        self._node = ""
        """This worker's node in the line; empty while it has none."""
        self._is_standing_up = False
        self._is_standing_down = False
        self._is_looking = False
        self._must_look = True
        self._look_at = 0
        self._has_looked = False
        self._refused: q.Unserved | None = None
        """Why there will be no session, where the servers say so."""
        self._damage = ""
        """What is wrong with the nodes that say who leads."""
        self._set_back = ""
        """Why ZooKeeper is known to have been set back."""
        self._above = 0
        """What epochs were above ZooKeeper's own numbers when they were looked at last."""

    @property
    def epoch(self) -> int:
        """The newest epoch this worker has seen."""
        return self._log.above + self._line.epoch

    @property
    def _line(self) -> ZooKeeperLine:
        return self._places

    @property
    def _unserved(self) -> str:
        refused = self._refused or _NOBODY_ANSWERS
        return f"ZooKeeper gives no session: {refused.text}; {refused.advice or _ELSEWHERE}"

    @property
    def _is_served(self) -> bool:
        return self._is_connected

    @property
    def _trusted_until(self) -> int:
        return self._deadline

    @property
    def _mark(self) -> str:
        return self._node

    @property
    def _can_claim(self) -> bool:
        stands = self._wanted.stands and not self._is_standing_down
        return stands and self._is_connected and bool(self._node)

    @property
    def _has_place(self) -> bool:
        return bool(self._node) or self._is_standing_up

    @property
    def session(self) -> int:
        if self._session is None or not self._has_looked:
            return 0
        return self._settings.believed(self._session.granted_ms)

    @property
    def _lost(self) -> str:
        return super()._lost or self._set_back

    @property
    def _problem(self) -> str:
        granted = self._session
        short = "" if granted is None else self._settings.shortness(granted.granted_ms)
        return super()._problem or self._damage or short

    def _new_desk(self, random: Random) -> AttentiveDesk:
        self._attentive = AttentiveDesk(random)
        return self._attentive

    @property
    def _refusal(self) -> str:
        unwritten = "" if self.leader is not None else self._attentive.unwritten
        return super()._refusal or self._attentive.unread or unwritten

    def _read_anew(self) -> None:
        self._must_look = True
        self._reader.read()

    @property
    def _must_stand_up(self) -> bool:
        return self._wanted.stands and not self._node

    @property
    def _must_stand_down(self) -> bool:
        is_idle = self._leading is None and not self._claiming
        return bool(self._node) and is_idle and not self._wanted.stands

    def _next_wake(self) -> int | None:
        leading = self._leading
        if leading is not None:
            reads_at = self._reader.wake_at if self._is_connected else None
            return earliest(self._deadline, leading.wake_at, reads_at)
        if not self._is_connected:
            return None
        is_due = self._must_look or self._must_stand_up or self._must_stand_down
        is_busy = self._is_looking or self._is_standing_up or self._is_standing_down
        return earliest(
            None if is_busy else self._backoff.at if is_due else self._look_at,
            self._claim_at(),
            self._reader.wake_at,
            self._fencing.wake_at,
        )

    def _look(self) -> None:
        if not self._is_connected:
            return
        now = self._desk.now
        if self._above != self._log.above:
            self._above, self._must_look = self._log.above, True
            self._line.begun_anew()
        if self._backoff.is_due(now):
            if self._must_stand_up:
                self._stand_up()
            elif self._must_stand_down:
                self._stand_down()
        due = self._must_look or now >= self._look_at
        if due and not self._is_looking and self._backoff.is_due(now):
            self._is_looking, self._must_look = True, False
            self._look_at = now + self._settings.look_every
            follow(self._desk, self._looking(self._node))
        self._reader.on_time()
        self._follow_crumb()
        self._line.look(self._node, now)

    # The session

    def _noticed(self, news: msgspec.Struct) -> None:
        match cast(q.News, news):
            case q.Connected(session) as connected:
                if self._session is None or self._session.session != session:
                    self._end("its session with ZooKeeper has ended")
                    self._forget_node()
                self._session, self._is_connected, self._refused = connected, True, None
                self._attentive.forget()
                self._must_look = True
                self._reader.read()
            case q.Suspended():
                self._is_connected = False
            case q.Unserved() as refused:
                self._refused = refused
            case q.Lost():
                self._is_connected = False
                self._session = None
                self._forget_node()
                self._end("its session with ZooKeeper has ended")
            case q.Fired(path):
                if path != TIP:
                    self._must_look = True
                elif self._leading is None:
                    self._reader.read()
            case _ as never:
                assert_never(never)

    def _keep_time(self) -> None:
        """The holder stops by its own clock, whatever its client says or does not say."""
        if self._leading is not None and self._desk.now >= self._deadline:
            self._give_up("ZooKeeper has not confirmed its session in time")

    def _renewed(self, asked: int) -> None:
        if self._session is not None:
            believed = self._settings.believed(self._session.granted_ms)
            self._deadline = max(self._deadline, asked + believed)

    def _stand_up(self) -> None:
        """Take a place in the line; whether an attempt was done its GUID tells."""
        if not self._is_standing_up:
            self._is_standing_up = True
            follow(self._desk, self._standing_up(self._guids[-1]))

    def _stand_down(self) -> None:
        """Leave the line."""
        if self._is_standing_down:
            return
        self._is_standing_down, node = True, self._node

        def left(answer: q.Answer) -> None:
            self._is_standing_down = False
            if isinstance(answer, q.Transacted | q.NotHeld):
                self._backoff.succeeded()
                if self._node == node:
                    self._forget_node()
            else:
                self._backoff.failed(self._desk.now)

        self._desk.ask(q.Transact((q.Remove(node),)), left)

    def _forget_node(self) -> None:
        """This worker does not stand; its next node is told from those before."""
        self._node = ""
        self._guids.append(f"{self._desk.random.getrandbits(64):016x}")
        self._must_look = True

    def _standing_up(self, guid: str) -> Script[q.Answer]:
        places = yield from self._read_line()
        rivals = self._rivals(places, guid)
        if places is not None and not rivals and _node_of(places, guid) == "":
            data = b""
            if self._who and self._session is not None:
                data = msgspec.json.encode(Who(self._who, self._session.granted_ms * MS))
            prefix = place_prefix(self._me, self._settings.priority, guid)
            create = q.Create(prefix, data, ephemeral=True, sequential=True)
            yield (q.Transact((create,)),)  # whether it was done its GUID tells
            places = yield from self._read_line()
            rivals = self._rivals(places, guid)
        node = "" if places is None else _node_of(places, guid)
        if rivals:
            yield from self._meet(rivals[0], node)
            node = ""
        self._is_standing_up = False
        if guid != self._guids[-1]:
            return
        if not node:
            self._backoff.failed(self._desk.now)
            return
        self._backoff.succeeded()
        self._rival.unsure()
        self._node = node
        self._must_look = True
        self._tell_all()

    def _read_line(self) -> Generator[Sequence[msgspec.Struct], list[q.Answer], list[Place] | None]:
        """Who stands just now, None where that cannot be read."""
        _, names = yield (q.Sync(), q.List(LINE))
        if not isinstance(names, q.Names):
            self._rival.unsure()
            return None
        return [place for name in names.names if (place := place_of(name)) is not None]

    def _rivals(self, places: list[Place] | None, guid: str) -> list[Place]:
        """Those of this member's name that were there before it, where it is to be the only one."""
        if not self._who or places is None:
            return []
        own = next((place.number for place in places if place.guid == guid), None)
        return [
            place
            for place in places
            if place.worker == self._me
            and place.guid != guid
            and (own is None or place.number < own)
        ]

    def _meet(self, rival: Place, node: str) -> Script[q.Answer]:
        """Another has the name, or this very process had it before: wait until that one is gone."""
        gone = rival.node if rival.guid in self._guids else node
        if gone:
            yield (q.Transact((q.Remove(gone),)),)
        if rival.guid in self._guids or self._session is None:
            return
        (found,) = yield (q.Read(rival.node),)
        if not isinstance(found, q.Found):
            self._rival.unsure()
            return
        try:
            who = msgspec.json.decode(found.data, type=Who)
        except msgspec.MsgspecError:
            who = Who("something that is no candidate", self._session.granted_ms * MS)
        self._rival.saw(rival.guid, who, self._desk.now)

    # Who leads

    def _looking(self, node: str) -> Script[q.Answer]:
        """Read the breadcrumb and the line, and watch who stands before this worker."""
        # Only who leads hears of the whole line: it has to know to whom it may hand over.
        line = q.List(LINE, watch=bool(self._who) and self._leading is not None)
        questions = (q.Sync(), q.Read(ACTIVE, watch=True), line, q.Read(FENCED))
        least = self._memory.epoch
        _, active, names, fenced = yield questions
        mends = mending(active, names, fenced)
        if mends:
            gone = ", ".join(one.path for one in mends if isinstance(one, q.Create))
            self._damage = f"somebody deleted {gone} in ZooKeeper, which is made again"
            yield (q.Transact(mends),)
        elif isinstance(active, q.Found):
            self._damage, self._set_back = "", set_back(active, self._log.above, least)
        is_amiss = bool(self._damage or self._set_back)
        if is_amiss or not isinstance(active, q.Found) or not isinstance(names, q.Names):
            self._line.unsure()
            self._is_looking, self._must_look = False, True
            self._backoff.failed(self._desk.now)
            return
        places = [place for name in names.names if (place := place_of(name)) is not None]
        self._line.saw(places, active)
        is_gone = all(place.node != node for place in places)
        if node and node == self._node and is_gone and self._leading is None:
            self._forget_node()
        self._has_looked = True
        if isinstance(fenced, q.Found) and fenced.data.isdigit():
            self._line.fenced = max(self._line.fenced, int(fenced.data))
        if not self._who:
            self._remove_stale(node)
        before = self._line.before(node)
        if before:
            (found,) = yield (q.Read(before, watch=True),)
            if not isinstance(found, q.Found):
                self._must_look = True
        self._is_looking = False

    def _remove_stale(self, node: str) -> None:
        """Remove this worker's places of earlier sessions: nobody else has its name."""
        for stale in self._line.stale(node):
            self._desk.ask(q.Transact((q.Remove(stale),)), lambda answer: None)

    def _follow_crumb(self) -> None:
        """Lead once the breadcrumb names this worker's node and the log before it is read."""
        crumb, stat, session = self._line.crumb, self._line.stat, self._session
        if self._leading is not None:
            if stat.modified != self._leading.epoch:
                self._end("another is the active one")
            elif self._problem:
                self._give_up(self._problem)
            return
        if crumb is None or session is None or crumb.released or crumb.node != self._node:
            self._fencing.over()
            return
        if not self._node or self._log.above + stat.modified <= self._led:
            return
        if self._reader.read_for < stat.modified:
            if self._reader.wanted_for < stat.modified:
                self._reader.read(stat.modified)
            return
        if self._problem:
            return
        if not self._line.has_fenced(crumb):
            self._fence(stat.modified)
            return
        if self._desk.now >= self._deadline:
            self._confirm()
            return
        leading = self._new_leading(crumb, stat, session.granted_ms)
        self._begin(leading, "it is the active one in ZooKeeper")
        self._must_look |= bool(self._who)

    def _new_leading(self, crumb: Crumb, stat: q.Stat, granted_ms: int) -> ZooKeeperLeading:
        def deposed(reason: str) -> None:
            if leading.heir is not None:
                self._line.hands_over(leading.heir)
            self._end(reason)

        leading = ZooKeeperLeading(
            self._desk,
            self._settings,
            self._reader,
            crumb,
            stat,
            granted_ms,
            self._renewed,
            deposed,
            self._give_up,
        )
        return leading

    def _fence(self, epoch: int) -> None:
        """Let nobody be obeyed that the breadcrumb has named before; then write that it is so."""
        public = self._log.above + epoch
        self._fencing.begin(public, self._connected)
        if self._fencing.is_done(public):
            self._confirm(q.Write(FENCED, b"%d" % epoch, q.ANY))

    def _confirm(self, *writes: q.Write) -> None:
        """The ensemble has to say that the breadcrumb still names this worker, and what it is to
        write if so."""
        if self._claiming or not self._backoff.is_due(self._desk.now):
            return
        self._claiming = True
        asked, epoch = self._desk.now, self._line.stat.modified
        guards = (q.Check(ACTIVE, self._line.stat.version), q.Check(self._node, 0))

        def confirmed(answer: q.Answer) -> None:
            self._claiming = False
            if isinstance(answer, q.Transacted):
                self._renewed(asked)
                if writes:
                    self._line.fenced = max(self._line.fenced, epoch)
            else:
                self._must_look = True
                self._backoff.failed(self._desk.now)

        self._desk.ask(q.Transact((*guards, *writes)), confirmed)

    def _give_up(self, reason: str) -> None:
        """Lead no more, and let nobody wait: the breadcrumb would name this worker for as long as
        its session lives."""
        self._end(reason)
        self._desk.ask(q.Reset(), lambda answer: None)

    def _end(self, reason: str) -> None:
        if self._leading is not None:
            super()._end(reason)
            self._must_look = True
            self._reader.read()

    def _beginning_anew(self, taken: SnapshotTaken) -> Script[q.Answer]:
        """Done if the nodes are as they were; whoever leads by what stands is deposed."""
        newest, drawn = max(self.epoch, self._memory.epoch), self._desk.random.getrandbits(32)
        head, parts = new_beginning(taken, newest, self._settings.part_bytes, drawn)
        for number, part in enumerate(parts):
            (answer,) = yield (q.Transact((q.Create(part_path(head.id, number), part),)),)
            if not isinstance(answer, q.Transacted):
                return
        contents = {SNAPSHOT: head, TIP: Tip(head.index), ACTIVE: NOBODY}
        _, *stand = yield (q.Sync(), *(q.Read(path) for path in contents))
        writes: list[q.Operation] = []
        for (path, content), found in zip(contents.items(), stand, strict=True):
            data = msgspec.json.encode(content)
            match found:
                case q.Found():
                    writes.append(q.Write(path, data, found.stat.version))
                case q.Missing():
                    writes.append(q.Create(path, data))
                case _:
                    return
        yield (q.Transact(tuple(writes)),)

    def _claim(self) -> None:
        """Write this worker into the breadcrumb; the node of one that is certainly dead goes."""
        session = self._session
        assert session is not None
        self._claiming = True
        crumb = Crumb(
            worker=self._me,
            node=self._node,
            session=session.session,
            fenced=self._line.is_fenced,
        )
        dead = self._line.dead_node
        operations: tuple[q.Operation, ...] = (
            q.Check(self._node, 0),
            q.Write(ACTIVE, msgspec.json.encode(crumb), self._line.stat.version),
        )
        if dead:
            operations = (*operations, q.Remove(dead, 0))
        asked = self._desk.now
        self._desk.ask(q.Transact(operations), lambda answer: self._claimed(asked, crumb, answer))

    def _claimed(self, asked: int, crumb: Crumb, answer: q.Answer) -> None:
        self._claiming = False
        if crumb.node != self._node:
            return
        if isinstance(answer, q.Transacted):
            self._backoff.succeeded()
            self._renewed(asked)
            self._line.won(crumb, answer.written[0])
            return
        self._must_look = True  # whether it was done the breadcrumb says
        if isinstance(answer, q.NotHeld) and answer.at == 0:
            self._forget_node()
        self._line.unsure()
        self._backoff.failed(self._desk.now)


def _node_of(places: Sequence[Place], guid: str) -> str:
    return next((place.node for place in places if place.guid == guid), "")
