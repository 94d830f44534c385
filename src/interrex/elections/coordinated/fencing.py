"""Raising the epoch at every receiver, so that commands of whoever led before are refused.

A receiver is a worker's gate (``worker/gate.py``): from the raise on it obeys nothing of an older
epoch, also after a restart. The one that is about to lead asks every worker that it is connected
with, and waits for each to say that the epoch is on its disk. One that connects later, to whomever,
is told the newest epoch before anything else. One that says nothing for ``patience`` is not waited
for: it does not run, and has the word in its socket before any command of the new leader.

Not guaranteed: anything about a worker that the deposed leader reaches and the new one does not;
there the deposed leader's own deadline is all.
"""

from collections.abc import Iterable
from typing import Any

from interrex.core.ids import WorkerName
from interrex.elections.coordinated.desk import Desk
from interrex.elections.coordinated.payload import Raise, Raised, encode_payload
from interrex.elections.interface import RaiseEpoch, SendPayload


class Fencing:
    """Both sides of it, of one worker.

    Args:
        desk: collects what is sent.
        patience: how long (ns) a worker that says nothing is waited for.
    """

    def __init__(self, desk: Desk[Any], patience: int) -> None:
        self._desk = desk
        self._patience = patience
        self._askers: dict[int, tuple[WorkerName, int]] = {}
        """Who is to be told that which epoch is on the disk, by the token that says so."""
        self._epoch = 0
        self._awaited: set[WorkerName] = set()
        self._until = 0

    # The receiver

    def asked(self, sender: WorkerName, epoch: int) -> None:
        """Raise this worker's epoch for somebody else."""
        self._askers[self._raise_own(epoch)] = (sender, epoch)

    def persisted(self, token: int) -> None:
        """Say of what is on the disk now that it is."""
        for done in [one for one in self._askers if one <= token]:
            asker, epoch = self._askers.pop(done)
            self._send(asker, Raised(epoch))

    def _raise_own(self, epoch: int) -> int:
        token = self._desk.new_token()
        self._desk.effects.append(RaiseEpoch(token, epoch))
        return token

    # Who is about to lead

    def begin(self, epoch: int, peers: Iterable[WorkerName]) -> None:
        """Raise the epoch everywhere, unless that is under way."""
        if self._epoch == epoch:
            return
        self._epoch = epoch
        self._awaited = set(peers)
        self._until = self._desk.now + self._patience
        self._raise_own(epoch)
        for peer in sorted(self._awaited):
            self._send(peer, Raise(epoch))

    def over(self) -> None:
        """This worker does not lead, nor is it about to."""
        self._epoch = 0
        self._awaited.clear()

    def joined(self, peer: WorkerName, newest: int) -> None:
        """A worker is connected. It may have been away while others were asked, so whoever leads,
        it is told the newest epoch that is known here."""
        if self._epoch:
            self._awaited.add(peer)
        if newest:
            self._send(peer, Raise(newest))

    def left(self, peer: WorkerName) -> None:
        """A worker is not connected any more."""
        self._awaited.discard(peer)

    def raised(self, peer: WorkerName, epoch: int) -> None:
        """A worker has an epoch on its disk."""
        if epoch == self._epoch:
            self._awaited.discard(peer)

    def is_done(self, epoch: int) -> bool:
        """Whether every receiver has the epoch, or was waited for in vain."""
        is_all = not self._awaited or self._desk.now >= self._until
        return self._epoch == epoch and is_all

    @property
    def wake_at(self) -> int | None:
        """Until when (ns) somebody is waited for."""
        is_waiting = self._epoch and self._awaited and self._desk.now < self._until
        return self._until if is_waiting else None

    def _send(self, to: WorkerName, message: Raise | Raised) -> None:
        self._desk.effects.append(SendPayload(to, encode_payload(message)))
