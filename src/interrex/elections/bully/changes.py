"""Who belongs to the cluster: members come and go one at a time, each step agreed before the next.

Any worker may take part: whoever is connected gets the copy. As a member it also counts, and may
lead, in epochs that end in its seat. A worker that lost its disk is another member: the old one
goes, the new one gets the next seat that nobody ever had.

Without a quorum a seat is given only while every other member is in reach and knows so: two sides
of a partition never give away the same one. (Each remembers the highest seat it has heard of, for
good. It takes the loss of a second disk before all have heard of it to forget one.)
"""

from collections import deque
from collections.abc import Callable

from interrex.core.ids import ChangeId
from interrex.elections.bully.companions import Companions
from interrex.elections.bully.epochs import STRIDE
from interrex.elections.bully.node import Node
from interrex.elections.bully.payload import Configuration, Seat, configuration_data
from interrex.elections.interface import ProposalSettled, ReplaceMember

LAST_MEMBER = "the last member cannot be removed"
MAX_MEMBERS = 7
NO_SEAT = f"all {STRIDE - 1} seats were given away: found the cluster anew"


def refusal(configuration: Configuration, request: ReplaceMember, seats: int) -> str | None:
    """Why a change is refused, None where it is not."""
    members = configuration.members
    others = [one for one, seat in members.items() if seat.worker != request.worker]
    if request.member is None:
        return None if others else LAST_MEMBER
    owner = members.get(request.member)
    if owner is not None and owner.worker != request.worker:
        return f"member {request.member} is {owner.worker}"
    if len(others) >= MAX_MEMBERS:
        return f"there are {len(others)} other members, and at most {MAX_MEMBERS} may be"
    if owner is None and seats + 1 >= STRIDE:
        return NO_SEAT
    return None if others or owner is not None else LAST_MEMBER


class MemberChanges:
    """The changes that wait, in order; the first is the one under way."""

    def __init__(self, node: Node, companions: Companions, append: Callable[[bytes], None]) -> None:
        self._node = node
        self._companions = companions
        self._append = append
        self._queue: deque[ReplaceMember] = deque()
        self._since = 0

    def ask(self, request: ReplaceMember) -> None:
        problem = refusal(self._node.members, request, self._node.seats)
        if problem is not None:
            self._node.effects.append(ProposalSettled(request.change, None, problem))
            return
        if not self._queue:
            self._since = self._node.now
        self._queue.append(request)

    def drive(self, *, ready: bool) -> None:
        """Takes the first change one step further, if the step before is agreed."""
        node = self._node
        while self._queue and ready and node.copy.configured_at <= node.commit:
            request = self._queue[0]
            wanted = self._next(request)
            if wanted is None:
                self._settle(node.copy.configured_at, "")
            elif wanted is not node.members:
                self._since = node.now
                self._append(configuration_data(wanted))
            elif node.now - self._since >= node.settings.catch_up_timeout:
                self._settle(None, "not every other member can be reached")
            else:
                return

    def _next(self, request: ReplaceMember) -> Configuration | None:
        """The next single step: None where there is none left, the same where it has to wait."""
        node = self._node
        members = dict(node.members.members)
        for one, seat in sorted(members.items()):
            if seat.worker == request.worker and one != request.member:
                del members[one]
                return Configuration(members)
        if request.member is None or request.member in members:
            return None
        if not self._may_be_seated(request):
            return node.members
        members[request.member] = Seat(request.worker, node.seats + 1)
        return Configuration(members)

    def _may_be_seated(self, request: ReplaceMember) -> bool:
        companion = self._companions.get(request.worker)
        if companion is None or companion.aside:
            return False
        if companion.sending.matched < self._node.commit:
            return False
        return self._node.settings.quorum or self._companions.is_complete

    def _settle(self, index: int | None, reason: str) -> None:
        request = self._queue.popleft()
        self._since = self._node.now
        self._node.effects.append(ProposalSettled(request.change, index, reason))

    def abandon(self) -> list[ChangeId]:
        """All that wait: the leadership is over."""
        changes = [request.change for request in self._queue]
        self._queue.clear()
        return changes
