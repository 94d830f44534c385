"""Changes of membership: one server at a time, one change at a time.

A worker's identity is replaced in up to three entries: the new member learns the log without a
vote, the old one goes, the new one votes. So the time in which the cluster bears one failure less
is one commit long, and not as long as the transfer of a log.

Source: thesis 4.1 to 4.2; the rule that a leader first commits an entry of its own term is the
correction of 2015-07-10 (raft-dev, "bug in single-server membership changes").

Differs from the thesis: the new server is added without a vote before the old one is removed.
"""

from collections.abc import Callable

from interrex.core.ids import WorkerName
from interrex.elections.interface import ReplaceMember
from interrex.elections.raft.node import Node
from interrex.elections.raft.replication import Replication
from interrex.elections.replicated import changes
from interrex.elections.replicated.changes import Outcome
from interrex.elections.replicated.payload import Configuration, configuration_data


def next_configuration(
    configuration: Configuration, worker: WorkerName, member: int | None, *, caught_up: bool
) -> Configuration | Outcome:
    """The next single step from a configuration towards the one that is wanted."""
    voters, learners = dict(configuration.voters), dict(configuration.learners)
    old_voters = sorted(one for one, name in voters.items() if name == worker and one != member)
    stale = [one for one, name in learners.items() if name == worker and one != member]
    for one in stale:
        del learners[one]
    if member is not None and member not in voters:
        if member not in learners:
            return Configuration(voters, {**learners, member: worker})
        if not caught_up:
            return Outcome.WAIT
        if not old_voters or len(voters) == 1:
            del learners[member]
            return Configuration({**voters, member: worker}, learners)
    if old_voters:
        del voters[old_voters[0]]
        return Configuration(voters, learners)
    return Configuration(voters, learners) if stale else Outcome.DONE


class MemberChanges(changes.MemberChanges):
    """The changes that wait, in order; the first is the one under way.

    Invariant: a configuration is appended only when the one before it is committed, and only when
    an entry of this leader's own term is.
    """

    _node: Node
    _replication: Replication

    def __init__(
        self, node: Node, replication: Replication, append: Callable[[bytes], None]
    ) -> None:
        super().__init__(node, replication)
        self._append = append

    @property
    def _configuration(self) -> tuple[int, Configuration]:
        return self._node.membership.index, self._node.membership.current

    def _is_free(self) -> bool:
        return self._node.membership.index <= self._node.commit

    def _next(
        self, configuration: Configuration, request: ReplaceMember, *, caught_up: bool
    ) -> Configuration | Outcome:
        return next_configuration(
            configuration, request.worker, request.member, caught_up=caught_up
        )

    def _take_step(self, step: Configuration) -> None:
        self._append(configuration_data(step))
        self._replication.adopt_members()
        self._replication.send_all()
