"""What two workers say before they believe each other: pure words and checks.

The one who dials says ``Hello``. The other answers with its own, or with ``Refused`` and closes.
The dialer answers that with ``Welcome``, or ``Refused``. Only then is the connection up on both
sides. A dialer whose Hello has ``knock`` asks to be dialed itself: the answer is Welcome, and
the end of that connection. Whoever would begin a cluster that has begun without it is answered
with ``Began``. Who is refused because the other's state, which is older, does not name it says in
its next Hello whom there is.
"""

import msgspec

from interrex.core.digest import digest
from interrex.core.ids import HostName, WorkerName
from interrex.core.messages import Known
from interrex.runtime.lifeline import NO_LIFELINE
from interrex.runtime.pidfd import ProcessIdentity

VERSION = 1
"""Of the greeting and of everything that follows it."""

MAX_GREETING = 4096
"""The longest frame (bytes) accepted from somebody who has not greeted yet."""

MAX_NAME = 255


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """Who speaks.

    Unknown fields are ignored, so that another version is understood well enough to be refused.
    ``member`` is the identity under which its log votes; ``incarnation`` tells one start of a
    worker from its next; ``boot_id`` and ``pid_namespace`` say where the pid counts; ``lifeline``
    is the descriptor that this host's others may wait at for its death; ``begins`` is a digest of
    how the speaker would begin the cluster, empty once anything was written to its log; ``known``
    is said to one that does not know the speaker, and by an older state.
    """

    version: int = VERSION
    cluster: str
    cluster_id: str
    worker: WorkerName
    host: HostName
    member: int
    incarnation: int
    pid: int
    start_time: int
    boot_id: str
    pid_namespace: int
    knock: bool = False
    lifeline: int = NO_LIFELINE
    begins: str = ""
    known: Known | None = None

    @property
    def process(self) -> ProcessIdentity:
        """The process that spoke."""
        return ProcessIdentity(self.pid, self.start_time, self.boot_id, self.pid_namespace)


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The other's Hello is believed."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The other's Hello is not believed, and why.

    ``unknown_at``: the refuser's state, as of this index, names no such worker; -1 where that is
    not the reason. ``led``: the refuser follows a leader. ``begun``: the cluster has begun, and
    otherwise than the other would begin it.
    """

    reason: str
    unknown_at: int = -1
    led: bool = False
    begun: bool = False


class Began(msgspec.Struct, frozen=True, tag="began"):
    """The cluster that the other would begin has begun already, and how."""

    genesis: bytes


def digest_of(beginning: bytes) -> str:
    """What a Hello says of how its speaker would begin the cluster."""
    return digest(beginning, 16)


Greeting = Hello | Welcome | Refused | Began

encode_greeting = msgspec.msgpack.Encoder().encode
decode_greeting = msgspec.msgpack.Decoder(Greeting).decode
"""Raises msgspec.MsgspecError when the bytes are no greeting."""


def objection(mine: Hello, theirs: Hello) -> str:
    """Why a Hello is not to be believed, whoever its sender is; empty when there is no reason."""
    if theirs.version != mine.version:
        return f"it speaks version {theirs.version}, this worker speaks {mine.version}"
    if (theirs.cluster, theirs.cluster_id) != (mine.cluster, mine.cluster_id):
        return f"it belongs to another cluster ({theirs.cluster[:MAX_NAME]})"
    if theirs.worker == mine.worker:
        return f"it calls itself {mine.worker}, as this worker does"
    return ""
