"""Services' processes: each way to fail told apart, each healed or reported."""

from collections.abc import Callable

from interrex.core.time import MS, S
from interrex.simulator.chance import Chance
from interrex.simulator.plan import Fault
from interrex.simulator.scenarios.expectations import (
    quiet,
    starts_at_most,
    told,
    undisturbed,
    workers_live,
)
from interrex.simulator.scenarios.scenario import BEGINS, LASTS, Expectation, Scenario, fault


def _kill(chance: Chance) -> tuple[Fault, ...]:
    return (fault("replicas/kill", BEGINS, "web", number=chance.below(6)),)


def _hang(chance: Chance) -> tuple[Fault, ...]:
    """It neither answers nor ends: six checks, one second each, must have failed."""
    return (fault("replicas/wedge", BEGINS, "web", number=chance.below(6)),)


def _ill(chance: Chance) -> tuple[Fault, ...]:
    return (fault("replicas/ill", BEGINS, "web", lasts=2400 * MS, number=chance.below(6)),)


def _slow(chance: Chance) -> tuple[Fault, ...]:
    """Slower than usual, and fast enough for its checks."""
    by = chance.between(200 * MS, 900 * MS)
    return (fault("replicas/slow", BEGINS, "web", lasts=2400 * MS, number=chance.below(6), by=by),)


def _refuses(chance: Chance) -> tuple[Fault, ...]:
    number = chance.below(6)
    return (fault("replicas/refuses", BEGINS, "web", number=number, for_good=1),)


def _leaking(chance: Chance, *, ends_at_limit: int, everyone: int = 0) -> tuple[Fault, ...]:
    number, leaks = chance.below(6), chance.between(200 * MS, 800 * MS)
    return (
        fault("replicas/leak", BEGINS, "web", lasts=2400 * MS, number=number, leaks=leaks,
              ends_at_limit=ends_at_limit, all=everyone),
    )  # fmt: skip


def _leaks(chance: Chance) -> tuple[Fault, ...]:
    """One has its memory's limit before it, and ends there."""
    return _leaking(chance, ends_at_limit=1000)


def _leaks_all(chance: Chance) -> tuple[Fault, ...]:
    """All have, also those that come after them."""
    return _leaking(chance, ends_at_limit=1000, everyone=1)


def _leaks_and_lives(chance: Chance) -> tuple[Fault, ...]:
    """One gets no more memory, and lives: it answers with errors."""
    return _leaking(chance, ends_at_limit=0)


def _never_ready(chance: Chance) -> tuple[Fault, ...]:
    """Every second one that starts answers 500 for ever."""
    return (
        fault("replicas/never-well", BEGINS, "web", lasts=2 * S, ill=500),
        fault("replicas/kill-all", BEGINS + 100 * MS, "web"),
    )


def _cannot_start(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("replicas/fails-to-start", BEGINS, "api", lasts=2 * S, fails_to_start=1000),
        fault("replicas/kill", BEGINS + 100 * MS, "api", number=chance.below(3)),
    )


def _crashes(chance: Chance) -> tuple[Fault, ...]:
    after = chance.between(50 * MS, 200 * MS)
    return (
        fault("replicas/crashes", BEGINS, "api", lasts=2400 * MS, crashes_after=after),
        fault("replicas/kill", BEGINS + 50 * MS, "api", number=chance.below(3)),
    )


def _deaf_to_term(chance: Chance) -> tuple[Fault, ...]:
    """Replaced by processes that ignore the signal to end, and those by others."""
    return (
        fault("replicas/ignores-term", BEGINS, "api", lasts=2400 * MS, ignores_term=1000),
        fault("replicas/kill-all", BEGINS + 50 * MS, "api"),
        fault("users/restart", BEGINS + 1500 * MS, "api"),
    )


def _forks(chance: Chance) -> tuple[Fault, ...]:
    return (
        fault("replicas/forks", BEGINS, "api", lasts=2400 * MS, forks=1000),
        fault("replicas/kill-all", BEGINS + 50 * MS, "api"),
        fault("replicas/kill-all", BEGINS + S, "api"),
    )


def _dependency(chance: Chance) -> tuple[Fault, ...]:
    return (fault("replicas/dependency", BEGINS, "web", lasts=2400 * MS, needs_dependency=1000),)


def _ill_together(chance: Chance) -> tuple[Fault, ...]:
    return (fault("replicas/dependency", BEGINS, "web", lasts=2400 * MS, needs_dependency=0),)


def _pid_reused(chance: Chance) -> tuple[Fault, ...]:
    return (fault("ports/pid-reused", BEGINS, "web", lasts=2 * S, number=chance.below(6)),)


def _scenario(
    name: str,
    what: str,
    must: str,
    faults: Callable[[Chance], tuple[Fault, ...]],
    *expects: Expectation,
    settles: int = 100,
    lasts: int = LASTS,
) -> Scenario:
    return Scenario(
        name=name, what=what, must=must, faults=faults, users=False, settles=settles,
        expects=(*expects, undisturbed), lasts=lasts,
    )  # fmt: skip


REPLICAS = (
    _scenario(
        "replica-killed", "a replica is killed", "its worker starts it again: one start",
        _kill, told("replica.exited", "replica.ready"), starts_at_most(1), workers_live,
    ),
    _scenario(
        "replica-hangs", "a replica neither answers nor ends, for ever",
        "it is told from a slow one, killed and started again",
        _hang, told("replica.not_ready"), workers_live, lasts=9 * S,
    ),
    _scenario(
        "replica-ill", "a replica answers with an error for 2.4 s",
        "it gets no requests meanwhile, and is not restarted for so little",
        _ill, told("replica.not_ready"), quiet("replica.unhealthy"), starts_at_most(0),
    ),
    _scenario(
        "replica-slow", "a replica answers more slowly, and no check's time is over",
        "nothing is done to it", _slow, quiet("replica.not_ready"), starts_at_most(0),
        workers_live,
    ),
    _scenario(
        "replica-refuses", "a replica lives, and accepts no connection any more",
        "it gets no requests, is told as unhealthy, and is restarted",
        _refuses, told("replica.not_ready", "replica.unhealthy"), starts_at_most(1), workers_live,
        lasts=10 * S,
    ),
    _scenario(
        "replica-leaks", "a replica takes ever more memory, and ends at its limit",
        "its worker starts it again: one start",
        _leaks, told("replica.exited"), starts_at_most(1), workers_live,
    ),
    _scenario(
        "replica-leaks-and-lives",
        "a replica takes ever more memory, and answers with errors for the want of it",
        "it gets no requests, is told as unhealthy, and is restarted",
        _leaks_and_lives, told("replica.not_ready", "replica.unhealthy"), starts_at_most(1),
        workers_live, lasts=10 * S,
    ),
    _scenario(
        "replicas-leak", "all replicas of a service leak, those that are started meanwhile too",
        "the pauses between starts grow: 40 in 2.4 s at most, and all are ready once none leaks",
        _leaks_all, told("replica.exited"), starts_at_most(40), workers_live, settles=300,
    ),
    _scenario(
        "replicas-never-ready", "half of the processes that start never become ready",
        "they are given up after their start time-out and started again",
        _never_ready, told("replica.exited"), workers_live, settles=300,
    ),
    _scenario(
        "replica-cannot-start", "a replica's program cannot be started",
        "it is tried again ever more slowly, and runs once it can",
        _cannot_start, starts_at_most(15), workers_live,
    ),
    _scenario(
        "replica-crashes", "a replica crashes soon after each start",
        "the pauses between its starts grow; it is told as a crash loop",
        _crashes, told("replica.exited"), starts_at_most(15), workers_live,
    ),
    _scenario(
        "replicas-ignore-term", "replicas ignore the signal to end while they are replaced",
        "they are killed after their stop time-out, one at a time",
        _deaf_to_term, told("replica.killed"), workers_live, settles=200,
    ),
    _scenario(
        "replicas-fork", "replicas leave children behind when they die",
        "what is left is swept before the next start",
        _forks, told("replica.leftovers"), workers_live,
    ),
    _scenario(
        "dependency-down", "what all replicas of a service need is down: they end together",
        "they are held, one is tried now and then, and all start when it is back",
        _dependency, told("replica.held"), starts_at_most(20), workers_live, settles=300,
    ),
    _scenario(
        "ill-together", "all replicas of a service answer with errors at once",
        "nothing is restarted, as that would not help",
        _ill_together, starts_at_most(0), workers_live,
    ),
    Scenario(
        name="pid-reused",
        what="a replica dies with its worker, and another program gets its process id",
        must="the other program is neither adopted nor signalled",
        faults=_pid_reused, users=False, settles=60,
    ),
)  # fmt: skip
