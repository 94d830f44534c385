"""Paxos servers in a network in memory."""

from collections.abc import Mapping
from random import Random

from interrex.core.ids import WorkerName
from interrex.elections.paxos import Paxos, PaxosSettings
from interrex.elections.paxos.messages import Message, decode
from tests.elections import network
from tests.elections.network import MemoryDisk

__all__ = ["MemoryDisk", "Network", "Server"]

DRAWN = ("campaign", "beat", "timeout", "round_trip")


class Server(network.Server):
    """One worker of a Paxos cluster."""

    @property
    def paxos(self) -> Paxos:
        assert isinstance(self.core, Paxos), f"{self.name} is dead"
        return self.core


class Network(network.Network[Server]):
    """The world of a test of Paxos."""

    epoch_word = "round"

    def __init__(
        self,
        size: int = 3,
        *,
        settings: PaxosSettings | None = None,
        seed: int = 1,
        genesis: Mapping[int, WorkerName] | None = None,
    ) -> None:
        self.settings = settings or PaxosSettings()
        super().__init__(size, seed=seed, genesis=genesis)

    def server(self, name: str, member: int) -> Server:
        return Server(name, member)

    def new_core(
        self, server: Server, genesis: Mapping[int, WorkerName] | None, random: Random
    ) -> Paxos:
        return Paxos(
            server.name, server.member, server.disk.stored(), self.settings, genesis, random
        )

    def decode(self, payload: bytes) -> Message:
        return decode(payload)

    def describe(self, message: Message) -> str:
        """A message in a line, without ids of servers and campaigns, which are drawn."""
        fields = []
        for field in message.__struct_fields__[2:]:
            value = getattr(message, field)
            if field == "accepted":
                value = ", ".join(f"{entry.index}:{entry.epoch}" for entry in value) or "none"
            elif field == "values":
                value = f"{len(value)} values"
            elif field == "data":
                value = f"{len(value)} bytes"
            elif field in DRAWN:
                continue
            fields.append(f"{field}={value}")
        return f"{type(message).__name__}({' '.join(fields)})"
