"""Which disks have lost what they promised: never so many that nobody could go on.

A worker whose log was lost or refused comes back under a new identity, which the others must let
in. Until it votes again, another loss could take the majority away for good: no fault may do that.
"""

from typing import TYPE_CHECKING

from interrex.core.ids import WorkerName
from interrex.core.quorum import majority
from interrex.core.time import S
from interrex.elections.guarantees import guarantees_of
from interrex.simulator.observation import DiskHarmed

if TYPE_CHECKING:
    from interrex.simulator.world import World

SETTLED = 2 * S


class Harm:
    """The disks of one world whose promises are void, or would be after a power loss.

    Where sides may have leaders of their own, who was let in again may be so on the losing side
    only: there a disk that was harmed counts as harmed for good.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._harmed: dict[WorkerName, int] = {}
        self._risked: dict[WorkerName, None] = {}
        self._mends = guarantees_of(world.spec).durable

    def allows(self, *workers: WorkerName) -> bool:
        """Whether these disks may be harmed too, and a majority still holds what it promised.

        While a coordination service has lost its data they are what remembers it: none is.
        """
        service = self._world.coordination
        if service is not None and service.is_emptied:
            return False
        self._forget_what_is_mended()
        void = dict.fromkeys((*self._harmed, *self._risked, *self._world.departing(), *workers))
        beliefs = self._beliefs()
        return (
            bool(beliefs)
            and self._has_begun()
            and all(_outlive(voters, void) for voters in beliefs)
            and not any(worker in self._harmed or worker in self._risked for worker in workers)
        )

    def lets_leave(self, *workers: WorkerName) -> bool:
        """Whether these may be taken from the file: even all there are, as others are to vote in
        their place before they go. Who votes beside a harmed disk must stay."""
        self._forget_what_is_mended()
        return not (self._harmed or self._risked) or self.allows(*workers)

    def _forget_what_is_mended(self) -> None:
        if self._harmed and self._mends and self._all_vote_again():
            self._harmed.clear()

    def _has_begun(self) -> bool:
        """On several hosts the founding needs all parts as they were made: the others may already
        be writing down the birthmark of one that is lost."""
        return not self._world.spec.hosts or any(
            node.core is not None and node.core.state.index > 0 for node in self._world.running()
        )

    def harmed(self, worker: WorkerName) -> None:
        """What this disk holds is lost, or will be when it is next read."""
        self._harmed[worker] = self._world.agenda.now

    def lost(self, worker: WorkerName, what: str) -> None:
        """What this disk held counts no more."""
        self.harmed(worker)
        self._world.tell(DiskHarmed(worker, what))

    @property
    def is_pending(self) -> bool:
        """Whether a disk may yet lose what it acknowledged."""
        disks = self._world.disks
        return bool(self._risked) or any(disks[worker].loss for worker in self._world.homes)

    def risked(self, worker: WorkerName) -> None:
        """A power loss would make this disk lose something."""
        self._risked[worker] = None

    def risk_is_over(self, worker: WorkerName) -> None:
        self._risked.pop(worker, None)

    def _has_heard_of_the_rest(self, worker: WorkerName) -> bool:
        """Whether its log is more than the empty one that it came back with."""
        node = self._world.nodes.get(worker)
        if node is None or node.core is None:
            return False
        return node.core.state.index > 0

    def _beliefs(self) -> list[tuple[WorkerName, ...]]:
        """Who votes, as each log says: a change of that may be under way."""
        return [
            voters
            for node in self._world.running()
            if node.core is not None
            and (voters := tuple(member.worker for member in node.core.election.members))
        ]

    def _all_vote_again(self) -> bool:
        """Whether a majority believes in exactly the identities that the disks now have."""
        world = self._world
        for worker, at in self._harmed.items():
            if world.agenda.now - at < SETTLED or world.disks[worker].loss:
                return False
            if not self._has_heard_of_the_rest(worker):
                return False
        agreeing = 0
        identities: dict[WorkerName, int] | None = None
        for node in world.running():
            assert node.core is not None
            members = {m.worker: m.member for m in node.core.election.members}
            mine = {worker: world.identity_of(worker) for worker in members}
            if members == mine and len(members) == len(node.core.election.members):
                agreeing += 1
                identities = members
        return identities is not None and agreeing >= majority(len(identities))


def _outlive(voters: tuple[WorkerName, ...], void: dict[WorkerName, None]) -> bool:
    """Whether a majority of the voters is left; several votes of one worker count as lost."""
    left = [worker for worker in voters if worker not in void]
    return len(left) >= majority(len(voters))
