"""Changes of membership: one at a time, each one agreed value and one window long.

A worker's identity is replaced in two steps: the new member learns everything without a vote; then
one configuration takes the old one out and the new one in. It governs a window of slots later.

Source: PMS 3, last paragraph; PMMC 3 (reconfiguration).

Differs from the papers: the new member learns before it votes, so that the time in which one more
failure is not borne is as short as the window, and not as long as the transfer of a state.
"""

from collections.abc import Callable

from interrex.core.ids import WorkerName
from interrex.elections.interface import ReplaceMember
from interrex.elections.paxos.node import Node
from interrex.elections.paxos.replication import Replication
from interrex.elections.replicated import changes
from interrex.elections.replicated.changes import Outcome
from interrex.elections.replicated.payload import Configuration, configuration_data


def next_configuration(
    configuration: Configuration, worker: WorkerName, member: int | None, *, caught_up: bool
) -> Configuration | Outcome:
    """The next step from a configuration towards the one that is wanted."""
    voters = {
        one: name for one, name in configuration.voters.items() if name != worker or one == member
    }
    learners = {
        one: name for one, name in configuration.learners.items() if name != worker or one == member
    }
    if member is not None and member not in voters:
        if member not in learners:
            return Configuration(configuration.voters, {**learners, member: worker})
        if not caught_up:
            return Outcome.WAIT
        del learners[member]
        voters[member] = worker
    wanted = Configuration(voters, learners)
    return Outcome.DONE if wanted == configuration else wanted


class MemberChanges(changes.MemberChanges):
    """The changes that wait, in order; the first is the one under way.

    Invariant: a configuration is proposed only when the one before it alone governs, and when all
    that earlier leaders may have got chosen is learned.
    """

    _node: Node

    def __init__(
        self, node: Node, replication: Replication, propose: Callable[[bytes], None]
    ) -> None:
        super().__init__(node, replication)
        self._propose = propose
        self._proposed: Configuration | None = None
        """Proposed and not learned yet."""

    @property
    def _configuration(self) -> tuple[int, Configuration]:
        return self._node.membership.index, self._node.membership.newest

    def _is_free(self) -> bool:
        membership = self._node.membership
        if self._proposed == membership.newest:
            self._proposed = None
        return self._proposed is None and not membership.settles_at

    def _next(
        self, configuration: Configuration, request: ReplaceMember, *, caught_up: bool
    ) -> Configuration | Outcome:
        return next_configuration(
            configuration, request.worker, request.member, caught_up=caught_up
        )

    def _take_step(self, step: Configuration) -> None:
        self._proposed = step
        self._propose(configuration_data(step))
