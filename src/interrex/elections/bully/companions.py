"""The peers of one leadership: what each holds, who is waited for, and what that agrees on."""

from collections.abc import Iterator

from interrex.core.ids import WorkerName
from interrex.core.quorum import agreed_index
from interrex.elections.bully.messages import Coordinator, Standing
from interrex.elections.bully.node import Node
from interrex.elections.bully.rounds import Rounds
from interrex.elections.bully.sending import Sending
from interrex.elections.replicated.roundtrips import RoundTrips


class Companion:
    """One peer. ``aside``: it has not answered for a whole time-out, and is not waited for."""

    def __init__(self, node: Node, worker: WorkerName, epoch: int) -> None:
        self.sending = Sending(node, worker, epoch)
        self.round_trips = RoundTrips()
        self.aside = False
        self.unanswered_since: int | None = None

    @property
    def joined(self) -> bool:
        """Whether it has said what it holds, and so obeys this epoch."""
        return self.sending.begun


class Companions:
    """Those that a coordinator can reach, members or not."""

    def __init__(self, node: Node, connected: dict[WorkerName, int], epoch: int) -> None:
        self._node = node
        self._connected = connected
        self._epoch = epoch
        self._all = {worker: Companion(node, worker, epoch) for worker in sorted(connected)}

    def __iter__(self) -> Iterator[tuple[WorkerName, Companion]]:
        return iter(sorted(self._all.items()))

    def get(self, worker: WorkerName) -> Companion | None:
        return self._all.get(worker)

    def came(self, worker: WorkerName) -> None:
        """Nothing that was under way to it arrives any more: begins anew."""
        self._all[worker] = Companion(self._node, worker, self._epoch)

    def went(self, worker: WorkerName) -> None:
        self._all.pop(worker, None)

    def joined(self, worker: WorkerName, standing: Standing) -> None:
        companion = self._all.setdefault(worker, Companion(self._node, worker, self._epoch))
        companion.aside = False
        companion.sending.begin(standing)

    def tell(self, worker: WorkerName, *, appointed: bool, asks: bool = True) -> None:
        """Tells a peer who leads; one that has not joined is asked what it holds."""
        companion = self._all.get(worker)
        asks = asks and (companion is None or not companion.joined)
        node = self._node
        node.send(worker, Coordinator(node.member, self._epoch, appointed, asks))

    def is_member(self, worker: WorkerName) -> bool:
        return self._connected.get(worker) in self._node.members.members

    @property
    def group(self) -> list[WorkerName]:
        """The members that are waited for: they joined, and are not silent."""
        return [
            worker
            for worker, companion in self._all.items()
            if companion.joined and not companion.aside and self.is_member(worker)
        ]

    @property
    def is_complete(self) -> bool:
        """Whether every other member is in the group."""
        others = self._node.members.members.keys() - {self._node.member}
        return others <= {self._connected[worker] for worker in self.group}

    def set_silent_aside(self, timeout: int) -> bool:
        """Nobody is waited for who has not answered for so long. Returns whether that is news."""
        news = False
        for companion in self._all.values():
            since = companion.unanswered_since
            if since is not None and self._node.now - since >= timeout and not companion.aside:
                companion.aside = news = True
        return news

    def forgive(self) -> None:
        """This worker itself was not running: their silence begins only now."""
        for companion in self._all.values():
            if companion.unanswered_since is not None:
                companion.unanswered_since = self._node.now

    def matched(self, worker: WorkerName) -> int:
        companion = self._all.get(worker)
        return companion.sending.matched if companion is not None else 0

    def agreed(self) -> int:
        """Up to which version the copies are on enough disks: all that can be reached or, with a
        quorum, a majority of all members'."""
        node, members = self._node, self._node.members.members
        if not node.settings.quorum:
            return min((self.matched(one) for one in self.group), default=node.copy.persisted)
        by_member = {
            self._connected[worker]: companion.sending.matched
            for worker, companion in self._all.items()
            if companion.joined and worker in self._connected
        }
        by_member[node.member] = node.copy.persisted
        return agreed_index(members.keys(), by_member)

    def answered(self, rounds: Rounds) -> int:
        """The newest round that enough have answered."""
        node, members = self._node, self._node.members.members
        if not node.settings.quorum:
            return rounds.answered_by_all(self.group)
        workers = [worker for worker in self._all if self.is_member(worker)]
        mine = node.member in members
        return rounds.answered_by_majority(workers, len(members), counts_itself=mine)
