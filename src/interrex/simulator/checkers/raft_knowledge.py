"""A leader knows all that is committed before it answers a read or gives a command.

Source: thesis, 6.4: an entry of its own term is committed first, and a majority has answered a
heartbeat that was sent after the read was asked for.
"""

from interrex.core.messages import Assignment, Dismiss, KillWorker, LaunchWorker, Routes
from interrex.elections.raft.messages import Heartbeat, HeartbeatAnswer
from interrex.simulator.checkers.majorities import reached_by_most
from interrex.simulator.checkers.raft_watch import RaftChecker, Server
from interrex.simulator.observation import Step
from interrex.worker.interface import Answer, ReadAsked, Send

COMMANDS = (Assignment, Routes, LaunchWorker, KillWorker, Dismiss)
KEPT = 512
"""So many heartbeat rounds are remembered: reads are answered by one of the last few."""


class _Reign:
    """One leadership: when each round was sent, and which of them each member has answered."""

    __slots__ = ("answers", "rounds", "voters")

    def __init__(self) -> None:
        self.rounds: dict[int, int] = {}
        self.answers: dict[int, int] = {}
        self.voters: list[int] = []


class Knowledge(RaftChecker):
    """Believes heartbeats and answers that were sent, and the commit index that a leader sends.

    Who votes is seen nowhere but in the leader's core. As that may change in the very step that
    settles a round, those before it count too.
    """

    promise = "a leader knows all before it answers or commands"

    def __init__(self) -> None:
        super().__init__()
        self._reigns: dict[int, _Reign] = {}
        """By term."""
        self._asked: dict[tuple[int, int], int] = {}
        """(life, request) -> when a read was asked for."""
        self.mail = {Heartbeat: self._beats, HeartbeatAnswer: self._answers}
        self.seen = {
            ReadAsked: self._asks,
            Answer: self._answered,
            **dict.fromkeys(COMMANDS, self._commands),
        }

    def _beats(self, server: Server, step: Step, message: Heartbeat) -> None:
        reign = self._reign(message.term)
        if message.round and message.round not in reign.rounds:
            reign.rounds[message.round] = step.at
            reign.rounds.pop(message.round - KEPT, None)
            reign.voters = _voters(step)

    def _answers(self, server: Server, step: Step, message: HeartbeatAnswer) -> None:
        answers = self._reign(message.term).answers
        if answers.get(server.member, 0) < message.round:
            answers[server.member] = message.round

    def _reign(self, term: int) -> _Reign:
        reign = self._reigns.get(term)
        if reign is None:
            reign = self._reigns[term] = _Reign()
        return reign

    def _asks(self, server: Server, step: Step, event: ReadAsked) -> None:
        self._asked[server.life, event.request] = step.at

    def _answered(self, server: Server, step: Step, answer: Answer) -> None:
        asked_at = self._asked.pop((server.life, answer.request), None)
        voters = _voters(step)
        if asked_at is None or not answer.ok or voters == [server.member]:
            return
        self._commands(server, step, answer)
        reign = self._reigns.get(server.leads, _Reign())
        rounds = {**reign.answers, server.member: max(reign.rounds, default=0)}
        proved = max(reached_by_most(rounds, voters), reached_by_most(rounds, reign.voters))
        sent_at = reign.rounds.get(proved)
        if sent_at is None or sent_at < asked_at:
            raise self.broken(
                f"{server} answered a read of {asked_at}, the last heartbeat that a majority "
                f"answered was sent at {sent_at}"
            )

    def _commands(self, server: Server, step: Step, thing: Send | Answer) -> None:
        if _voters(step) == [server.member]:
            return
        term = server.log.term_at(server.claimed)
        if not server.leads or (term is not None and term != server.leads):
            what = thing.message if isinstance(thing, Send) else thing
            raise self.broken(
                f"{server}, which leads term {server.leads}, sends {type(what).__name__}, knowing "
                f"only {server.claimed} of term {term} to be committed"
            )


def _voters(step: Step) -> list[int]:
    return [member.member for member in step.core.election.members]
