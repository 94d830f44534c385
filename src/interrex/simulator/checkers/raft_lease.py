"""A leader's deadline is never later than its followers have proved (thesis, 6.2 and 6.4.1).

A heartbeat that a majority answered proves that each of them will wait for the time-out that it
named, less what clocks may differ, from when it was sent; before the first such heartbeat, the
votes do, from when they were asked for. Whether answers arrived is not looked at: an answer that
was sent is the most that a leader can know of.

Whose majority? That of the configuration which the leader's log held when it counted, committed or
not. Whoever is elected meanwhile has the votes of a majority of that configuration, of the one
before it or of the one after it, as the leader lets no further one begin before that is committed:
each two of these share a server, and that one still waits. When the leader counted is not seen.
Several changes may lie between two heartbeats, and a configuration of few may have been in force
for a moment only: of two voters one is replaced by way of the other alone. So every configuration
counts that was in force since the last heartbeat; the leader has sent each of them to somebody,
since else the next one could not have begun.
"""

from interrex.core.time import seconds
from interrex.elections.raft.messages import (
    AppendEntries,
    Heartbeat,
    HeartbeatAnswer,
    RequestVote,
)
from interrex.elections.replicated.payload import configuration_of
from interrex.simulator.checkers.majorities import reached_by_most
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step

CLOCK_ERROR = 10
"""A tenth of the followers' patience is left for clocks that do not run alike."""


class _Reign:
    """One leadership: its heartbeats, and which of them each member has answered."""

    __slots__ = ("answers", "deadline", "life", "member", "rounds", "sent", "voters")

    def __init__(self, server: Server, deadline: int, voters: list[int]) -> None:
        self.life = server.life
        self.member = server.member
        self.deadline = deadline
        """The latest that is proved so far, by the leader's own clock (ns)."""
        self.rounds: dict[int, int] = {}
        """Round -> until when those who answered it wait."""
        self.answers: dict[int, int] = {}
        self.voters = [voters]
        """Who voted in the last round, and since: what they answered may have counted then."""
        self.sent = 0
        """The highest index of an entry of its own that it has sent."""

    def proved(self, voters: list[list[int]]) -> int:
        """The newest round that a majority of any of these has answered."""
        self.answers[self.member] = max(self.rounds, default=0)
        return max(reached_by_most(self.answers, some) for some in voters)


class Leases(RaftChecker):
    """Compares the deadline of a leader's core, seen nowhere else, with what was proved."""

    promise = "a deadline is no later than the followers' patience"

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[tuple[int, int], int] = {}
        """(life, term) -> when it asked for votes."""
        self._reigns: dict[int, _Reign] = {}
        """By term."""
        self.mail = {
            RequestVote: self._asks,
            AppendEntries: self._appends,
            Heartbeat: self._beats,
            HeartbeatAnswer: self._answers,
        }

    def _asks(self, server: Server, step: Step, message: RequestVote) -> None:
        self._asked.setdefault((server.life, message.term), step.now)

    def leads(self, server: Server, step: Step) -> None:
        patience = _certain(seconds(step.core.state.spec.timing.election_timeout))
        asked = self._asked.get((server.life, server.leads))
        until = step.now if asked is None else asked + patience
        self._reigns[server.leads] = _Reign(server, until, _voters(step))

    def _appends(self, server: Server, step: Step, message: AppendEntries) -> None:
        reign = self._reigns[message.term]
        for entry in message.entries:
            if entry.index > reign.sent and entry.epoch == message.term:
                reign.sent = entry.index
                configuration = configuration_of(entry)
                if configuration is not None:
                    reign.voters.append(sorted(configuration.voters))

    def _beats(self, server: Server, step: Step, message: Heartbeat) -> None:
        reign = self._reigns[message.term]
        until = step.now + _certain(message.timeout)
        known = reign.rounds.get(message.round)
        if known is None:
            self._judge(server, step, reign)
            reign.rounds[message.round] = until
        elif until < known:
            reign.rounds[message.round] = until

    def _answers(self, server: Server, step: Step, message: HeartbeatAnswer) -> None:
        reign = self._reigns.get(message.term)
        if reign is not None and reign.answers.get(server.member, 0) < message.round:
            reign.answers[server.member] = message.round

    def _judge(self, server: Server, step: Step, reign: _Reign) -> None:
        now = _voters(step)
        voters, reign.voters = [*reign.voters, now], [now]
        deadline = step.core.election.deadline
        if deadline is None or deadline <= reign.deadline or reign.life != server.life:
            return
        proved = reign.proved(voters)
        if [server.member] in voters:
            reign.deadline = deadline  # who alone votes needs nobody's patience
        for number in [number for number in reign.rounds if number <= proved]:
            reign.deadline = max(reign.deadline, reign.rounds.pop(number))
        if deadline > reign.deadline:
            raise self.broken(
                f"{server}, leader of term {server.leads}, believes in itself until {deadline}, "
                f"the followers wait until {reign.deadline}"
            )


def _certain(patience: int) -> int:
    """How much of it passes by the leader's clock, however the clocks run."""
    return patience - patience // CLOCK_ERROR


def _voters(step: Step) -> list[int]:
    return [member.member for member in step.core.election.members]
