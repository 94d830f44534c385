"""``interrex events``."""

import sys
from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from cyclopts import Parameter

from interrex.cli.event_lines import Tails, event_line
from interrex.cli.exits import Exit
from interrex.cli.names import read_target, unknown
from interrex.cli.places import ClusterOption, Flag, StateOption, TargetName, find_cluster
from interrex.cli.terminal import has_colours, pause
from interrex.cli.values import LastLines
from interrex.core.ids import service_of
from interrex.runtime.journal import Event, read_events
from interrex.runtime.layout import Layout
from interrex.runtime.unsupervised import recorded_replicas

LOOK_S = 0.1
LAST_WHEN_FOLLOWING = 10
"""How many events that have happened already are shown before those to come."""


def events(
    of: TargetName | None = None,
    /,
    *,
    follow: Annotated[Flag, Parameter(name=["--follow", "-f"])] = False,
    lines: LastLines = None,
    json: Flag = False,
    state: StateOption = None,
    cluster: ClusterOption = None,
) -> int:
    """Show what happened: deaths, restarts, elections, changes.

    Each worker notes its own; those of this machine are merged by time.

    Example: interrex events -f web

    Args:
        of: Only what is about this service (web), replica (web.2) or worker (worker-1).
        follow: Go on with what happens from now on.
        lines: Only the last so many; by default all of them, with -f the last 10.
        json: One JSON object a line, as in the workers' own files.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
        cluster: Which cluster; by default the only one, or the only one that runs.
    """
    layout = find_cluster(state, cluster)
    # Before anything is read: what happens in between is then found twice, not missed.
    tails = Tails(layout)
    past = list(read_events([layout.events(name) for name in layout.worker_names()]))
    wanted = _filter(layout, of, past)
    shown = [event for event in past if wanted(event)]
    last = LAST_WHEN_FOLLOWING if follow and lines is None else lines
    if last is not None:
        shown = shown[-last:] if last else []
    _print(shown, json)
    while follow:
        _print((event for event in tails.read(past) if wanted(event)), json)
        past.clear()
        pause(LOOK_S)
    return Exit.OK


def _filter(layout: Layout, of: str | None, past: list[Event]) -> Callable[[Event], bool]:
    """Whether an event is about what was named.

    Raises:
        CommandError: there is nothing of that name.
    """
    if of is None:
        return lambda event: True
    target = read_target(of)
    slots = {found.record.slot for found in recorded_replicas(layout)}
    slots |= {event.slot for event in past if event.slot is not None}
    workers = {*layout.worker_names(), *(event.by for event in past)}
    known = {*slots, *workers, *map(service_of, slots)}
    if of not in known:
        raise unknown("service, replica or worker", of, known)
    if of in workers:
        return lambda event: of in (event.worker, event.by)
    return lambda event: event.slot is not None and target.covers(event.slot)


def _print(found: Iterable[Event], json: bool) -> None:
    colours = has_colours(sys.stdout)
    for event in found:
        print(msgspec.json.encode(event).decode() if json else event_line(event, colours))
    sys.stdout.flush()
