"""The viewer of a foreground ``up``: what is missing, then what happens. It only looks."""

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from interrex.cli.asking import status_of_cluster
from interrex.cli.dismissed import all_dismissed, workers_there
from interrex.cli.event_lines import Tails, event_line
from interrex.cli.report import counted, report
from interrex.cli.starting import Plan
from interrex.cli.terminal import has_colours, left_in_order, pause
from interrex.core.ids import HostName
from interrex.runtime.layout import Layout
from interrex.runtime.worker_processes import WorkerProcess, open_worker, worker_processes
from interrex.worker.status import Status, missing_parts

if TYPE_CHECKING:
    from rich.live import Live

LOOK_S = 0.2
READY_LOOK_S = 0.03
GONE_FOR_S = 1.0
"""How long (s) no worker must live before the fleet counts as left alone: one may be starting."""


class Gone(Exception):  # noqa: N818
    """No worker of this machine lives any more."""


class Screen(Protocol):
    """Where the viewer writes."""

    def line(self, text: str) -> None:
        """One more line, for good."""

    def show(self, report: list[str]) -> None:
        """What is the case now: takes the place of what was shown before."""


class PlainScreen:
    """Lines only; ``reports`` tells whether what is the case is printed, too."""

    def __init__(self, reports: bool) -> None:
        self._reports = reports

    def line(self, text: str) -> None:
        print(text, flush=True)

    def show(self, report: list[str]) -> None:
        if self._reports:
            print("\n".join([*report, ""]), flush=True)


class LiveScreen:
    """Lines scroll by above a table that is kept current."""

    def __init__(self, live: "Live") -> None:
        self._live = live

    def line(self, text: str) -> None:
        from rich.text import Text

        self._live.console.print(Text.from_ansi(text))

    def show(self, report: list[str]) -> None:
        from rich.text import Text

        self._live.update(Text.from_ansi("\n".join(["", *report])), refresh=True)


@contextlib.contextmanager
def new_screen(reports: bool = False) -> Iterator[Screen]:
    """A live one on a terminal with colours, else plain lines."""
    if not has_colours(sys.stdout):
        yield PlainScreen(reports)
        return
    from rich.console import Console
    from rich.live import Live

    with left_in_order(), Live(console=Console(), auto_refresh=False, transient=True) as live:
        yield LiveScreen(live)


def wait_ready(layout: Layout, timeout_s: float) -> list[str]:
    """Wait until everything that is asked for runs.

    Returns:
        What is still missing after the time-out, or once it was brought down, a short sentence
        each.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        missing = still_missing(layout, status_of_cluster(layout))
        if not missing or was_brought_down(layout) or time.monotonic() >= deadline:
            return missing
        time.sleep(READY_LOOK_S)


def was_brought_down(layout: Layout) -> bool:
    """Whether a `down` has come to its end since the fleet was started."""
    return layout.stopped.exists() or not layout.home.exists()


def still_missing(layout: Layout, status: Status | None) -> list[str]:
    """What is not (yet) as asked for."""
    if status is not None:
        return missing_parts(status)
    return [f"no worker answers yet (see {layout.home}/workers/*/worker.log)"]


def watch(plan: Plan, screen: Screen) -> None:
    """Show what is missing until all is ready, then what happens.

    Raises:
        Gone: every worker of this machine has ended; this viewer has nothing left to see.
    """
    layout = plan.layout
    tails = Tails(layout)
    told = ""
    ready = False
    gone_since: float | None = None
    while True:
        status = status_of_cluster(layout)
        for event in tails.read():
            screen.line(event_line(event, has_colours(sys.stdout)))
        screen.show(report(status, True) if status is not None else [])
        missing = "; ".join(still_missing(layout, status))
        if not ready and not missing and status is not None:
            ready = True
            screen.line(ready_line(status))
        elif not ready and missing != told:
            told = missing
            screen.line(f"waiting: {missing}")
        if status is None and not worker_processes(layout.root, layout.cluster):
            gone_since = gone_since or time.monotonic()
            if layout.stopped.exists() or time.monotonic() - gone_since > GONE_FOR_S:
                raise Gone
        else:
            gone_since = None
        pause(LOOK_S)


def ready_line(status: Status) -> str:
    """``shop is ready: 3 workers, 4 replicas; web on 127.0.0.1:8080``."""
    replicas = sum(service.desired for service in status.services.values())
    text = f"{status.cluster} is ready: {counted(len(status.workers), 'worker')}, "
    text += counted(replicas, "replica")
    exposed = [f"{name} on {one.expose}" for name, one in status.services.items() if one.expose]
    return "; ".join([text, *exposed])


def guard_workers(layout: Layout, host: HostName, launch: Callable[[], object]) -> None:
    """Start this host's workers again whenever all of them have died; what systemd runs.

    Returns when the fleet was brought down on purpose, or asks for none of them any more.
    """
    while True:
        _until_all_dead(layout, host)
        time.sleep(LOOK_S)  # one that was started just before may not show yet
        if was_brought_down(layout):
            return
        if layout.stopping.exists() or _workers_of(layout, host):
            continue
        if all_dismissed(layout, workers_there(layout, host)):
            return
        print("every worker has died: starting them again", flush=True)
        launch()


def _until_all_dead(layout: Layout, host: HostName) -> None:
    for process in _workers_of(layout, host):
        pidfd = open_worker(process)
        if pidfd is None:
            continue
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll()
        finally:
            os.close(pidfd)


def _workers_of(layout: Layout, host: HostName) -> list[WorkerProcess]:
    found = worker_processes(layout.root, layout.cluster)
    return [process for process in found if process.host == host]
