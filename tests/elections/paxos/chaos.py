"""Everything that may go wrong, at random, for Paxos."""

from collections.abc import Callable
from typing import Any, ClassVar

from interrex.core.time import MS, US
from interrex.elections.interface import PeerLost
from interrex.elections.paxos import PaxosSettings
from tests.elections import chaos

from .checkers import Checkers
from .network import Network, Server


class Chaos(chaos.Chaos[Server]):
    """One seed's world and its misfortunes. Narrow windows make changes of membership overlap."""

    def make(self, size: int, seed: int) -> Checkers:
        window = self.random.choice([1, 2, 5, 30])
        settings = PaxosSettings(**self.settings, window=window)
        return Checkers(Network(size, settings=settings, seed=seed))

    def is_changing(self, leader: Server) -> bool:
        """Until a window after the last configuration, both are needed."""
        return leader.paxos._server.node.membership.settles_at > 0

    def behead(self) -> None:
        """The leader dies with proposals under way: some have accepted them, some have not, and
        nobody was told what is chosen. Then the next one, and then they come back."""
        for _ in range(self.random.randrange(1, 4)):
            leader = self.network.leader()
            if leader is None:
                return
            self._deafen_some(leader)
            self.propose_to(leader)
            self.network.run(self.random.randrange(0, 4 * MS))
            self.network.kill(leader, notice=self.random.randrange(20 * US, 2 * MS))
            self.network.heal()
            self.network.run(self.random.randrange(0, 30 * MS))
            if self.random.random() < 0.7:
                self.network.boot(leader)
                self._greet(leader)

    def _deafen_some(self, leader: Server) -> None:
        """Some hear nothing of the leader any more, and lose their connection to it."""
        for other in self.network.followers(leader):
            if self.random.random() < 0.5:
                self.network.cut.add((leader.name, other.name))
                self.network.step(other, PeerLost(leader.name, proved_dead=False))

    FAULTS: ClassVar[list[tuple[Callable[[Any], None], int]]] = [
        *chaos.Chaos.FAULTS,
        (behead, 4),
    ]
