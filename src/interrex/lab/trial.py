"""One election under one fault, and what came of it."""

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.elections.catalogue import Algorithm, kind
from interrex.elections.guarantees import Guarantees
from interrex.lab.faults import LASTS, Fault, Struck
from interrex.lab.record import Incident, Mail, Turn
from interrex.lab.world import CONNECTED_BY, World, names

AFTERWARDS = 3 * S
"""How long (simulated ns) is looked on when the fault is over."""
QUIET = 500 * MS
"""How long a leader has led undisturbed when the fault strikes."""
PATIENCE = 30 * S
"""How long the first leader is waited for at most."""
STEP = 10 * MS


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Times in simulated ns.

    ``began``: when the fault struck, or when the processes began; the others count from then.

    ``agreed``: until all whom the fault leaves together named one leader, who is one of them; None:
    never, while it was looked on. ``messages``, ``bytes`` (the election's own) and ``rounds`` (the
    longest chain of messages of which each was sent only after the one before had come) count what
    was sent until then. ``without``: how long nobody led; ``windows``: how often two believed to
    lead at one time, ``double``: for how long; ``looked_on``: of this time. ``outcome`` says who
    leads in the end. ``search`` counts messages without those that announce the winner.
    """

    algorithm: Algorithm
    fault: str
    nodes: int
    seed: int
    began: int
    agreed: int | None
    messages: int
    search: int
    bytes: int
    rounds: int
    without: int
    windows: int
    double: int
    looked_on: int
    outcome: str
    guarantees: Guarantees
    circle: tuple[WorkerName, ...]
    """All processes, in the order in which rings connect them."""
    mails: tuple[Mail, ...]
    turns: tuple[Turn, ...]
    incidents: tuple[Incident, ...]
    leading: tuple[WorkerName, ...]
    """Who led when the record began."""


def run(
    algorithm: Algorithm, fault: Fault, nodes: int, seed: int, *, briefly: bool = False
) -> Trial:
    """Let it happen.

    Args:
        algorithm: what all processes run.
        fault: what befalls them.
        nodes: how many processes there are, at least 3.
        seed: of all chance.
        briefly: only look on until they agree.
    """
    missing = names(nodes)[-1:] if fault.missing else ()
    world = World(algorithm, nodes, seed, fault.loss, missing)
    world.together = frozenset(world.processes)
    leading: tuple[WorkerName, ...] = ()
    if fault.strike is None:
        world.agenda.run_until(CONNECTED_BY)
        struck = Struck(tuple(world.processes))
    else:
        _wait(world, world.agenda.now + PATIENCE)
        world.agenda.run_until(world.agenda.now + QUIET)
        leading = tuple(sorted(world.record.leaders))
        world.begin_record()
        struck = fault.strike(world, leading[0] if leading else world.circle[0])
        world.look(struck.together)
    _look_on(world, struck, briefly)
    return _trial(world, fault.name, seed, leading)


def _wait(world: World, until: int) -> None:
    """Until they agree, or no longer."""
    while world.agreed_at is None and world.agenda.now < until:
        world.agenda.run_until(min(until, world.agenda.now + STEP))


def _look_on(world: World, struck: Struck, briefly: bool) -> None:
    over = world.record.began + LASTS
    _wait(world, over)
    if briefly and world.agreed_at is not None:
        return
    world.agenda.run_until(over)
    if struck.mend is not None:
        struck.mend()
        if world.agreed_at is None:
            world.look(world.processes)
    _wait(world, over + AFTERWARDS)
    if not briefly:
        world.agenda.run_until(over + AFTERWARDS)


def _trial(world: World, fault: str, seed: int, leading: tuple[WorkerName, ...]) -> Trial:
    record, now = world.record, world.agenda.now
    record.close(now)
    end = now if world.agreed_at is None else world.agreed_at
    mails = [mail for mail in record.mails if mail.sent <= end]
    announced = world.algorithm.announcements
    return Trial(
        algorithm=world.algorithm,
        fault=fault,
        nodes=len(world.members),
        seed=seed,
        began=record.began,
        agreed=None if world.agreed_at is None else world.agreed_at - record.began,
        messages=len(mails),
        search=sum(kind(world.algorithm.message(mail.content)) not in announced for mail in mails),
        bytes=sum(mail.size for mail in mails),
        rounds=max((mail.depth for mail in mails if _came(world, mail, end)), default=0),
        without=record.without,
        windows=record.windows,
        double=record.double,
        looked_on=now - record.began,
        outcome=_outcome(world),
        guarantees=world.guarantees,
        circle=world.circle,
        mails=tuple(sorted(record.mails, key=lambda mail: mail.sent)),
        turns=tuple(record.turns),
        incidents=tuple(record.incidents),
        leading=leading,
    )


def _came(world: World, mail: Mail, end: int) -> bool:
    """Whether it reached one of those who had to agree, in time."""
    return mail.to in world.together and mail.arrived is not None and mail.arrived <= end


def _outcome(world: World) -> str:
    leaders = sorted(world.record.leaders)
    living = len(world.processes)
    if len(leaders) > 1:
        return f"{' and '.join(leaders)} both lead" if len(leaders) == 2 else f"{len(leaders)} lead"
    if not leaders:
        named = world.named_by(world.processes) - {None}
        if named and not world.record.mails:
            return (
                f"nobody leads, and nobody noticed: {', '.join(sorted(map(str, named)))} is named"
            )
        return f"nobody leads: {world.algorithm.limit}"
    followers = sum(world.named_by([name]) == {leaders[0]} for name in world.processes)
    of = f"all {living}" if followers == living else f"{followers} of {living}"
    unnoticed = "" if world.record.mails else ", and nobody noticed anything"
    return f"{leaders[0]} leads {of}{unnoticed}"
