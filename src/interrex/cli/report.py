"""A status document as a person reads it: plain text, with colours only on a terminal."""

from collections.abc import Iterable, Sequence

from interrex.core.replicas import ReplicaState
from interrex.worker.status import BalancerStatus, ReplicaStatus, Status, WorkerStatus

_GOOD = {"leading", "following", ReplicaState.READY}
_BAD = {"lost", "silent", "unknown", "unsupervised", ReplicaState.HELD, ReplicaState.BLOCKED}
_SGR = {"good": "32", "bad": "31", "middling": "33", "strong": "1", "faint": "2"}
OLD_S = 1.0
"""A document with a part older than this (s) says so."""


def painted(text: str, style: str, colours: bool) -> str:
    """The text in a style of ``_SGR``, or as it is."""
    return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if colours and text else text


def report(status: Status, colours: bool = False) -> list[str]:
    """The lines of a whole cluster's report."""
    lines = [painted(headline(status), "strong", colours)]
    if is_stopped(status):
        return lines
    if status.workers:
        lines += ["", *_workers(status.workers, colours)]
    rows = [row for name in status.services for row in _service_rows(status, name)]
    rows += [_balancer_row(balancer) for balancer in status.balancer]
    if rows:
        lines += ["", *table(("", "STATE", "PORT", "PID", "WORKER", "RESTARTS"), rows, colours)]
    lines += _reasons(status)
    notes = filter(None, (status.hindrance, status.remains, status.caution))
    return [*lines, *(line for note in notes for line in ("", f"note: {note}"))]


def headline(status: Status) -> str:
    """The one line that says whether all is well."""
    if is_stopped(status):
        return f"{status.cluster}: stopped"
    if not status.supervised:
        alive = sum(replica.pid is not None for replica in _replicas(status))
        running = f"{counted(alive, 'replica')} running, unsupervised"
        return f"{status.cluster}: {running}; no worker answers"
    leader = f"{status.leader} leads" if status.leader else "nobody leads"
    text = f"{status.cluster}: {leader}, epoch {status.epoch}, {status.election}"
    return f"{text}; as of {status.age_s:.1f} s ago" if status.age_s >= OLD_S else text


def is_stopped(status: Status) -> bool:
    """Whether nothing of the cluster lives on this machine."""
    pids = [
        *(worker.pid for worker in status.workers),
        *(replica.pid for replica in _replicas(status)),
        *(balancer.pid for balancer in status.balancer),
    ]
    return not status.supervised and not any(pids)


def counted(count: int, noun: str) -> str:
    """``1 worker``, ``3 workers``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], colours: bool = False) -> list[str]:
    """Aligned columns; those that are empty throughout are left out, numbers stand to the right."""
    rows = [list(row) for row in rows]
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]
    widths = {i: max(len(head[i]), *(len(row[i]) for row in rows)) for i in used}
    right = {i for i in used if all(row[i].isdigit() for row in rows if row[i])}

    def line(cells: Sequence[str], paint: bool) -> str:
        parts = []
        for i in used:
            cell = cells[i].rjust(widths[i]) if i in right else cells[i].ljust(widths[i])
            parts.append(_by_state(cell) if paint and head[i] == "STATE" else cell)
        return "  ".join(parts).rstrip()

    heading = painted(line(head, False), "faint", colours)
    return [heading, *(line(row, colours) for row in rows)]


def _by_state(cell: str) -> str:
    word, *count = cell.split(" ")[:3]
    is_good = word.rstrip(",") in _GOOD or count == ["of", word]
    style = "good" if is_good else "bad" if word.rstrip(",") in _BAD else "middling"
    return painted(cell, style, True)


def _workers(workers: list[WorkerStatus], colours: bool) -> list[str]:
    several_hosts = len({worker.host for worker in workers}) > 1
    rows = [
        (
            worker.name,
            worker.host if several_hosts else "",
            worker.state if worker.votes else f"{worker.state}, no vote yet",
            str(worker.pid or ""),
        )
        for worker in workers
    ]
    return table(("WORKER", "HOST", "STATE", "PID"), rows, colours)


def _service_rows(status: Status, name: str) -> list[tuple[str, ...]]:
    service = status.services[name]  # type: ignore[index]
    where = f" on {service.expose}" if service.expose else ""
    count = f"{service.ready} of {service.desired} ready{where}"
    return [(name, count, "", "", "", ""), *map(_replica_row, service.replicas)]


def _replica_row(replica: ReplicaStatus) -> tuple[str, ...]:
    return (
        f"  {replica.name}",
        f"{replica.state}, crash loop" if replica.crash_looping else replica.state,
        str(replica.port or ""),
        str(replica.pid or ""),
        replica.worker,
        str(replica.restarts or ""),
    )


def _balancer_row(balancer: BalancerStatus) -> tuple[str, ...]:
    return (
        balancer.name,
        balancer.state,
        "",
        str(balancer.pid or ""),
        balancer.worker,
        str(balancer.restarts or ""),
    )


def _replicas(status: Status) -> list[ReplicaStatus]:
    return [replica for service in status.services.values() for replica in service.replicas]


def _reasons(status: Status) -> list[str]:
    """Why replicas and balancers are not ready, where their workers say so."""
    if not status.supervised:
        return []
    parts: list[ReplicaStatus | BalancerStatus] = [*_replicas(status), *status.balancer]
    told = [
        f"{one.name}: {one.reason}"
        for one in parts
        if one.reason and one.state != ReplicaState.READY
    ]
    return ["", *told] if told else []
