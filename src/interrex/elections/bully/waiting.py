"""A worker that does not lead: it follows a coordinator, is halted by one to be, or has lost it.

Source: paper, section IV (states Normal, Reorganization and Election of a node that is not the
coordinator; "Check" and "Timeout").

Differs from the paper: proof of death sets the next highest off at once; otherwise the lower ones
wait a little for the higher ones and ask before they act; nobody stands while the coordinator is
heard, except who is above it and may preempt.
"""

from interrex.core.ids import WorkerName
from interrex.core.time import earliest
from interrex.elections.bully.messages import (
    Beat,
    BeatAnswer,
    ChunkWanted,
    Coordinator,
    Copied,
    Election,
    Fetch,
    Joined,
)
from interrex.elections.bully.node import Node
from interrex.elections.bully.receiving import Receiving
from interrex.elections.bully.roles import Transitions
from interrex.elections.bully.sending import Sending
from interrex.elections.bully.watch import PATIENCE_OF_HALTED, Loss, Watch


class Waiting:
    """The state of a worker between its own elections."""

    def __init__(self, node: Node, watch: Watch, server: Transitions) -> None:
        self._node = node
        self._watch = watch
        self._server = server
        self._stand_at: int | None = None
        self._preempt_at: int | None = None
        self.halter: WorkerName | None = None
        """Who halted this worker and does not lead yet."""
        self._halted_until = 0
        self.receiving: Receiving | None = None
        self._sending: Sending | None = None

    @property
    def wake_at(self) -> int | None:
        return earliest(
            self._stand_at,
            self._preempt_at,
            self._halted_until if self.halter is not None else None,
            self._watch.silent_at if self._watch.hears is not None else None,
        )

    # Waiting

    def boot(self) -> None:
        """Just started: the others may be about to come, or to say who leads."""
        node = self._node
        for worker in sorted(node.members.workers - {node.worker}):
            node.send(worker, Election(node.member, node.seen, 0, 0))
        if node.seat is not None:
            self._stand_at = node.now + node.settings.boot_patience
        self.hurry_if_complete()

    def hurry_if_complete(self) -> None:
        """With every member in reach there is nobody left to wait for."""
        if self._watch.hears is None and self.halter is None and self._watch.all_reachable:
            self.hurry(self._node.settings.reconnect_allowance)

    def rest(self, timeouts: int = 2) -> None:
        """Somebody else is at it: gives it time."""
        watch = self._watch
        if self._node.seat is not None:
            self._stand_at = self._node.now + timeouts * watch.timeout + watch.above * watch.stagger

    def hurry(self, delay: int) -> None:
        """Stands after the delay and one distance for each member above that can be reached."""
        if self._node.seat is None:
            return
        at = self._node.now + delay + self._watch.above * self._watch.stagger
        self._stand_at = at if self._stand_at is None else min(at, self._stand_at)

    def halted_by(self, worker: WorkerName) -> None:
        """Obeys nobody but this worker, for a while."""
        self.halter = worker
        self._halted_until = self._node.now + PATIENCE_OF_HALTED * self._watch.timeout
        self._stand_at = self._preempt_at = None

    def on_time(self, *, late: bool) -> None:
        node, watch = self._node, self._watch
        if watch.notice_silence(late=late):
            self._server.lose(f"{watch.leader} was silent")
            return
        if self.halter is not None and node.now >= self._halted_until:
            self.halter = None
            self.hurry(0)
        if self._preempt_at is not None and node.now >= self._preempt_at:
            self._preempt()
        elif self._stand_at is not None and node.now >= self._stand_at:
            self._stand_at = None
            if watch.hears is None and self.halter is None:
                self._stand()

    def _stand(self) -> None:
        if self._node.may_stand:
            self._server.stand("no coordinator is heard")
        else:
            self.rest()

    def _preempt(self) -> None:
        """This worker is above the coordinator, and has heard it for long enough."""
        self._preempt_at = None
        node, watch = self._node, self._watch
        lower = watch.hears
        if lower is None or watch.appointed or not node.is_above(lower):
            return
        can_lead = watch.has_majority or not node.settings.quorum
        if node.may_stand and can_lead and watch.above == 0 and not watch.is_modest:
            self._server.stand(f"it is above {lower}", preempts=lower)
        else:
            self._arm()

    def _arm(self) -> None:
        node, watch = self._node, self._watch
        lower = watch.hears
        is_bully = lower is not None and node.is_above(lower) and not watch.appointed
        if node.settings.preempt and is_bully:
            if self._preempt_at is None:
                self._preempt_at = node.now + watch.hold_off
        else:
            self._preempt_at = None

    # Losing the coordinator

    def leader_ended(self) -> None:
        """It is proved that the coordinator leads no more: the next highest acts at once."""
        if self._watch.above == 0 and self._node.may_stand:
            self._server.form("the coordinator is gone, and it is next")
        else:
            self.hurry(0)

    def peer_lost(self, worker: WorkerName, *, proved_dead: bool) -> None:
        """A connection is gone, or a process."""
        watch = self._watch
        if worker == self.halter:
            self.halter = None
            self.hurry(0)
        if watch.leader == worker and watch.loss is not Loss.ENDED:
            if proved_dead:
                watch.end(watch.leader_epoch)
                self.leader_ended()
            elif watch.loss is Loss.NONE:
                watch.loss = Loss.DISCONNECTED
                self.hurry(self._node.settings.reconnect_allowance)
        elif watch.leader is None or watch.loss is Loss.ENDED:
            if proved_dead and watch.ended and watch.ended == watch.leader_epoch:
                self.leader_ended()
            elif self.halter is None and self._stand_at is not None:
                self.hurry(0 if proved_dead else self._node.settings.reconnect_allowance)

    # Following

    def follow(self, worker: WorkerName, epoch: int, *, appointed: bool) -> bool:
        """This epoch's coordinator was heard. Returns whether it is another than before."""
        news = self._watch.heard(worker, epoch, appointed=appointed)
        self.halter = self._stand_at = None
        if news:
            self._sending = None
            self._preempt_at = None
        if self.receiving is None or self.receiving.epoch != epoch:
            self.receiving = Receiving(self._node, worker, epoch)
        self._arm()
        return news

    def on_coordinator(self, message: Coordinator, worker: WorkerName) -> None:
        node = self._node
        if message.asks:
            node.send_when_stored(worker, Joined(node.member, message.epoch, node.standing))

    def on_beat(self, message: Beat, worker: WorkerName) -> None:
        node, receiving = self._node, self.receiving
        if receiving is None:
            return
        node.commit_to(min(message.commit, receiving.verified))
        answer = BeatAnswer(
            node.member, message.epoch, message.number, receiving.verified, receiving.matched
        )
        node.send(worker, answer)

    # The newest copy is here: the one that halted this worker wants it

    def on_fetch(self, message: Fetch, worker: WorkerName) -> None:
        if worker == self.halter and message.epoch == self._node.promised:
            self._sending = Sending(self._node, worker, message.epoch)
            self._sending.begin(message.standing)

    def on_copied(self, message: Copied, worker: WorkerName) -> None:
        if self._sends_to(worker, message.epoch) and self._sending is not None:
            self._sending.on_copied(message.matched, 0)

    def on_wanted(self, message: ChunkWanted, worker: WorkerName) -> None:
        if self._sends_to(worker, message.epoch) and self._sending is not None:
            self._sending.on_wanted(message, 0)

    def _sends_to(self, worker: WorkerName, epoch: int) -> bool:
        sending = self._sending
        return sending is not None and (sending.worker, sending.epoch) == (worker, epoch)

    def on_snapshot(self) -> None:
        """A whole state was asked of the worker, and is here."""
        if self._sending is not None:
            self._sending.drive(0)

    def on_obeyed(self) -> None:
        """Whoever leads in an older epoch is refused from now on, and hears of it by that."""

    def on_persisted(self, token: int) -> None:
        """What waited for the disk has left by itself."""
        del token
