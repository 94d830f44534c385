"""Everything that may go wrong, at random, for Raft."""

from interrex.elections.raft import RaftSettings
from tests.elections import chaos

from .checkers import Checkers
from .network import Network, Server


class Chaos(chaos.Chaos[Server]):
    """One seed's world and its misfortunes."""

    def make(self, size: int, seed: int) -> Checkers:
        return Checkers(Network(size, settings=RaftSettings(**self.settings), seed=seed))

    def is_changing(self, leader: Server) -> bool:
        node = leader.raft._server.node
        return node.membership.index > node.commit
