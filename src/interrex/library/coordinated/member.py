"""A member of an election that rests on a service: the core, run in the program's own loop."""

import asyncio
import os
import secrets
import socket
from random import Random
from urllib.parse import quote, unquote

from interrex.core.errors import InterrexError, InvariantViolation
from interrex.core.ids import WorkerName
from interrex.core.time import S
from interrex.elections.coordinated.candidacy import Candidacy
from interrex.elections.interface import Ask, ElectionEvent, LeaderChanged, Noticed, Told, WakeUp
from interrex.library.coordinated.options import told
from interrex.library.coordinated.service import Core, Service
from interrex.library.errors import (
    BadTimes,
    ElectionError,
    IdentityTaken,
    Unreachable,
)
from interrex.library.leaving import to_its_end
from interrex.library.standing import Standing
from interrex.runtime.clock import now_ns


class CoordinatedMember:
    """Implements ``interrex.library.standing.Backend``."""

    def __init__(self, service: Service, identity: str, priority: int, standing: Standing) -> None:
        self._service = service
        self._identity = identity
        self._priority = priority
        self._standing = standing
        self._who = f"process {os.getpid()} on {socket.gethostname()}"
        self._core: Core | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._candidacy = Candidacy(stands=False)
        self._shown: object = None
        self._reason = "another member may lead now"

    @property
    def lease(self) -> int:
        """By what the service has granted, or is asked for (ns)."""
        granted = 0 if self._core is None else self._core.session
        return granted or self._service.asked

    async def open(self) -> None:
        """Raises ElectionError."""
        await self._service.open(self._post, self._refused)
        random = Random(secrets.randbits(128))
        name = name_of(self._identity)
        self._core = self._service.new_core(name, self._priority, self._who, random)
        self._take(WakeUp())
        try:
            async with asyncio.timeout(self._service.patience):
                while not self._core.session and self._standing.failure is None:
                    await self._standing.changed()
        except TimeoutError:
            self._standing.fail(
                Unreachable(f"it gave no session within {self._service.patience:g} s")
            )
        except asyncio.CancelledError:
            await self._leave()
            raise
        if self._standing.failure is None and self._core is not None:
            try:
                self._service.check_granted(self._core.session)
            except BadTimes as error:
                self._standing.fail(error)
        if self._standing.failure is not None:
            await self._leave()
            raise self._standing.failure

    async def close(self) -> None:
        """Give up what is held, and wait a little until others can know it."""
        self.withdraw()
        try:
            async with asyncio.timeout(self._service.last_words):
                while self._core is not None and not self._core.is_settled:
                    await self._standing.changed()
        except TimeoutError:
            pass  # what is left runs out with its session
        finally:
            await self._leave()

    async def _leave(self) -> None:
        core, self._core = self._core, None
        if self._timer is not None:
            self._timer.cancel()
        await to_its_end(self._service.close(settled=core is None or core.is_settled))

    def _refused(self, error: InterrexError) -> None:
        self._standing.fail(told(error))

    def stand(self) -> None:
        self._take(Candidacy(stands=True))

    def withdraw(self, successor: str | None = None) -> None:
        self._standing.end("it was given up")
        chosen = None if successor is None else name_of(successor)
        self._take(Candidacy(stands=False, successor=chosen))

    def waiting(self) -> list[str]:
        return [] if self._core is None else [identity_of(one) for one in self._core.candidates]

    def _post(self, event: Told | Noticed) -> None:
        self._take(event)

    def _take(self, event: ElectionEvent | Candidacy) -> None:
        core = self._core
        if core is None:
            return
        if isinstance(event, Candidacy):
            self._candidacy = event
        try:
            effects = core.step(event, now_ns())
        except InvariantViolation as error:
            self._core = None
            text = f"a safety rule was about to be broken: {error}"
            self._standing.fail(ElectionError(text))
            return
        for effect in effects:
            match effect:
                case Ask():
                    self._service.ask(effect)
                case LeaderChanged(_, _, reason):
                    self._reason = reason
                case _:
                    continue  # nothing is replicated here
        self._tell(core)
        self._arm(core)

    def _tell(self, core: Core) -> None:
        """Bring the program's leadership and view in line with the core's."""
        standing, deadline = self._standing, core.deadline
        held = standing.leadership
        if not core.leading or deadline is None or not self._candidacy.stands:
            standing.end(self._reason)
        elif held is not None and held.epoch == core.epoch:
            standing.renew(deadline)
        elif deadline > now_ns():
            standing.saw(self._identity, core.epoch)
            standing.grant(core.epoch, deadline)
        leader = core.leader
        standing.saw(None if leader is None else identity_of(leader), core.epoch)
        if core.rival is not None and standing.failure is None:
            standing.fail(IdentityTaken(self._identity, self._who, core.rival.text))
        shown = (core.candidates, core.session, core.is_settled)
        if shown != self._shown:
            self._shown = shown
            standing.wake()

    def _arm(self, core: Core) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if core.wake_at is not None:
            delay_s = max(0, core.wake_at - now_ns()) / S
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake_up)

    def _wake_up(self) -> None:
        self._timer = None
        self._take(WakeUp())


def name_of(identity: str) -> WorkerName:
    """An identity as services take it: plain ASCII, without what they divide names by."""
    return WorkerName(quote(identity, safe="").replace("~", "%7E"))


def identity_of(name: WorkerName) -> str:
    """The identity that a name stands for."""
    return unquote(name)
