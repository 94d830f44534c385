"""What phase 1 brings to light: for each slot the value of the latest round, or none.

Source: PMS 2.2, phase 2a ("where v is the value of the highest-numbered proposal among the
responses, or is any value if the responses reported no proposals"), P2c; PMS 3 (gaps are filled
with no-ops); PMMC 4.1 (only the latest ballot for each slot is kept).
"""

from collections.abc import Collection

from interrex.core.errors import ensure
from interrex.core.storage import Entry
from interrex.elections.paxos.messages import Prepare, Promise, Run
from interrex.elections.paxos.node import Node


class Findings:
    """The promises of one round, gathered by its proposer.

    Invariant: ``latest`` holds, for slots that were not learned when they were asked about, the
    value of the latest round that anybody reported, where this server itself held none as late.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.round = node.round
        self.start = node.chosen + 1
        self.held: tuple[Run, ...] = node.slots.runs(self.start)
        self.latest: dict[int, Entry] = {}
        self.promised: set[int] = set()
        """Those whose whole promise has been heard."""
        self.known: dict[int, int] = {}
        """Up to which slot each of them has learned everything."""
        self.last = node.slots.last
        """Behind this slot none of them has accepted anything."""
        self.chosen = node.chosen

    def prepare(self, member: int, campaign: int, ended: int, start: int | None = None) -> Prepare:
        """Phase 1a for one acceptor; ``start``: where to go on."""
        return Prepare(
            member,
            self._node.member,
            self.round,
            campaign,
            self.start if start is None else start,
            self.held,
            ended,
        )

    def take(self, promise: Promise) -> int | None:
        """Adds what one message of a promise says.

        Returns:
            From which slot on its sender has more to say, None for no more.
        """
        for entry in promise.accepted:
            if entry.epoch >= self.round:
                continue  # proposed by this leader itself, meanwhile
            best = self.latest.get(entry.index)
            own = self._node.slots.round_at(entry.index)
            if entry.epoch > max(own, best.epoch if best else 0):
                self.latest[entry.index] = entry
                self.last = max(self.last, entry.index)
        if promise.end < promise.last:
            return promise.end + 1
        self.promised.add(promise.source)
        self.known[promise.source] = promise.chosen
        self.last = max(self.last, promise.last)
        self.chosen = max(self.chosen, promise.chosen)
        return None

    def own_promise(self) -> None:
        """This server's own promise is on its disk."""
        self.promised.add(self._node.member)

    def is_round_taken(self, promise: Promise) -> bool:
        """Whether somebody proposes in this very round already: then it is not this server's."""
        return any(entry.epoch >= self.round for entry in promise.accepted)

    def learn(self) -> None:
        """Takes what a promise says to be chosen, with the values that others had to tell.

        The value of the latest round is the chosen one: no later proposal has another (P2).
        """
        node = self._node
        news = [index for index in self.latest if node.chosen < index <= self.chosen]
        if news:
            values = [self.value(index) for index in range(min(news), self.chosen + 1)]
            known = [value for value in values if value is not None]
            ensure(len(known) == len(values), "what is chosen was accepted by whoever learned it")
            node.accept(min(news), known)
        node.learn_to(self.chosen)

    def go_on(self) -> None:
        """More acceptors have to promise: they are asked about what is not learned yet."""
        self.start = self._node.chosen + 1
        self.held = self._node.slots.runs(self.start)

    def value(self, index: int) -> bytes | None:
        """The value that a slot must be given, None where any will do."""
        found = self.latest.get(index)
        slots = self._node.slots
        if found is not None and found.epoch > slots.round_at(index):
            return found.data
        return slots.entry(index).data if slots.round_at(index) else None

    def values(self, start: int, end: int) -> dict[int, bytes]:
        """The values that slots of a range must be given."""
        found = ((index, self.value(index)) for index in range(start, end + 1))
        return {index: value for index, value in found if value is not None}

    def missing(self, members: Collection[int]) -> list[int]:
        """Whose promise has not been heard whole."""
        return sorted(one for one in members if one not in self.promised)
