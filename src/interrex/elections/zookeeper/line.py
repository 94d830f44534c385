"""The line of candidates and the breadcrumb, as they were last seen: who comes next, and when.

A matter of speed only: the transaction that makes a leader is what excludes a second one.
"""

from collections import deque

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.zookeeper.nodes import Crumb, Place
from interrex.elections.zookeeper.questions import Found, Stat
from interrex.elections.zookeeper.settings import ZooKeeperSettings

REMEMBERED_NODES = 64


class Line:
    """What a look has shown, and what proofs of death add to it."""

    def __init__(self, me: WorkerName, settings: ZooKeeperSettings) -> None:
        self._me = me
        self._settings = settings
        self._places: list[Place] = []
        self._dead: deque[str] = deque(maxlen=REMEMBERED_NODES)
        self._since: int | None = None
        self._is_old_self = False
        self._is_known = False
        self._node = ""
        self.crumb: Crumb | None = None
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
        if active.data:
            try:
                self.crumb = msgspec.json.decode(active.data, type=Crumb)
            except msgspec.MsgspecError:
                return
            if not self.crumb.released:
                self.epoch = max(self.epoch, active.stat.modified)

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

    def is_dead(self, node: str) -> None:
        """The process that made this node is proved dead."""
        self._dead.append(node)

    @property
    def dead_leader(self) -> str:
        """The leader's node, where that is still there and its process is certainly dead."""
        crumb = self.crumb
        is_there = crumb is not None and any(place.node == crumb.node for place in self._places)
        if crumb is None or not is_there or crumb.released:
            return ""
        return crumb.node if crumb.node in self._dead or self._is_old_self else ""

    @property
    def is_vacant(self) -> bool:
        """Whether nobody leads, or nobody who lives."""
        crumb = self.crumb
        if crumb is None or crumb.released or crumb.node in self._dead:
            return True
        return all(place.node != crumb.node for place in self._places)

    def look(self, node: str, now: int) -> None:
        """Notice since when (ns) nobody leads; ``node`` is this worker's own."""
        crumb = self.crumb
        self._node = node
        self._is_old_self = crumb is not None and crumb.worker == self._me and crumb.node != node
        vacant = self.is_vacant or self._is_old_self
        if crumb is not None and crumb.node == node and not crumb.released:
            vacant = False
        if not vacant:
            self._since = None
        elif self._since is None:
            self._since = now

    @property
    def claim_at(self) -> int | None:
        """When it is this worker's turn (ns); None while somebody leads or nothing is known."""
        if self._since is None or not self._is_known:
            return None
        if self._is_old_self and not self.is_vacant:
            return self._since
        return self._since + self._wait()

    def before(self, node: str) -> str:
        """Whom this worker watches: the leader stands first, the dead do not stand."""
        order = self._order()
        leader = "" if self.crumb is None else self.crumb.node
        order.sort(key=lambda place: place.node != leader)
        nodes = [place.node for place in order]
        at = nodes.index(node) if node in nodes else len(nodes)
        return nodes[at - 1] if at > 0 else ""

    def _order(self) -> list[Place]:
        return [place for place in self._places if place.node not in self._dead]

    def _wait(self) -> int:
        settings, crumb = self._settings, self.crumb
        left = crumb.worker if crumb is not None and crumb.released else None
        order = [place for place in self._order() if place.worker != left]
        nodes = [place.node for place in order]
        rank = nodes.index(self._node) if self._node in nodes else len(nodes)
        if left is None or crumb is None:
            return rank * settings.stagger
        if crumb.heir == self._me:
            return 0
        chosen = any(place.worker == crumb.heir for place in order)
        patience = settings.transfer_patience if chosen or left == self._me else 0
        return patience + rank * settings.stagger
