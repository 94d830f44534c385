"""Who hears a leader helps nobody to another one, and nobody stands for election unasked.

Source: thesis, 4.2.3 (a server that hears a leader ignores requests for votes) and 9.6 (pre-vote).

Differs from the thesis: a connection that closed, and the news that the leadership is over for
good, end the hearing at once.
"""

import msgspec

from interrex.core.messages import ElectionMail, decode
from interrex.core.storage import SetFact
from interrex.core.time import seconds
from interrex.elections.raft import messages
from interrex.elections.raft.messages import HeartbeatAnswer, PreVoteAnswer, RequestVote
from interrex.elections.raft.node import VOTE, StoredVote
from interrex.simulator.checkers.majorities import is_majority
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step
from interrex.worker.interface import MessageReceived, PeerLeft

_HEAD = msgspec.msgpack.encode(ElectionMail(b""))[:-2]
"""How mail of an election begins on the wire."""
_KIND_AT = len(_HEAD) + 3
"""Where a short mail names its kind: behind its length and how it opens itself."""
_TELLING = frozenset(
    kind.__struct_config__.tag
    for kind in (messages.RequestVote, messages.PreVote, messages.TimeoutNow)
)
_vote = msgspec.msgpack.Decoder(StoredVote)


class Stickiness(RaftChecker):
    """Believes that who answers a heartbeat hears its leader, until its connection to it closes,
    it is in another term, or the shortest time-out has passed by its own clock."""

    promise = "who hears a leader helps nobody else"

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[int, tuple[int, int, int]] = {}
        """Life -> term, the leader's member id, until when (ns)."""
        self._granted: dict[tuple[int, int], set[int]] = {}
        """(term, candidate) -> who would vote for it."""
        self._over: dict[int, int] = {}
        """Life -> the highest term whose leadership it was told to be over."""
        self.mail = {
            HeartbeatAnswer: self._hears,
            PreVoteAnswer: self._would_vote,
            RequestVote: self._stands,
        }
        self.handed_out = {SetFact: self._writes}
        self.seen = {PeerLeft: self._loses, MessageReceived: self._received}
        self._asked: dict[int, messages.RequestVote | messages.PreVote] = {}
        """Life -> the question that its present step has received."""
        self._now: dict[int, int] = {}

    def _hears(self, server: Server, step: Step, message: HeartbeatAnswer) -> None:
        patience = seconds(step.core.state.spec.timing.election_timeout)
        self._heard[server.life] = message.term, message.target, step.now + patience

    def _loses(self, server: Server, step: Step, event: PeerLeft) -> None:
        self._heard.pop(server.life, None)

    def _received(self, server: Server, step: Step, event: MessageReceived) -> None:
        self._asked.pop(server.life, None)
        self._now[server.life] = step.now
        payload = event.payload
        if not payload.startswith(_HEAD) or payload[_KIND_AT] not in _TELLING:
            return
        mail = decode(payload)
        assert isinstance(mail, ElectionMail)
        message = messages.decode(mail.payload)
        if isinstance(message, messages.TimeoutNow):
            self._heard.pop(server.life, None)
        elif isinstance(message, messages.RequestVote | messages.PreVote):
            self._asked[server.life] = message
            if message.ended:
                self._over[server.life] = max(self._over.get(server.life, 0), message.ended)

    def _hears_now(self, server: Server, now: int) -> int:
        """The term whose leader it hears, 0 for none."""
        term, _, until = self._heard.get(server.life, (0, 0, 0))
        return term if now < until and self._over.get(server.life, 0) < term else 0

    def _would_vote(self, server: Server, step: Step, message: PreVoteAnswer) -> None:
        if not message.granted:
            return
        self._granted.setdefault((message.term, message.target), set()).add(server.member)
        question = self._asked.get(server.life)
        asked = question is not None and question.source == message.target
        heard = self._hears_now(server, step.now)
        if asked and type(step.event) is MessageReceived and heard:
            raise self.broken(
                f"{server} hears the leader of term {heard}, and would vote for member "
                f"{message.target} in {message.term}"
            )

    def _writes(self, server: Server, record: SetFact) -> None:
        if record.key != VOTE:
            return
        term = _vote.decode(record.value).term
        question = self._asked.pop(server.life, None)
        heard = self._hears_now(server, self._now.get(server.life, 0))
        if heard and isinstance(question, messages.RequestVote) and question.term == term > heard:
            raise self.broken(
                f"{server} hears the leader of term {heard}, and follows member "
                f"{question.source} into {term}"
            )
        self._heard.pop(server.life, None)

    def _stands(self, server: Server, step: Step, message: RequestVote) -> None:
        voters = [member.member for member in step.core.election.members]
        willing = self._granted.get((message.term, message.source), set()) | {server.member}
        if not message.ended and not is_majority(willing, voters):
            raise self.broken(
                f"{server} stands for election in term {message.term}, asked were by then only "
                f"{sorted(willing)} of {voters}"
            )
