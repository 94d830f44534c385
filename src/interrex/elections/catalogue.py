"""Every election there is, with what a laboratory has to know of it: how it is made, who is
connected with whom, what its messages are called, and how many of them its paper promises.

``registry`` makes the one that a cluster file names; here are those for learners besides.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.spec import Bully, ClusterSpec, Etcd, ZooKeeper
from interrex.core.storage import Stored
from interrex.core.time import MS
from interrex.elections.bully import messages as bully
from interrex.elections.coordinated import payload as coordinated
from interrex.elections.interface import Election
from interrex.elections.paxos import messages as paxos
from interrex.elections.raft import messages as raft
from interrex.elections.registry import new_election
from interrex.elections.teaching import bounds, chang_roberts, floodmax, hirschberg_sinclair
from interrex.elections.teaching.bounds import ring_diameter

ROUND = 10 * MS
"""How long a round of a synchronous election takes."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where a core is to live.

    ``members`` maps every worker to its number, of which the highest leads where numbers decide;
    ``circle`` are the same workers in the order in which rings connect them; ``stored`` is what
    the worker's disk holds.
    """

    worker: WorkerName
    members: Mapping[WorkerName, int]
    circle: tuple[WorkerName, ...]
    stored: Stored
    random: Random

    @property
    def number(self) -> int:
        """The worker's own."""
        return self.members[self.worker]

    @property
    def beside(self) -> tuple[WorkerName, WorkerName]:
        """Who is before it and after it on the circle."""
        return beside(self.circle, self.worker)


def beside(circle: Sequence[WorkerName], worker: WorkerName) -> tuple[WorkerName, WorkerName]:
    """Who is before and after a worker on a circle."""
    at = circle.index(worker)
    return circle[at - 1], circle[(at + 1) % len(circle)]


def kind(message: msgspec.Struct) -> str:
    """What a message is called."""
    return type(message).__name__


Bound = tuple[str, Callable[[int], float]]
"""A number of messages as a formula in n, with its name."""


class Algorithm(msgspec.Struct, frozen=True, kw_only=True):
    """One election.

    ``name`` is what people type, ``title`` what they read, ``assumes`` and ``limit`` are sentences:
    what it rests on, and why it may never come to an end. ``ring``: each worker is connected with
    the two beside it on the circle only; otherwise with all. ``decode`` says what a payload means,
    ``label`` the same in a word or two. ``bounds`` count the messages that find the winner; those
    named in ``announcements`` come after that. ``counts`` names what the bounds are about: an
    ``election`` of all, or a ``take-over`` after the leader's death.
    """

    name: str
    title: str
    source: str
    assumes: str
    limit: str
    new: Callable[[Setting], Election]
    decode: Callable[[bytes], msgspec.Struct]
    label: Callable[[msgspec.Struct], str] = kind
    bounds: tuple[Bound, ...] = ()
    announcements: tuple[str, ...] = ()
    counts: str = "take-over"
    ring: bool = False
    lesson: bool = False
    service: ClusterSpec | None = None

    def message(self, content: bytes | msgspec.Struct) -> msgspec.Struct:
        """What a payload says, or what was said to a coordination service."""
        return self.decode(content) if isinstance(content, bytes) else content

    def neighbours(
        self, circle: Sequence[WorkerName], worker: WorkerName
    ) -> tuple[WorkerName, ...]:
        """Whom a worker is connected with."""
        if self.ring:
            return beside(circle, worker)
        return tuple(other for other in circle if other != worker)


def _of_fleets(spec: ClusterSpec) -> Callable[[Setting], Election]:
    def new(setting: Setting) -> Election:
        genesis = {number: worker for worker, number in setting.members.items()}
        return new_election(
            spec, setting.worker, setting.number, setting.stored, genesis, setting.random
        )

    return new


def _chang_roberts(setting: Setting) -> Election:
    return chang_roberts.ChangRoberts(setting.worker, setting.number, setting.beside[1])


def _hirschberg_sinclair(setting: Setting) -> Election:
    left, right = setting.beside
    return hirschberg_sinclair.HirschbergSinclair(setting.worker, setting.number, left, right)


def _floodmax(setting: Setting) -> Election:
    diameter = ring_diameter(len(setting.circle))
    return floodmax.FloodMax(setting.worker, setting.number, setting.beside, diameter, ROUND)


def _label_with_path(message: msgspec.Struct) -> str:
    """What is said to a coordination service, or by it, with what it is about."""
    path = getattr(message, "path", None)
    return f"{kind(message)} {path.rpartition('/')[2][:12]}" if path else kind(message)


def _label_of_lesson(message: msgspec.Struct) -> str:
    match message:
        case chang_roberts.Candidate(number=number) | floodmax.Highest(number=number):
            return f"{kind(message)} {number}"
        case hirschberg_sinclair.Question(_, number, _, reach):
            return f"Question {number}, over {reach}"
        case hirschberg_sinclair.Reply(_, number, ok):
            return f"Reply {number}: {'ok' if ok else 'no'}"
        case _:
            return kind(message)


_MAJORITY = "a majority of all workers reach each other, and their disks keep what they wrote"
_SERVICE = "a majority of the coordination service's servers agree, and a worker reaches them"
_NO_MAJORITY = "no majority is left to vote"
_NO_WAY_ROUND = "a ring waits for ever for what does not come round"
_BULLY: tuple[Bound, ...] = (
    ("the paper's n - 1 at best", bounds.bully_best),
    ("the paper's n (n - 1) at worst", bounds.bully_worst),
)
_ONE_TO_EACH: Bound = ("n - 1: one message to each", lambda n: n - 1)
_SESSION_S = 2.0
"""The shortest that both services grant by themselves."""
_ZOOKEEPER = ClusterSpec(
    name="lab",
    election="zookeeper",
    zookeeper=ZooKeeper(hosts=("a:2181", "b:2181", "c:2181"), session=_SESSION_S),
)
_ETCD = ClusterSpec(
    name="lab",
    election="etcd",
    etcd=Etcd(endpoints=("a:2379", "b:2379", "c:2379"), session=_SESSION_S),
)

ALGORITHMS = (
    Algorithm(
        name="raft",
        title="Raft",
        source="Ongaro and Ousterhout 2014",
        assumes=_MAJORITY,
        limit=_NO_MAJORITY,
        new=_of_fleets(ClusterSpec(name="lab", election="raft")),
        decode=raft.decode,
        bounds=(_ONE_TO_EACH,),
    ),
    Algorithm(
        name="paxos",
        title="Paxos",
        source="Lamport 2001",
        assumes=_MAJORITY,
        limit=_NO_MAJORITY,
        new=_of_fleets(ClusterSpec(name="lab", election="paxos")),
        decode=paxos.decode,
        bounds=(_ONE_TO_EACH,),
    ),
    Algorithm(
        name="bully",
        title="Bully",
        source="Garcia-Molina 1982",
        assumes="silence means absence: where that is wrong, there are two leaders",
        limit="nobody in reach",
        new=_of_fleets(ClusterSpec(name="lab", election="bully")),
        decode=bully.decode,
        bounds=_BULLY,
    ),
    Algorithm(
        name="bully-quorum",
        title="Bully with a quorum",
        source="Garcia-Molina 1982; the quorum is ours",
        assumes=_MAJORITY,
        limit=_NO_MAJORITY,
        new=_of_fleets(ClusterSpec(name="lab", election="bully", bully=Bully(quorum=True))),
        decode=bully.decode,
        bounds=_BULLY,
    ),
    Algorithm(
        name="zookeeper",
        title="ZooKeeper",
        source="Hunt, Konar, Junqueira and Reed 2010",
        assumes=_SERVICE,
        limit="no session",
        new=_of_fleets(_ZOOKEEPER),
        decode=coordinated.decode_payload,
        label=_label_with_path,
        bounds=(_ONE_TO_EACH,),
        service=_ZOOKEEPER,
    ),
    Algorithm(
        name="etcd",
        title="etcd",
        source="Gray and Cheriton 1989 (leases)",
        assumes=_SERVICE,
        limit="no lease",
        new=_of_fleets(_ETCD),
        decode=coordinated.decode_payload,
        label=_label_with_path,
        bounds=(_ONE_TO_EACH,),
        service=_ETCD,
    ),
    Algorithm(
        name="chang-roberts",
        title="Chang-Roberts",
        source="Chang and Roberts 1979",
        assumes="a ring on which nobody dies or stops, and every message arrives",
        limit=_NO_WAY_ROUND,
        new=_chang_roberts,
        decode=chang_roberts.decode,
        label=_label_of_lesson,
        bounds=(
            ("2n - 1 at best", bounds.chang_roberts_best),
            ("n H(n) on average", bounds.chang_roberts_mean),
            ("n (n + 1) / 2 at worst", bounds.chang_roberts_worst),
        ),
        announcements=("Elected",),
        counts="election",
        ring=True,
        lesson=True,
    ),
    Algorithm(
        name="hirschberg-sinclair",
        title="Hirschberg-Sinclair",
        source="Hirschberg and Sinclair 1980",
        assumes="a ring on which nobody dies or stops, and every message arrives",
        limit=_NO_WAY_ROUND,
        new=_hirschberg_sinclair,
        decode=hirschberg_sinclair.decode,
        label=_label_of_lesson,
        bounds=(
            ("6n + 4*2^ceil(log n) - 8 at best", bounds.hirschberg_sinclair_least),
            ("8n + 8 ceil(n log n) at worst", bounds.hirschberg_sinclair_most),
        ),
        announcements=("Elected",),
        counts="election",
        ring=True,
        lesson=True,
    ),
    Algorithm(
        name="floodmax",
        title="FloodMax",
        source="Lynch 1996",
        assumes="every message arrives within its round, and nobody dies or stops",
        limit="a round waits for nobody",
        new=_floodmax,
        decode=floodmax.decode,
        label=_label_of_lesson,
        bounds=(
            (
                "diameter * |E|, exactly",
                lambda n: bounds.floodmax_messages(ring_diameter(n), 2 * n),
            ),
        ),
        counts="election",
        ring=True,
        lesson=True,
    ),
)
"""In the order in which they are shown."""
