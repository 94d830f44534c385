"""What would change if a running fleet were given another cluster file, in words for a person."""

from collections.abc import Iterator
from typing import Any

import msgspec

from interrex.config.health import QUESTIONS
from interrex.config.kinds import show_expose
from interrex.config.problems import shown
from interrex.config.values import show_duration, show_size
from interrex.core.spec import (
    WITH_OPTIONS,
    BalancerSpec,
    Check,
    ClusterSpec,
    Expose,
    Health,
    HostSpec,
    ServiceSpec,
)
from interrex.core.state import process_part


class Difference(msgspec.Struct, frozen=True):
    """One change: what it is about, what changes, and what that does to what runs.

    ``subject`` is a service, ``host h1``, ``balancer``, or empty for the whole fleet. With
    ``refused`` a running fleet cannot take the change, and ``effect`` is the reason.
    """

    subject: str
    what: str
    effect: str = ""
    refused: bool = False

    def __str__(self) -> str:
        text = f"{self.subject}: {self.what}" if self.subject else self.what
        if self.refused:
            return f"{text}: cannot change while the fleet runs: {self.effect}"
        return f"{text} ({self.effect})" if self.effect else text


_FILE_WORDS = {"memory_bytes": "memory", "core_bytes": "core", "max_bytes": "max_size"}
_FIXED = {
    "name": "the fleet's folder and its workers go by it; bring up a second fleet instead",
    "election": "votes of one algorithm mean nothing to another; `interrex down` first",
}


def difference(old: ClusterSpec, new: ClusterSpec) -> list[Difference]:
    """What replacing one cluster file by another changes, in the order of the file."""
    return [
        *_cluster(old, new),
        *_balancer(old.balancer, new.balancer),
        *_services(old, new),
        *_hosts(old, new),
        *_tls(old, new),
    ]


def _cluster(old: ClusterSpec, new: ClusterSpec) -> Iterator[Difference]:
    for key, reason in _FIXED.items():
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            yield Difference("", f"{key} {before} -> {after}", reason, refused=True)
    for election in WITH_OPTIONS:
        for _, what in _changed(getattr(old, election), getattr(new, election), election):
            reason = "its workers must hold the same; `interrex down` first"
            yield Difference("", what, reason, refused=True)
    if old.require != new.require:
        yield Difference("", f"require {old.require or 'nothing'} -> {new.require or 'nothing'}")
    if old.workers != new.workers and not old.hosts and not new.hosts:
        effect = _start_or_stop(old.workers, new.workers, "worker")
        yield Difference("", f"workers {old.workers} -> {new.workers}", effect)
    if old.ports != new.ports:
        ends = [f"{first}-{last}" for first, last in (old.ports, new.ports)]
        yield Difference("", f"ports {ends[0]} -> {ends[1]}", "for replicas placed from now on")
    for _, what in _changed(old.timing, new.timing, "timing"):
        yield Difference("", what, "every worker goes by it at once")


def _balancer(old: BalancerSpec, new: BalancerSpec) -> Iterator[Difference]:
    if old.processes != new.processes:
        effect = _start_or_stop(old.processes, new.processes, "process", "es")
        yield Difference("balancer", f"processes {old.processes} -> {new.processes}", effect)
    changes = {key: what for key, what in _changed(old, new) if key != "processes"}
    restarting = [what for key, what in changes.items() if key in ("binary", "threads")]
    reloading = [what for key, what in changes.items() if key not in ("binary", "threads")]
    if restarting:
        kept = min(old.processes, new.processes)
        effect = f"restarts {_count(kept, 'process', 'es')} on each host, one at a time"
        yield Difference("balancer", ", ".join([*restarting, *reloading]), effect)
    elif reloading:
        yield Difference("balancer", ", ".join(reloading), "reloads without losing a connection")


def _services(old: ClusterSpec, new: ClusterSpec) -> Iterator[Difference]:
    for name, service in new.services.items():
        before = old.services.get(name)
        if before is None:
            yield Difference(name, "new service", _start_or_stop(0, service.replicas))
        else:
            yield from _service(before, service)
    for name, service in old.services.items():
        if name not in new.services:
            yield Difference(name, "removed", _start_or_stop(service.replicas, 0))


def _service(old: ServiceSpec, new: ServiceSpec) -> Iterator[Difference]:
    if old.replicas != new.replicas:
        effect = _start_or_stop(old.replicas, new.replicas)
        yield Difference(new.name, f"replicas {old.replicas} -> {new.replicas}", effect)
    if process_part(old) != process_part(new):
        what = ", ".join(_process_changes(old, new))
        kept = min(old.replicas, new.replicas)
        effect = f"restarts {_count(kept, 'replica')}" + (", one at a time" if kept > 1 else "")
        yield Difference(new.name, what, effect if kept else "nothing of it runs")
    if old.expose != new.expose:
        before, after = _show(old.expose), _show(new.expose)
        yield Difference(new.name, f"expose {before} -> {after}", "reloads the balancer")
    settings = [
        *_changed(_only(old, "stop_signal"), _only(new, "stop_signal")),
        *_changed(_only(old, "stop_timeout"), _only(new, "stop_timeout")),
        *_health(old.health, new.health),
        *_changed(old.restart, new.restart, "restart"),
        *_changed(old.logs, new.logs, "logs"),
    ]
    if settings:
        yield Difference(new.name, ", ".join(what for _, what in settings), "restarts nothing")


def _health(old: Health, new: Health) -> Iterator[tuple[str, str]]:
    """What changes alike in all questions that are asked is told once, as in the short form."""
    questions = [name for name in QUESTIONS if getattr(old, name) and getattr(new, name)]
    changes = dict(_changed(old, new, "health"))
    changes.pop("health.startup.fall", None)  # nothing depends on it
    for key, what in changes.items():
        _, question, *rest = key.split(".")
        alike = [f"health.{name}.{'.'.join(rest)}" for name in questions]
        words = {changes.get(name, "").removeprefix(name) for name in alike}
        if not rest or question not in questions or len(questions) == 1 or len(words) > 1:
            yield key, what
        elif question == questions[0]:
            yield f"health.{rest[0]}", f"health.{rest[0]}{words.pop()}"


def _process_changes(old: ServiceSpec, new: ServiceSpec) -> Iterator[str]:
    if old.command != new.command:
        yield "command changed"
    for variable in sorted({*old.env, *new.env}):
        if variable not in new.env:
            yield f"env.{variable} removed"
        elif variable not in old.env:
            yield f"env.{variable} added"
        elif old.env[variable] != new.env[variable]:
            yield f"env.{variable} changed"  # its value may be a secret
    for field in ("directory", "user"):
        yield from (what for _, what in _changed(_only(old, field), _only(new, field)))
    yield from (what for _, what in _changed(old.limits, new.limits, "limits"))


def _hosts(old: ClusterSpec, new: ClusterSpec) -> Iterator[Difference]:
    if bool(old.hosts) != bool(new.hosts):
        counts = f"hosts {len(old.hosts) or 'none'} -> {len(new.hosts) or 'none'}"
        reason = "its workers have other names with hosts than without; `interrex down` first"
        yield Difference("", counts, reason, refused=True)
        return
    before = {host.name: host for host in old.hosts}
    for host in new.hosts:
        earlier = before.pop(host.name, None)
        yield from _host(earlier, host)
    for host in before.values():
        effect = f"stops {_count(host.workers, 'worker')}; its replicas move to other hosts"
        yield Difference(f"host {host.name}", "removed", effect)


def _host(old: HostSpec | None, new: HostSpec) -> Iterator[Difference]:
    subject = f"host {new.name}"
    if old is None:
        effect = _start_or_stop(0, new.workers, "worker")
        there = f"`interrex up FILE --host {new.name}` there"
        yield Difference(subject, "new", f"{effect} with {there}")
        return
    if old.address != new.address:
        reason = (
            "its workers are known by it; take the host out of the file and apply it, run "
            "`interrex down --purge` there, then add the host as a new one"
        )
        what = f"address {old.address or 'none'} -> {new.address or 'none'}"
        yield Difference(subject, what, reason, refused=True)
    if old.workers != new.workers:
        effect = _start_or_stop(old.workers, new.workers, "worker")
        yield Difference(subject, f"workers {old.workers} -> {new.workers}", effect)


def _tls(old: ClusterSpec, new: ClusterSpec) -> Iterator[Difference]:
    effect = "each worker takes it up when it next starts"
    if old.tls is None or new.tls is None:
        if old.tls != new.tls:
            yield Difference("", "tls removed" if old.tls else "tls added", effect)
        return
    for _, what in _changed(old.tls, new.tls, "tls"):
        yield Difference("", what, effect)


def _start_or_stop(before: int, after: int, noun: str = "", plural: str = "s") -> str:
    """``starts 2``, ``stops 1 worker``."""
    verb, count = ("starts", after - before) if after >= before else ("stops", before - after)
    return f"{verb} {_count(count, noun, plural) if noun else count}"


def _count(count: int, noun: str, plural: str = "s") -> str:
    return f"{count} {noun}{'' if count == 1 else plural}"


def _only(spec: msgspec.Struct, field: str) -> dict[str, Any]:
    return {field: getattr(spec, field)}


def _changed(
    old: msgspec.Struct | dict[str, Any], new: msgspec.Struct | dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """The keys that differ, dotted as in the file, each with its change in words."""
    before = old if isinstance(old, dict) else msgspec.structs.asdict(old)
    after = new if isinstance(new, dict) else msgspec.structs.asdict(new)
    for field, value in before.items():
        word = _FILE_WORDS.get(field, field)
        key = f"{prefix}.{word}" if prefix else word
        now = after[field]
        if value == now:
            continue
        if isinstance(value, Check) and isinstance(now, Check):
            yield from _changed(value, now, key)
        elif isinstance(value, Check) or isinstance(now, Check):
            yield key, f"{key} {'removed' if now is None else 'added'}"
        else:
            yield key, f"{key} {_show(value, field)} -> {_show(now, field)}"


def _show(value: object, field: str = "") -> str:
    match value:
        case None:
            return "none"
        case Expose():
            return show_expose(value)
        case float():
            return f"{value:g}" if field == "factor" else show_duration(value)
        case int() if field.endswith("_bytes"):
            return show_size(value)
        case tuple() if field == "status":
            return f"{value[0]}-{value[1]}"
        case tuple():
            return " ".join(map(str, value)) or "none"
        case str():
            return value
        case _:
            return shown(value)
