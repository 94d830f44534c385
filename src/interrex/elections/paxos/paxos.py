"""Multi-Paxos, as a pure state machine behind the election's contract.

Every server is proposer, acceptor and learner. A stable leader runs phase 1 once, over all slots
that it has not learned, and then phase 2 for one slot after the other. The round of its ballot is
the epoch.

Guaranteed: at most one leader per round; what was reported committed is never lost while a majority
of disks survives; every worker sees the same changes in the same order (PMS 2.1: only a proposed
value is chosen, only one is, and nobody learns of one that is not).

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); that ``LeaderChanged`` reaches all at the same moment; any
progress without a majority; exactly-once of a proposal that is asked again (its id is for that).

When a leader is announced: ``LeaderChanged`` with this worker itself means: a majority's promises
of this round are on their disks and so is its own, and its deadline has not passed; commands
stamped with the epoch are safe to send, because nobody else can ever lead in it (the invariant is
in ``leader``). It does not mean that all changes of earlier epochs have been handed out yet: who
acts on the replicated state asks ``ConfirmRead`` first, which is answered once every slot in which
an earlier leader may have got something chosen is learned.

Source: "Paxos Made Simple", Lamport 2001 ("PMS"); "Paxos Made Moderately Complex", van Renesse and
Altinbuken 2015 ("PMMC"); "Paxos Made Live", Chandra, Griesemer and Redstone 2007 ("PML").
Differs from the papers: see the modules, and docs/paxos.md.
"""

from collections.abc import Mapping
from random import Random

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.guarantees import PAXOS, Guarantees
from interrex.elections.paxos.mail import Mailbox
from interrex.elections.paxos.server import Server
from interrex.elections.paxos.settings import PaxosSettings
from interrex.elections.replicated.election import ReplicatedElection


class Paxos(ReplicatedElection):
    """One Paxos server. Implements ``interrex.elections.interface.Election``."""

    _server: Server

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: PaxosSettings,
        genesis: Mapping[int, WorkerName] | None,
        random: Random,
    ) -> None:
        """Begins as a follower, with nothing sent: the first ``step`` is due at once.

        Args:
            worker: this worker's name.
            member: its member id, at least 1. A worker that lost its log takes a new one, no
                genesis, and waits for ``ReplaceMember``.
            stored: what its disk holds.
            settings: times and sizes.
            genesis: member ids and workers' names of the first configuration; used only while
                neither log nor snapshot holds one, and the same on every member of it.
            random: for time-outs; only ``getrandbits`` is used.

        Raises:
            InvariantViolation: the disk's content is not this member's, or contradicts itself.
        """
        ensure(member >= 1, "a member id is at least 1")
        server = Server(worker, member, stored, settings, genesis, random)
        super().__init__(server, Mailbox(server))

    @property
    def guarantees(self) -> Guarantees:
        """What Paxos promises, however it is configured."""
        return PAXOS
