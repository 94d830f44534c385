"""What ZooKeeper lets this worker not do, told by the answers to all that is asked."""

from collections.abc import Callable
from random import Random

import msgspec

from interrex.elections.coordinated.desk import Desk
from interrex.elections.zookeeper import questions as q

IN_VAIN = 2
"""So many refusals in a row tell of a rule, and of no moment."""
_ADVICE = "let its user do everything there (setAcl)"


class AttentiveDesk(Desk[q.Answer]):
    """A desk that notes what is refused.

    Not guaranteed: that a refusal that is over is known to be, before the same is asked again.
    """

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._denials = {"read from": 0, "written to": 0}
        self._words = ""

    @property
    def unread(self) -> str:
        """Why nothing can be read, for people; empty where that is not so."""
        return self._told("read from")

    @property
    def unwritten(self) -> str:
        """Why nothing can be written, the same."""
        return self._told("written to")

    def ask(self, question: msgspec.Struct, take: Callable[[q.Answer], None]) -> int:
        """As every desk."""
        kind = _kind_of(question)
        if not kind:
            return super().ask(question, take)

        def taken(answer: q.Answer) -> None:
            if not isinstance(answer, q.Failed):
                self._denials[kind] = 0
            elif answer.refused:
                self._denials[kind] += 1
                self._words = answer.text
            take(answer)

        return super().ask(question, taken)

    def forget(self) -> None:
        """Another session may be let do more."""
        self._denials = dict.fromkeys(self._denials, 0)

    def _told(self, kind: str) -> str:
        if self._denials[kind] < IN_VAIN:
            return ""
        return f"nothing can be {kind} ZooKeeper: {self._words}; {_ADVICE}"


def _kind_of(question: msgspec.Struct) -> str:
    match question:
        case q.Read() | q.List():
            return "read from"
        case q.Transact(operations) if any(not isinstance(one, q.Check) for one in operations):
            return "written to"
        case _:
            return ""
