"""What a worker sees to beyond its own replicas: the other workers and, while it leads, the fleet.

While it leads the leader's mind decides. Otherwise it heals the workers of its host as a neighbour
does, and as one it ends the connections of those on other hosts that have fallen silent.
"""

from typing import NamedTuple

from interrex.core.ids import HostName, WorkerName
from interrex.core.spec import Timing
from interrex.core.state import ClusterState
from interrex.core.time import earliest, seconds
from interrex.elections.interface import Election, LeaderChanged
from interrex.orchestration.fleet import Fleet
from interrex.orchestration.healing import Healer, Remedy
from interrex.orchestration.leader import Leader, LeaderEffect
from interrex.worker.interface import Disconnect


class Heal(NamedTuple):
    """A worker of this host needs this, and no leader may be there to say so."""

    worker: WorkerName
    remedy: Remedy


Care = LeaderEffect | Heal | Disconnect


class Oversight:
    """One worker's oversight of the fleet.

    ``lead`` is the leader's mind, None while this worker does not lead or may not act yet.
    ``wake_at`` says when to look again if nothing changes before (ns), as of the last look.

    Args:
        me: the worker; ``host`` where it runs.
        election: says whether it leads.
        timing: the cluster's times.
    """

    def __init__(self, me: WorkerName, host: HostName, election: Election, timing: Timing) -> None:
        self._me = me
        self._host = host
        self._election = election
        self._healer = Healer(me, timing)
        self._issued = (0, 0)
        self.lead: Leader | None = None
        self.wake_at: int | None = None

    def retime(self, timing: Timing) -> None:
        """Go by these times from now on."""
        self._healer.retime(timing)

    def leader_changed(self, effect: LeaderChanged, timing: Timing) -> int | None:
        """Drop the leader's mind: whoever leads on makes another one once that is confirmed.

        Returns:
            The epoch of this worker's leadership, where it is over with this.
        """
        lead, self.lead = self.lead, None
        self._healer = Healer(self._me, timing)
        if lead is None:
            return None
        self._issued = (lead.epoch, lead.issued)
        return lead.epoch if (effect.leader, effect.epoch) != (self._me, lead.epoch) else None

    def begin(self, state: ClusterState) -> None:
        """Lead: all that was agreed before is known to be applied."""
        epoch, issued = self._issued
        issued = issued if epoch == self._election.epoch else 0
        self.lead = Leader(self._me, self._host, self._election.epoch, state, issued)

    def missed(self, lost: int, now: int) -> None:
        """This worker did not run for so long (ns), or for longer than anything is waited for."""
        if self.lead is not None:
            self.lead.missed(lost, now)

    def look(self, state: ClusterState, fleet: Fleet, now: int) -> list[Care]:
        """Look at the fleet as a whole.

        Returns:
            What is to be done, in order.
        """
        care: list[Care] = [*self._silent(state, fleet, now)]
        election, lead = self._election, self.lead
        if lead is None:
            remedies = self._healer.remedies(fleet, self._host, False, now)
            care += [Heal(worker, remedy) for worker, remedy in remedies]
            self.wake_at = earliest(self.wake_at, self._healer.wake_at)
        elif election.leading and now < (election.deadline or 0):
            # As of its own last step the election leads: this one may come after its deadline.
            care += lead.step(state, fleet, now)
            self.wake_at = earliest(self.wake_at, lead.wake_at)
        return care

    def _silent(self, state: ClusterState, fleet: Fleet, now: int) -> list[Disconnect]:
        """A silent peer on another host may be gone without a word: its connection is ended, and
        the next hello starts anew. (One on this host is killed and replaced instead.)"""
        patience = seconds(state.spec.timing.silent_worker)
        silent, self.wake_at = fleet.silent_elsewhere(self._host, patience, now)
        return [Disconnect(worker, "silent") for worker in silent]
