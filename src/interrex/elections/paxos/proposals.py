"""What a leader proposes in which slot: phase 2, and the window.

What phase 1 found comes first, in the very slots where it was found; gaps between are given no-ops;
only behind them anything new. No slot is proposed in that lies further than a window behind the
last learned one, or before a majority of its acceptors has promised this round.

Source: PMS 2.2 (phase 2a), 3 ("the leader ... fills the gap quickly by proposing ... a special
no-op command"; the window alpha); PMMC 3 (WINDOW, and who waits for it).
Differs from the papers: no-ops are proposed too until a new configuration governs.
"""

from collections import deque
from typing import NamedTuple

from interrex.core.ids import ChangeId
from interrex.core.quorum import has_quorum
from interrex.elections.interface import ProposalSettled
from interrex.elections.paxos.findings import Findings
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.replication import Replication
from interrex.elections.replicated.payload import NOOP


class Waiting(NamedTuple):
    """A value without a slot; a leader's own has no change."""

    change: ChangeId | None
    data: bytes


class Proposal(NamedTuple):
    at: int
    change: ChangeId
    size: int


class Proposals:
    """The slots of one leadership, behind those that were learned when it began.

    Invariant: ``found_to`` is the last slot in which an earlier round may have chosen something;
    no new value is proposed up to there.
    """

    def __init__(self, node: Node, replication: Replication, findings: Findings) -> None:
        self._node = node
        self._replication = replication
        self._findings = findings
        self._found = findings.values(node.chosen + 1, findings.last)
        self.found_to = max(findings.last, node.chosen)
        self._cleared = node.chosen
        """Up to here, a majority of each slot's acceptors has promised this round."""
        self._waiting: deque[Waiting] = deque()
        self._open: deque[Proposal] = deque()
        self._open_bytes = 0

    @property
    def has_learned_all(self) -> bool:
        """Whether everything that may have been chosen in earlier rounds is learned."""
        return self._node.chosen >= self.found_to

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a slot."""
        return not self._waiting

    def too_much(self, size: int) -> bool:
        return self._open_bytes + size > self._node.settings.max_uncommitted_bytes

    def add(self, change: ChangeId | None, data: bytes) -> None:
        """Proposes a value as soon as the window lets it."""
        self._waiting.append(Waiting(change, data))
        self._open_bytes += len(data) if change is not None else 0
        self.pump()

    def found(self) -> None:
        """More promises are in: what they report is proposed where nothing is yet."""
        findings = self._findings
        self.found_to = max(self.found_to, findings.last)
        self._found = findings.values(self._replication.proposed + 1, findings.last)

    def pump(self) -> None:
        """Proposes in all slots where that is allowed now and there is something to propose."""
        node, replication = self._node, self._replication
        start = replication.proposed + 1
        wanted = max(self.found_to, start - 1) + len(self._waiting)
        end = min(max(wanted, node.membership.settles_at), node.chosen + node.settings.window)
        if start <= end:
            end = self._promised_to(start, end)
        if start <= end:
            node.accept(start, [self._next_value(slot) for slot in range(start, end + 1)])
            replication.proposed = end
            replication.send_all()

    def _promised_to(self, start: int, end: int) -> int:
        """Up to which of these slots a majority of each slot's acceptors has promised."""
        membership = self._node.membership
        while self._cleared < end:
            slot = max(start, self._cleared + 1)
            if not has_quorum(membership.governing(slot), self._findings.promised):
                break
            alike = membership.last_governed_like(slot)
            known = self._node.chosen + self._node.settings.window
            self._cleared = known if alike is None else min(known, alike)
        return min(end, self._cleared)

    def _next_value(self, slot: int) -> bytes:
        if slot <= self.found_to:
            return self._found.pop(slot, NOOP)
        if not self._waiting:
            return NOOP
        change, data = self._waiting.popleft()
        if change is not None:
            self._open.append(Proposal(slot, change, len(data)))
        return data

    def learned(self, index: int) -> None:
        """Settles what is chosen now."""
        while self._open and self._open[0].at <= index:
            proposal = self._open.popleft()
            self._open_bytes -= proposal.size
            self._node.effects.append(ProposalSettled(proposal.change, proposal.at))

    def abandon(self) -> list[ChangeId]:
        """All that is not settled: the leadership is over."""
        changes = [one.change for one in self._open]
        changes += [one.change for one in self._waiting if one.change is not None]
        self._open.clear()
        self._waiting.clear()
        return changes
