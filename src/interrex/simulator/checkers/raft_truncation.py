"""A follower cuts off only what conflicts with its leader's log (paper, 5.3)."""

import msgspec

from interrex.core.storage import SetFact, TruncateFrom
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step

_vote = msgspec.msgpack.Decoder(StoredVote)


class Truncation(RaftChecker):
    """Compares the first entry that is cut off with that of the leader of the server's term."""

    promise = "only what conflicts is cut off"

    def __init__(self) -> None:
        super().__init__()
        self._leaders: dict[int, Server] = {}
        """By term."""
        self._terms: dict[int, int] = {}
        """Life -> its term, as it was handed out for writing."""
        self.handed_out = {SetFact: self._writes, TruncateFrom: self._cuts_off}

    def began(self, server: Server) -> None:
        self._terms[server.life] = server.disk.vote.term

    def leads(self, server: Server, step: Step) -> None:
        self._leaders[server.leads] = server

    def _writes(self, server: Server, record: SetFact) -> None:
        if record.key == VOTE:
            self._terms[server.life] = _vote.decode(record.value).term

    def _cuts_off(self, server: Server, record: TruncateFrom) -> None:
        leader = self._leaders.get(self._terms[server.life])
        if leader is None or leader.leads != self._terms[server.life]:
            return
        here, there = server.log.term_at(record.index), leader.log.term_at(record.index)
        if here == there is not None:
            raise self.broken(
                f"{server} cuts off {record.index} of term {here}, which {leader} has too"
            )
