"""A leader numbers its commands on within its epoch: a number that comes again is refused."""

from interrex.core.messages import Assignment, Routes
from interrex.simulator.checkers.watch import Watch
from interrex.simulator.observation import Step
from interrex.worker.interface import Send


class Numbering(Watch):
    """Believes the commands that were sent. Each assignment has a number of its own, routes have
    one for all who get them."""

    promise = "commands are numbered on within an epoch"

    def __init__(self) -> None:
        super().__init__()
        self._assignments: dict[int, int] = {}
        """Epoch -> the highest number so far."""
        self._routes: dict[int, int] = {}
        self.messages = {Assignment: self._assigns, Routes: self._routes_sent}

    def _assigns(self, step: Step, send: Send) -> None:
        command = send.message
        if type(command) is Assignment:
            newest = self._assignments.get(command.epoch, 0)
            if command.version <= newest:
                raise self._again(step, command.epoch, command.version, newest)
            self._assignments[command.epoch] = command.version

    def _routes_sent(self, step: Step, send: Send) -> None:
        command = send.message
        if type(command) is Routes:
            table, newest = command.table, self._routes.get(command.table.epoch, 0)
            if table.version < newest:
                raise self._again(step, table.epoch, table.version, newest)
            self._routes[table.epoch] = table.version

    def _again(self, step: Step, epoch: int, number: int, newest: int) -> Exception:
        return self.broken(
            f"{step.worker} numbers a command {number} in epoch {epoch}, and was at {newest}"
        )
