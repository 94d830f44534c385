"""Bully workers in memory, with connections that close and open as partitions do."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.time import MS
from interrex.elections.bully import Bully, BullySettings
from interrex.elections.bully.messages import Message, decode
from interrex.elections.interface import (
    ChangesLost,
    Election,
    ElectionEffect,
    PeerConnected,
    PeerLost,
)
from tests.elections.network import Network, Server


class BullyServer(Server):
    """One worker: what it reported as lost, besides."""

    def __init__(self, name: str, member: int) -> None:
        super().__init__(name, member)
        self.lost: list[ChangeId] = []

    @property
    def bully(self) -> Bully:
        core = self.election
        assert isinstance(core, Bully)
        return core


class BullyNetwork(Network[BullyServer]):
    """The world of a test."""

    def __init__(
        self,
        size: int = 3,
        *,
        settings: BullySettings | None = None,
        seed: int = 1,
        genesis: Mapping[int, WorkerName] | None = None,
    ) -> None:
        super().__init__(size, seed=seed, genesis=genesis)
        self.settings = settings or BullySettings()
        self._unheard: dict[tuple[WorkerName, WorkerName], bool] = {}
        self.notice = 1 * MS
        """How long it takes until somebody hears of a death or a closed connection."""

    def server(self, name: str, member: int) -> BullyServer:
        return BullyServer(name, member)

    def new_core(
        self, server: BullyServer, genesis: Mapping[int, WorkerName] | None, random: Random
    ) -> Election:
        return Bully(
            server.name, server.member, server.disk.stored(), self.settings, genesis, random
        )

    def decode(self, payload: bytes) -> Message:
        return decode(payload)

    def describe(self, message: Any) -> str:
        fields = []
        for field in message.__struct_fields__[1:]:
            value = getattr(message, field)
            if field == "entries":
                value = ", ".join(f"{entry.index}:{entry.epoch}" for entry in value) or "none"
            elif field == "data":
                value = f"{len(value)} bytes"
            elif field in ("standing", "history"):
                value = f"{value.stamp[0]}/{value.version} agreed {value.commit}"
            elif field in ("round", "timeout", "round_trip", "number"):
                continue
            fields.append(f"{field}={value}")
        return f"{type(message).__name__}({' '.join(fields)})"

    def _perform(self, server: BullyServer, effect: ElectionEffect) -> None:
        if isinstance(effect, ChangesLost):
            applied = [(at, data) for at, data in server.committed if at > effect.after]
            ids = [ChangeId(data.decode().partition(":")[0]) for _, data in applied]
            server.lost += [*ids, *effect.changes]
            self._note(f"{server.name}: lost {', '.join([*ids, *effect.changes])}")
        super()._perform(server, effect)

    # Connections

    def kill(self, server: BullyServer, *, notice: int | None = None, proved: bool = True) -> None:
        """Ends a process; the others hear of it after ``notice``, or when it is back before."""
        super().kill(server)
        for other in self.alive() if notice is not None else []:
            self._unheard[other.name, server.name] = proved
            self.after(notice or 0, self._teller_of_death(other, server))

    def _teller_of_death(self, other: BullyServer, dead: BullyServer) -> Callable[[], None]:
        def tell() -> None:
            proved = self._unheard.pop((other.name, dead.name), None)
            if proved is not None:
                self.step(other, PeerLost(dead.name, proved))

        return tell

    def boot(self, server: BullyServer) -> None:
        for other in self.alive():
            self._teller_of_death(other, server)()
        super().boot(server)
        for other in self.alive():
            if other is not server and not self._is_cut(server, other):
                self.step(server, PeerConnected(other.name, other.member))
                self.step(other, PeerConnected(server.name, server.member))

    def _is_cut(self, one: BullyServer, other: BullyServer) -> bool:
        return bool({(one.name, other.name), (other.name, one.name)} & self.cut)

    def die(self, *numbers: int, proved: bool = True) -> None:
        """Kills workers; the others hear of it, by proof or by a closed connection."""
        for number in numbers:
            self.kill(self[number], notice=self.notice, proved=proved)

    def divide(self, *groups: Sequence[int]) -> None:
        """Cuts the network into groups: their connections close."""
        before = set(self.cut)
        self.partition(*groups)
        for one, other in sorted(self.cut - before):
            self.tell(self.servers[one], PeerLost(other, proved_dead=False), self.notice)

    def unite(self) -> None:
        """Everybody reaches everybody again."""
        cut = sorted(self.cut)
        self.heal()
        for one, other in cut:
            if self.servers[one].core is not None and self.servers[other].core is not None:
                connected = PeerConnected(other, self.servers[other].member)
                self.tell(self.servers[one], connected, self.notice)

    def run_for(self, milliseconds: float) -> None:
        self.run(round(milliseconds * MS))

    def settled_at(self, server: BullyServer, change: str) -> int | None:
        """The index at which a change was acknowledged, None where it was not (yet)."""
        answers = server.settled.get(ChangeId(change), [])
        return next((index for index, _ in answers if index is not None), None)

    def write(self, change: str) -> None:
        """Proposes a change to the leader, and waits until it is acknowledged."""
        leader = self.leader()
        assert leader is not None
        self.propose(leader, change)
        self.run_until(lambda: self.settled_at(leader, change) is not None)
