"""A channel to a neighbour, as the papers have it: it keeps order, and loses nothing."""

import msgspec

from interrex.core.ids import WorkerName
from interrex.elections.interface import SendPayload

_ENCODER = msgspec.msgpack.Encoder()


class Channel:
    """What is sent while the neighbour is not connected waits until it is.

    Not kept: what was under way when the connection broke. A message to a neighbour that never
    comes back waits for ever, as the papers' model has it.
    """

    def __init__(self, peer: WorkerName) -> None:
        self.peer = peer
        self._connected = False
        self._waiting: list[SendPayload] = []

    def send(self, message: msgspec.Struct) -> list[SendPayload]:
        """The effects that send a message: none while it has to wait."""
        mail = SendPayload(self.peer, _ENCODER.encode(message))
        if self._connected:
            return [mail]
        self._waiting.append(mail)
        return []

    def connected(self) -> list[SendPayload]:
        """The neighbour is there: the effects that send what has waited."""
        self._connected = True
        waiting, self._waiting = self._waiting, []
        return waiting

    def lost(self) -> None:
        """The neighbour is not connected any more."""
        self._connected = False
