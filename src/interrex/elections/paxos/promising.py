"""Whether to promise a round to a proposer, or to answer yes to its question before.

The same rules in every role; when a question is answered is in ``replicated.questions``.

Source: PMS 2.2 (phase 1b: "a promise not to accept any more proposals numbered less than n and
with the highest-numbered proposal (if any) that it has accepted"); PML 5.2 (a leader's lease makes
the others ignore those who want to replace it).

Differs from PMS: a round is promised to one proposer; no promise is given while a leader is heard,
unless the proposer says that this very leadership is over; a proposer that lacks slots which were
chosen and are no longer here gets the snapshot instead: it learns first, or somebody else leads.
One that was removed, as far as is learned here, gets none.
"""

from interrex.core.storage import Entry
from interrex.elections.paxos.messages import Ask, AskAnswer, Prepare, Promise, Refused, Run
from interrex.elections.paxos.node import Node
from interrex.elections.replicated.questions import Questions


class Promising(Questions[Ask]):
    """The promises of a server."""

    _node: Node

    def _answer(self, message: Ask) -> bool:
        node = self._node
        newer = message.round > node.round
        granted = newer and self._is_fit(message)
        if newer and not granted:
            self._refuse_unfit(message)
        number = message.round if granted else node.round
        node.send(
            message.source,
            AskAnswer(message.source, node.member, number, message.campaign, granted),
        )
        return newer and not granted

    def on_prepare(self, message: Prepare) -> bool:
        """Promises this round, or refuses it. Returns whether it was promised."""
        node = self._node
        free = node.promised_to in (0, message.source)
        leaderless = self._detection.leader in (None, message.source)
        fit = self._is_fit(message)
        if message.round != node.round or not (free and leaderless and fit):
            if message.round == node.round and not fit:
                self._refuse_unfit(message)
            refusal = Refused(message.source, node.member, node.round, message.campaign)
            node.send(message.source, refusal)
            return False
        if node.promised_to == 0:
            node.set_round(node.round, message.source)
        node.send_when_stored(message.source, self._promise(message))
        return True

    def _is_fit(self, message: Ask | Prepare) -> bool:
        """Whether this proposer can be told all that it has to know, and may lead with it."""
        node = self._node
        lacks_nothing = message.start > node.chosen
        teachable = lacks_nothing or message.start >= node.slots.first
        return teachable and (lacks_nothing or message.source in node.membership.electorate)

    def _refuse_unfit(self, message: Ask | Prepare) -> None:
        """Somebody else leads; but where nobody else can, it may after a lesson."""
        self._detection.passed.add(message.source)
        if message.start < self._node.slots.first:
            self._node.teach(message.source)

    def _promise(self, message: Prepare) -> Promise:
        """What was accepted from the asked slot on, as far as the proposer lacks it.

        Where the proposer holds a value of the same round or a later one, its own counts.
        """
        node = self._node
        slots, budget = node.slots, node.settings.batch_bytes
        held = _Held(message.held)
        accepted: list[Entry] = []
        start, end = message.start, max(slots.last, message.start - 1)
        for entry in slots.slice(start, end) if start <= end else ():
            if entry.epoch <= held.round_at(entry.index):
                continue
            budget -= len(entry.data)
            if budget < 0 and accepted:
                end = entry.index - 1
                break
            accepted.append(entry)
        return Promise(
            message.source,
            node.member,
            node.round,
            message.campaign,
            node.chosen,
            start,
            end,
            max(slots.last, node.chosen),
            tuple(accepted),
        )


class _Held:
    """The rounds that a proposer holds, asked for in order of the slots."""

    def __init__(self, runs: tuple[Run, ...]) -> None:
        self._runs = runs
        self._next = 0
        self._round = 0

    def round_at(self, index: int) -> int:
        while self._next < len(self._runs) and self._runs[self._next][0] <= index:
            self._round = self._runs[self._next][1]
            self._next += 1
        return self._round
