"""The line of candidates and the breadcrumb, as they were last seen."""

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.line import HandOver, Holder, Line
from interrex.elections.zookeeper.nodes import Crumb, Place
from interrex.elections.zookeeper.questions import Found, Stat
from interrex.elections.zookeeper.settings import ZooKeeperSettings


class ZooKeeperLine(Line):
    """What a look has shown, and what proofs of death add to it; a process's mark is its node."""

    def __init__(self, me: WorkerName, settings: ZooKeeperSettings) -> None:
        super().__init__(me, settings)
        self._places: list[Place] = []
        self._is_known = False
        self.crumb: Crumb | None = None
        self.fenced = 0
        """Up to which epoch whoever led before is known to have been fenced."""
        self._is_blank = False
        self.stat = Stat(0, 0)
        self.epoch = 0

    def saw(self, places: list[Place], active: Found) -> None:
        """Take what a look has shown; one that is older than what is known already counts less."""
        self._places = sorted(places)
        self._is_known = True
        if active.stat.modified < self.stat.modified:
            return
        self.stat = active.stat
        self.crumb = None
        self._is_blank = not active.data
        if active.data:
            try:
                self.crumb = msgspec.json.decode(active.data, type=Crumb)
            except msgspec.MsgspecError:
                return
            if not self.crumb.released:
                self.epoch = max(self.epoch, active.stat.modified)

    def begun_anew(self) -> None:
        """ZooKeeper's numbers count for other epochs than before: what was seen says nothing."""
        self.crumb, self.stat = None, Stat(0, 0)
        self.epoch = self.fenced = 0
        self._is_known = self._is_blank = False

    def won(self, crumb: Crumb, stat: Stat) -> None:
        """This worker has written itself into the breadcrumb."""
        self.crumb, self.stat = crumb, stat
        self.epoch = max(self.epoch, stat.modified)

    def hands_over(self, crumb: Crumb) -> None:
        """This worker has given up, or will be seen not to have."""
        self.crumb = crumb
        self._is_known = False

    def unsure(self) -> None:
        """Nothing is claimed before another look."""
        self._is_known = False

    @property
    def holder(self) -> Holder | None:
        """Who is in the breadcrumb and, unless it is this very process, was seen in the line."""
        crumb = self.crumb
        if crumb is None or crumb.released:
            return None
        is_there = crumb.node == self._mark or any(one.node == crumb.node for one in self._places)
        return Holder(crumb.worker, crumb.node) if is_there else None

    @property
    def hand_over(self) -> HandOver | None:
        """What the last leader wrote into the breadcrumb when it gave up."""
        crumb = self.crumb
        if crumb is None or not crumb.released:
            return None
        return HandOver(crumb.worker, crumb.heir)

    @property
    def dead_node(self) -> str:
        """The leader's node, where that is still there and its process is certainly dead."""
        holder = self.holder
        return "" if holder is None else holder.mark

    @property
    def is_fenced(self) -> bool:
        """Whether nobody that ever led can be obeyed any more: each gave up, is proved dead, was
        this worker itself, or was fenced by who led after it."""
        crumb = self.crumb
        if crumb is None:
            return self._is_blank
        is_last = crumb.released or crumb.worker == self._me or self.is_proved_dead(crumb.node)
        return is_last and self.has_fenced(crumb)

    def has_fenced(self, crumb: Crumb) -> bool:
        """Whether who led before this breadcrumb's leader was fenced."""
        return crumb.fenced or self.fenced >= self.stat.modified

    def stale(self, node: str) -> list[str]:
        """This worker's places of earlier sessions, as their GUIDs tell, but for the leader's."""
        leader = "" if self.crumb is None else self.crumb.node
        mine = (place.node for place in self._places if place.worker == self._me)
        return [place for place in mine if place not in (node, leader)]

    @property
    def claim_at(self) -> int | None:
        return super().claim_at if self._is_known else None

    def before(self, node: str) -> str:
        """Whom this worker watches: the leader stands first, the dead do not stand. Who is not in
        the line watches the leader."""
        leader = "" if self.crumb is None else self.crumb.node
        order = sorted(self._alive(), key=lambda place: place.node != leader)
        nodes = [place.node for place in order]
        if node not in nodes:
            return nodes[0] if nodes else ""
        at = nodes.index(node)
        return nodes[at - 1] if at > 0 else ""

    def order(self) -> list[WorkerName]:
        return [place.worker for place in self._alive()]

    def _alive(self) -> list[Place]:
        return [place for place in self._places if place.node not in self._dead]
