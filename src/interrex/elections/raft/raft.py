"""Raft, as a pure state machine behind the election's contract.

Guaranteed: at most one leader per term; what was reported committed is never lost while a majority
of disks survives; every worker sees the same changes in the same order (paper, figure 3).

Not guaranteed: that a leader knows at once that it was deposed (its deadline bounds that, the
receiver's epoch check excludes it); that ``LeaderChanged`` reaches all at the same moment; any
progress without a majority; exactly-once of a proposal that is asked again (its id is for that).

When a leader is announced: ``LeaderChanged`` with this worker itself means: a majority's votes for
this term are on their disks and so is its own, and its deadline has not passed; commands stamped
with the epoch are safe to send, because nobody else can ever lead in it. It does not mean that all
changes of earlier epochs have been handed out yet: who acts on the replicated state asks
``ConfirmRead`` first, which is answered once an entry of this term is committed.

Source: "In Search of an Understandable Consensus Algorithm (Extended Version)", Ongaro and
Ousterhout 2014; "Consensus: Bridging Theory and Practice", Ongaro 2014 ("thesis").
Differs from the paper: see the modules, and docs/raft.md.
"""

from collections.abc import Mapping
from random import Random

from interrex.core.errors import ensure
from interrex.core.ids import WorkerName
from interrex.core.storage import Stored
from interrex.elections.guarantees import RAFT, Guarantees
from interrex.elections.raft.mail import Mailbox
from interrex.elections.raft.server import Server
from interrex.elections.raft.settings import RaftSettings
from interrex.elections.replicated.election import ReplicatedElection


class Raft(ReplicatedElection):
    """One Raft server. Implements ``interrex.elections.interface.Election``."""

    _server: Server

    def __init__(
        self,
        worker: WorkerName,
        member: int,
        stored: Stored,
        settings: RaftSettings,
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
        """What Raft promises, however it is configured."""
        return RAFT
