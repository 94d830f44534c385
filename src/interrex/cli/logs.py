"""``interrex logs``."""

import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from interrex.cli.exits import Exit
from interrex.cli.names import Target, read_target, unknown
from interrex.cli.places import ClusterOption, Flag, StateOption, TargetName, find_cluster
from interrex.cli.report import painted
from interrex.cli.terminal import has_colours, pause
from interrex.cli.values import LastLines
from interrex.core.ids import SlotName, service_of, slot_order
from interrex.runtime.layout import Layout
from interrex.runtime.log_reading import LogReader, read_logs
from interrex.runtime.unsupervised import hosts_here

LOOK_S = 0.1
LAST_WHEN_FOLLOWING = 10


def logs(
    of: TargetName,
    /,
    *,
    follow: Annotated[Flag, Parameter(name=["--follow", "-f"])] = False,
    lines: LastLines = None,
    state: StateOption = None,
    cluster: ClusterOption = None,
) -> int:
    """Show what replicas print, also while no worker lives.

    The lines of several replicas carry their names. Rotated files are read as one with the
    newest, and followed through rotations.

    Example: interrex logs web.2 -f

    Args:
        of: A service (web) or a replica (web.2).
        follow: Go on with what they print from now on.
        lines: Only the last so many of each replica; by default all of them, with -f the last 10.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
        cluster: Which cluster; by default the only one, or the only one that runs.
    """
    layout = find_cluster(state, cluster)
    target = read_target(of)
    paths = log_files(layout)
    chosen = [slot for slot in sorted(paths, key=slot_order) if target.covers(slot)]
    if not chosen:
        raise unknown("service or replica", of, {*paths, *map(service_of, paths)})
    last = LAST_WHEN_FOLLOWING if follow and lines is None else lines
    output = _Output(named=target.slot is None and (len(chosen) > 1 or follow))
    if not follow:
        for slot in chosen:
            for line in _last_lines(paths[slot], last):
                output.line(slot, line)
        return Exit.OK
    readers = {slot: _reader(paths[slot], last) for slot in chosen}
    while True:
        for slot, reader in readers.items():
            output.write(slot, reader)
        pause(LOOK_S)
        _add_new(layout, target, readers)


def log_files(layout: Layout) -> dict[SlotName, Path]:
    """Where each replica that ever ran on this machine prints to."""
    return {
        SlotName(path.name.removesuffix(".log")): path
        for host in hosts_here(layout)
        for path in (layout.host(host) / "logs").glob("*.log")
    }


class _Output:
    """Writes the replicas' bytes as they are, with their names where that is asked for."""

    def __init__(self, named: bool) -> None:
        self._named = named
        self._colours = has_colours(sys.stdout)

    def write(self, slot: SlotName, reader: LogReader) -> None:
        """All whole lines that are there now."""
        while found := reader.lines():
            for line in found:
                self.line(slot, line)
        sys.stdout.buffer.flush()

    def line(self, slot: SlotName, line: bytes) -> None:
        """One line."""
        name = painted(f"{slot} | ", "strong", self._colours) if self._named else ""
        sys.stdout.buffer.write(name.encode() + line + b"\n")


def _last_lines(path: Path, last: int | None) -> Iterable[bytes]:
    """The log may grow while it is read: so many lines and no more."""
    found = read_logs(path, last)
    return found if last is None else deque(found, last)


def _reader(path: Path, last: int | None) -> LogReader:
    reader = LogReader(path)
    if last is not None:
        reader.to_last(last)
    return reader


def _add_new(layout: Layout, target: Target, readers: dict[SlotName, LogReader]) -> None:
    """Replicas that were started after this command."""
    for slot, path in log_files(layout).items():
        if slot not in readers and target.covers(slot):
            readers[slot] = LogReader(path)
