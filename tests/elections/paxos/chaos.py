"""Everything that may go wrong, at random, for Paxos."""

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
