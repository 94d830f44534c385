"""Multi-Paxos: an election and a replicated log, as a pure state machine."""

from interrex.elections.paxos.paxos import Paxos
from interrex.elections.paxos.settings import PaxosSettings

__all__ = ["Paxos", "PaxosSettings"]
