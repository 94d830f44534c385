"""The health keys: one short target that answers three questions, or a table for each.

Written short (``health.http = "/healthz"``), the one target is asked

- at start, at once and then fast, until it first succeeds;
- for the routes (readiness), each interval: out after ``fall`` failures in a row;
- for life (liveness), each interval: restarted after three times as many.

So a replica that fails is out of the routes well before it is restarted, and one that recovers
meanwhile is not restarted at all. The check for the start equals the one for the routes: one
answer serves both.
"""

from typing import Any, NamedTuple

from interrex.config.kinds import command, duration, plain, whole
from interrex.config.positions import Path
from interrex.config.problems import Refused, shown
from interrex.config.reading import Reading
from interrex.config.tables import Key, Kind, Noted, Section, as_table, read_keys
from interrex.config.values import parse_text, show_duration
from interrex.core.spec import Check, CheckKind, Health

QUESTIONS = ("startup", "readiness", "liveness")
INTERVAL = 1.0
TIMEOUT = 1.0
FALL = 2
LIVENESS_FACTOR = 3
"""How many times as many failures as take a replica from the routes restart it."""

_ANY_SUCCESS = (200, 399)
_NOTHING_TO_ASK = "says nothing to ask; write http, tcp or exec"


class _Http(NamedTuple):
    path: str = "/"
    status: tuple[int, int] = _ANY_SUCCESS


def _parse_path(value: object) -> str:
    text = parse_text(value)
    if not text.startswith("/"):
        raise Refused(f"{shown(text)} is no path; it begins with /")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Refused(f"{shown(text)} holds a character that has to be percent-encoded")
    return text


def _parse_status(value: object) -> tuple[int, int]:
    ends: list[Any] = value if isinstance(value, list) else [value, value]
    if len(ends) != 2 or any(isinstance(end, bool) or not isinstance(end, int) for end in ends):
        raise Refused(f"{shown(value)} is no status; write 200, or [200, 299] for a range")
    lowest, highest = int(ends[0]), int(ends[1])
    if not 100 <= lowest <= highest <= 599:
        raise Refused(f"{lowest} to {highest} is no range of statuses; they go from 100 to 599")
    return lowest, highest


def _show_status(status: tuple[int, int]) -> str:
    return str(status[0]) if status[0] == status[1] else f"[{status[0]}, {status[1]}]"


HTTP = Section(
    "service.NAME.health.http",
    "An HTTP request to the replica: a path alone, or this table.",
    _Http,
    (
        Key("path", plain("text", _parse_path), "the path of the GET request", default="/"),
        Key(
            "status",
            plain("status, or [lowest, highest]", _parse_status, _show_status),
            "the answers that count as success",
            default="[200, 399]",
        ),
    ),
)


def _read_http(reading: Reading, path: Path, value: object) -> _Http:
    if isinstance(value, str):
        return _Http(_parse_path(value))
    return _Http(**read_keys(reading, path, value, HTTP))


def _parse_tcp(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"{shown(value)} is no answer; write true")
    return value


_interval = duration(0.01)
_timeout = duration(0.01)
_count = whole(1, 1000)

_TARGET = (
    Key("http", Kind("path, or table", _read_http, str), "ask by HTTP GET on the replica's port"),
    Key("tcp", plain("true", _parse_tcp), "ask by opening a connection to the replica's port"),
    Key(
        "exec", command, "ask by running a command on the replica's host; success is exit status 0"
    ),
)
_INTERVAL_MEANING = "time between two questions"
_TIMEOUT_MEANING = "how long an answer may take; at most the interval"

STARTUP = Section(
    "service.NAME.health.startup",
    "Has it started? Asked until it first succeeds; the other two questions begin then.",
    None,
    (
        *_TARGET,
        Key(
            "interval",
            _interval,
            "the longest time between two questions; the first come within milliseconds",
            default="as for health",
        ),
        Key("timeout", _timeout, _TIMEOUT_MEANING, default="as for health"),
    ),
)
READINESS = Section(
    "service.NAME.health.readiness",
    "May it be sent requests? Failing takes the replica from the routes, and nothing else.",
    None,
    (
        *_TARGET,
        Key("interval", _interval, _INTERVAL_MEANING, default="as for health"),
        Key("timeout", _timeout, _TIMEOUT_MEANING, default="as for health"),
        Key("rise", _count, "successes in a row that put it back", default="as for health"),
        Key("fall", _count, "failures in a row that take it out", default="as for health"),
    ),
)
LIVENESS = Section(
    "service.NAME.health.liveness",
    "Does it live? Failing restarts the replica.",
    None,
    (
        *_TARGET,
        Key("interval", _interval, _INTERVAL_MEANING, default="as for health"),
        Key("timeout", _timeout, _TIMEOUT_MEANING, default="as for health"),
        Key("fall", _count, "failures in a row that restart it", default="3 times health's fall"),
    ),
)


def _read_question(section: Section) -> Kind[dict[str, Any] | None]:
    def read(reading: Reading, path: Path, value: object) -> dict[str, Any] | None:
        if value is False:
            return None
        values = read_keys(reading, path, value, section)
        _refuse_two_targets(path, values)
        return values

    return Kind("table, or false", read, str)


HEALTH = Section(
    "service.NAME.health",
    "How a replica is asked for its health. One of http, tcp and exec answers all three "
    "questions: has it started, may it be sent requests (readiness), does it live (liveness).",
    None,
    (
        *_TARGET,
        Key("interval", _interval, _INTERVAL_MEANING, default="1s, or the timeout if longer"),
        Key("timeout", _timeout, _TIMEOUT_MEANING, default="1s, or the interval if shorter"),
        Key("rise", _count, "successes in a row that put it into the routes", default="1"),
        Key(
            "fall",
            _count,
            "failures in a row that take it from the routes; three times as many restart it",
            default=str(FALL),
        ),
        Key(
            "start_timeout",
            duration(0.1),
            "how long it may take to start; then it is killed and started again",
            default=show_duration(Health().start_timeout),
        ),
        Key("startup", _read_question(STARTUP), "a question of its own; false: not asked"),
        Key("readiness", _read_question(READINESS), "a question of its own; false: not asked"),
        Key("liveness", _read_question(LIVENESS), "a question of its own; false: not asked"),
    ),
)


def read_health(reading: Reading, path: Path, value: object) -> Health:
    """The three checks that a ``health`` table means."""
    shared = read_keys(reading, path, value, HEALTH)
    _refuse_two_targets(path, shared)
    checks: dict[str, Any] = {}
    for question in QUESTIONS:
        own = shared.get(question, {})
        if own is None:
            continue
        checks[question] = _check(reading, (*path, question), question, own, shared)
        if checks[question] is None and question in shared and reading.sound(path):
            reading.refuse((*path, question), _NOTHING_TO_ASK)
    if not reading.sound(path):
        raise Noted
    if as_table(value) and not any(checks.values()) and not any(key in shared for key in checks):
        raise Refused(_NOTHING_TO_ASK)
    if "start_timeout" in shared:
        checks["start_timeout"] = shared["start_timeout"]
    return Health(**checks)


def _check(
    reading: Reading, path: Path, question: str, own: dict[str, Any], shared: dict[str, Any]
) -> Check | None:
    pace = _pace(reading, path, question, own, shared)
    target = _target(own) or _target(shared)
    return Check(**target, **pace) if target is not None else None


def _pace(
    reading: Reading, path: Path, question: str, own: dict[str, Any], shared: dict[str, Any]
) -> dict[str, Any]:
    """How often a question is asked and how many answers count: own keys first, then shared."""
    interval = own.get("interval", shared.get("interval"))
    timeout = own.get("timeout", shared.get("timeout"))
    if interval is None:
        interval = max(INTERVAL, timeout or 0)
    if timeout is None:
        timeout = min(TIMEOUT, interval)
    if timeout > interval:
        _refuse_timeout(reading, path, timeout, interval)
    rise, fall = shared.get("rise", 1), shared.get("fall", FALL)
    if question == "liveness":
        rise, fall = 1, LIVENESS_FACTOR * fall
    return {
        "interval": interval,
        "timeout": timeout,
        "rise": own.get("rise", rise),
        "fall": own.get("fall", fall),
    }


def _refuse_timeout(reading: Reading, path: Path, timeout: float, interval: float) -> None:
    table = path[:-1]
    place = reading.written(
        (*path, "timeout"), (*path, "interval"), (*table, "timeout"), (*table, "interval")
    )
    if reading.sound(place):
        reading.refuse(
            place,
            f"the time-out {show_duration(timeout)} is longer than the interval "
            f"{show_duration(interval)}",
        )


def _target(values: dict[str, Any]) -> dict[str, Any] | None:
    if "http" in values:
        return {"kind": CheckKind.HTTP, **values["http"]._asdict()}
    if values.get("tcp"):
        return {"kind": CheckKind.TCP}
    if "exec" in values:
        return {"kind": CheckKind.EXEC, "command": values["exec"]}
    return None


def _refuse_two_targets(path: Path, values: dict[str, Any]) -> None:
    targets = [name for name in ("http", "tcp", "exec") if values.get(name)]
    if len(targets) > 1:
        raise Refused(f"asks by {' and '.join(targets)}; one target answers one question")
