"""What shall happen in a run: plain data, drawn from a seed, to be shrunk, printed and replayed."""

import msgspec

from interrex.core.spec import ClusterSpec


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault of a plan.

    ``kind`` names its family, ``name`` which of the family it is; it begins ``at`` simulated time
    (ns) and lasts so many ns (0: it is over at once). ``targets`` are workers, hosts, services or
    slots as the family reads them, ``values`` its numbers by name (ns, per mille, ...).
    ``when``: after ``at``, wait for this to happen (``leader-ends``), for at most ``lasts``.
    """

    number: int
    kind: str
    name: str
    at: int
    lasts: int = 0
    targets: tuple[str, ...] = ()
    values: dict[str, int] = {}
    when: str = ""


class CoordinationConditions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds of a coordination service throughout a run. Durations in ns, sessions in ms.

    ``servers``: how many it has. ``near``: how long a message to one of them usually takes, and
    ``commit`` until a majority of them agrees; ``lag``: for how long the others do not know what
    was agreed. ``election``: how long they have no leader after they lost theirs. ``ppm``: how many
    millionths faster than the world their clock runs. Sessions are granted between ``least`` and
    ``most``. ``notices``: how long a server may go on serving its clients after it lost the others,
    about.
    """

    servers: int = 3
    near: int = 300_000
    commit: int = 1_000_000
    lag: int = 1_000_000
    election: int = 500_000_000
    ppm: int = 0
    least: int = 2000
    most: int = 40_000
    notices: int = 1_000_000_000


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What holds throughout a run, drawn once. Durations in ns.

    ``datagrams``: the election's mail is lost, doubled and overtaken, at the given rates (per
    mille); otherwise it travels as in production, on connections that keep order and lose nothing
    while they live. ``near`` and ``far`` are typical delays within and between machines.
    ``systemd``: a machine without any live worker has them started.
    ``compact_after``: so many changes make a log longer than it is kept; 0: as in production.
    ``cut_short``: how often (per mille) a process's end takes what it sent last on a connection.
    ``sound``: no disk loses what it acknowledged without this being found when it is read.
    ``coordination``: what the election rests on, where it rests on one.
    """

    datagrams: bool = False
    loss: int = 0
    doubled: int = 0
    overtaken: int = 0
    near: int = 100_000
    far: int = 500_000
    sync: int = 500_000
    boot: int = 100_000_000
    proof: int = 1_000_000
    asks_every: int = 500_000_000
    calls_every: int = 100_000_000
    skew_ppm: int = 0
    systemd: bool = True
    compact_after: int = 0
    sound: bool = True
    cut_short: int = 0
    coordination: CoordinationConditions = CoordinationConditions()


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run: from it and nothing else follows every event.

    ``duration`` (ns) is how long faults may begin; all of them are over by then.
    """

    seed: int
    spec: ClusterSpec
    conditions: Conditions
    duration: int
    faults: tuple[Fault, ...] = ()


def encode_plan(plan: FaultPlan) -> bytes:
    """A plan as JSON, for files and people."""
    return msgspec.json.encode(plan)


def decode_plan(data: bytes) -> FaultPlan:
    """Raises msgspec.MsgspecError where the bytes are no plan."""
    return msgspec.json.decode(data, type=FaultPlan)
