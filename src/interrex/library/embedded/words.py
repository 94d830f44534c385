"""What two members say to each other: frames of msgpack over TCP.

Both say ``Greeting`` at once, then ``Proof``; only then the rest counts. With a shared secret the
proof and a tag behind every later frame show that the other knows it, and that nobody in between
changed, repeated or left out anything. Nothing is hidden: for that there is TLS.
"""

import hashlib
import hmac

import msgspec

from interrex.core.ids import WorkerName
from interrex.library.embedded.founding import Genesis

VERSION = 1
MAX_GREETING = 16 * 1024
TAG_BYTES = 16


class Greeting(msgspec.Struct, frozen=True, kw_only=True, tag="greeting"):
    """Who speaks.

    ``member`` is the identity under which it votes, ``genesis`` how its election began (None: not
    yet); ``newest`` the newest epoch that it knows; ``age`` for how long (ns) it has been open;
    ``opened`` since when, by the clock of the boot of this id, where only those of one machine
    compare.
    """

    version: int = VERSION
    election: str
    name: str
    peers: tuple[WorkerName, ...]
    place: int
    identity: str
    member: int
    genesis: Genesis | None
    newest: int
    age: int
    opened: int
    boot: str
    nonce: bytes


class Proof(msgspec.Struct, frozen=True, tag="proof"):
    """The other's greeting is believed, and this one's sender knows the secret."""

    mac: bytes


class NotBelieved(msgspec.Struct, frozen=True, tag="not-believed"):
    """The other's greeting is refused; ``kind`` names the error that the other is to raise."""

    kind: str
    reason: str
    theirs: str = ""


class Mail(msgspec.Struct, frozen=True, tag="mail"):
    """The election's own bytes."""

    payload: bytes


class Stance(msgspec.Struct, frozen=True, tag="stance"):
    """Whether a member stands, and the epoch that its program leads in, 0 for none.

    ``favours``: whom it wants to lead after it, whatever anybody's priority.
    """

    stands: bool
    priority: int
    leads: int
    favours: WorkerName | None = None


class Founded(msgspec.Struct, frozen=True, tag="founded"):
    """How the election began, for a member that is part of it."""

    genesis: Genesis


Word = Greeting | Proof | NotBelieved | Mail | Stance | Founded

encode_word = msgspec.msgpack.Encoder().encode
decode_word = msgspec.msgpack.Decoder(Word).decode


class Session:
    """What proves the frames of one connection; without a secret it proves nothing.

    Args:
        secret: shared by all members, empty for none.
        mine: this side's greeting as it was sent; ``theirs`` the other's.
    """

    def __init__(self, secret: bytes, mine: bytes, theirs: bytes) -> None:
        self._secret = secret
        self._keys = [_mac(secret, b"key", mine, theirs), _mac(secret, b"key", theirs, mine)]
        self._counts = [0, 0]
        self.proof = self._proof(mine, theirs)
        self._expected = self._proof(theirs, mine)

    def _proof(self, first: bytes, second: bytes) -> bytes:
        return _mac(self._secret, b"proof", first, second) if self._secret else b""

    def accepts(self, proof: bytes) -> bool:
        """Whether the other side knows the secret."""
        return hmac.compare_digest(proof, self._expected)

    def seal(self, payload: bytes) -> bytes:
        """A frame to send."""
        return payload + self._tag(0, payload)

    def open(self, frame: bytes) -> bytes:
        """The payload of a frame that came. Raises ValueError when it is not the other's next."""
        if not self._secret:
            return frame
        payload, tag = frame[:-TAG_BYTES], frame[-TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(1, payload)):
            raise ValueError("a frame was changed on its way, repeated or left out")
        return payload

    def _tag(self, direction: int, payload: bytes) -> bytes:
        if not self._secret:
            return b""
        self._counts[direction] += 1
        count = self._counts[direction].to_bytes(8, "big")
        return _mac(self._keys[direction], b"frame", count, payload)[:TAG_BYTES]


def _mac(key: bytes, *parts: bytes) -> bytes:
    """Each part with its length before it, so that no two lists of parts look the same."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        mac.update(len(part).to_bytes(4, "big") + part)
    return mac.digest()
