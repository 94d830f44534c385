"""The epoch gate: a command of an older leader is refused, also after a restart.

Invariant: no command is obeyed whose epoch is below the highest that this worker has obeyed a
command of, and that highest epoch is on disk before the first command under it is obeyed.
"""

import msgspec

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.messages import Assignment, Command, decode, encode, epoch_of
from interrex.core.storage import SetFact

EPOCH_FACT = "epoch"
ASSIGNMENT_FACT = "assignment"


class EpochGate:
    """Takes commands in, and lets them out in order once what they rest on is on disk.

    Args:
        facts: the worker's stored facts, of which two are the gate's own.
    """

    def __init__(self, facts: dict[str, bytes]) -> None:
        self._highest = int(facts.get(EPOCH_FACT, b"0"))
        self._durable = self._highest
        self._waiting: list[tuple[int, Command | None]] = []
        """What waits for which token; None: an epoch that was raised without a command."""
        stored = facts.get(ASSIGNMENT_FACT)
        self._newest = _stored_assignment(stored) if stored is not None else None
        self._assignment = self._newest

    @property
    def highest(self) -> int:
        """The highest epoch of any command so far."""
        return self._highest

    @property
    def assignment(self) -> Assignment | None:
        """The newest assignment that was handed out to be obeyed: it is on disk."""
        return self._assignment

    def admits(self, command: Command) -> bool:
        """Whether a command may be obeyed: its epoch is not old, nor is it an older assignment."""
        if epoch_of(command) < self._highest:
            return False
        newest = self._newest
        return not (
            isinstance(command, Assignment)
            and newest is not None
            and (command.epoch, command.version) <= (newest.epoch, newest.version)
        )

    def refusal(self, command: Command, sender: WorkerName) -> str:
        """Why a command of an older leader is not obeyed, for people; empty for any other."""
        if epoch_of(command) >= self._highest:
            return ""
        what = f"{type(command).__name__} of epoch {epoch_of(command)} from {sender}"
        return f"{what}: refused, the newest is {self._highest}"

    def take(self, command: Command, token: int) -> tuple[SetFact, ...]:
        """Let a command in.

        Args:
            command: one that ``admits`` accepted.
            token: the token of the ``Persist`` that the returned records would go into.

        Returns:
            What must be on disk before it is obeyed. Empty, and nothing before it waiting: obey
            it now; otherwise ``release`` hands it out.
        """
        ensure(epoch_of(command) >= self._highest, "an old command is never let in")
        records = []
        if epoch_of(command) > self._highest:
            self._highest = epoch_of(command)
            records.append(SetFact(EPOCH_FACT, b"%d" % self._highest))
        if isinstance(command, Assignment):
            self._newest = command
            records.append(SetFact(ASSIGNMENT_FACT, encode(command)))
        if records:
            self._waiting.append((token, command))
        elif self._waiting:
            # Nothing of its own is written: a token of its own might never be told of.
            self._waiting.append((self._waiting[-1][0], command))
        return tuple(records)

    def raise_to(self, epoch: int, token: int) -> tuple[SetFact, ...]:
        """Obey nothing of an older epoch from now on.

        Args:
            epoch: of somebody who is about to lead.
            token: the token of the ``Persist`` that the returned records go into.
        """
        self._highest = max(self._highest, epoch)
        self._waiting.append((token, None))
        return (SetFact(EPOCH_FACT, b"%d" % self._highest),)

    @property
    def must_wait(self) -> bool:
        """Whether some command waits for the disk: later ones queue behind it."""
        return bool(self._waiting)

    def release(self, token: int) -> list[Command]:
        """The commands that may be obeyed now that everything up to ``token`` is on disk."""
        done = [command for needed, command in self._waiting if needed <= token]
        ready = [command for command in done if command is not None]
        self._waiting = [item for item in self._waiting if item[0] > token]
        for command in ready:
            self._durable = max(self._durable, epoch_of(command))
            ensure(self._durable <= self._highest, "the durable epoch is one that was seen")
            if isinstance(command, Assignment):
                self._assignment = command
        return ready


def _stored_assignment(data: bytes) -> Assignment | None:
    """None for one that another version wrote: the leader gives it anew."""
    try:
        message = decode(data)
    except msgspec.MsgspecError:
        return None
    return message if isinstance(message, Assignment) else None
