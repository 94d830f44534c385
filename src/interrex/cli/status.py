"""``interrex status``."""

import sys

import msgspec

from interrex.cli.asking import decode_status, patient_status
from interrex.cli.dismissed import WHAT_NEXT, all_dismissed
from interrex.cli.exits import Exit
from interrex.cli.majority import explained, lost_majority
from interrex.cli.places import ClusterOption, Flag, StateOption, find_cluster
from interrex.cli.report import is_stopped, report
from interrex.cli.terminal import has_colours, pause
from interrex.core.spec import ClusterSpec
from interrex.runtime.layout import Layout
from interrex.worker.status import Status

LOOK_S = 0.5


def status(
    *,
    json: Flag = False,
    watch: Flag = False,
    state: StateOption = None,
    cluster: ClusterOption = None,
) -> int:
    """Show what runs: workers, who leads, services, balancers.

    Works without a leader and without any worker: then it tells from the files what runs on,
    unsupervised.

    Example: interrex status --json

    Args:
        json: Print the document that a worker serves under /v1/status.
        watch: Go on showing it until Ctrl-C.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
        cluster: Which cluster; by default the only one, or the only one that runs.
    """
    layout = find_cluster(state, cluster)
    if watch and not json:
        _watch(layout)
    while True:
        body = patient_status(layout) or from_files(layout)
        if json:
            print(body.decode(), flush=True)
        else:
            print("\n".join(_report(layout, decode_status(body))))
        if not watch:
            return Exit.OK
        pause(LOOK_S)


def _watch(layout: Layout) -> None:
    from interrex.cli.watching import new_screen

    with new_screen(reports=True) as screen:
        shown: list[str] = []
        while True:
            body = patient_status(layout) or from_files(layout)
            lines = _report(layout, decode_status(body))
            if lines != shown:
                shown = lines
                screen.show(lines)
            pause(LOOK_S)


def _report(layout: Layout, found: Status) -> list[str]:
    lines = report(found, has_colours(sys.stdout))
    if layout.stopping.exists():
        lines += [
            "",
            f"a `down` is under way; finish with: interrex down --cluster {found.cluster}",
        ]
    elif is_stopped(found):
        dismissed = all_dismissed(layout, layout.worker_names())
        lines += [WHAT_NEXT if dismissed else "start it with: interrex up FILE"]
    elif found.leader is None and (lost := lost_majority(layout)):
        lines += ["", explained(lost)]
    elif not (found.supervised or layout.worker_names()):
        lines += [
            "",
            f"{layout.home} was removed under it",
            f"end what runs on with: interrex down --cluster {found.cluster}",
        ]
    elif hung := [worker.pid for worker in found.workers if worker.pid and not found.supervised]:
        pids = " ".join(map(str, sorted(hung)))
        lines += [
            "",
            f"the silent workers hang: kill -9 {pids}, then start them with: interrex up FILE",
        ]
    elif not found.supervised:
        lines += ["", "start the workers again with: interrex up FILE"]
    return lines


def from_files(layout: Layout) -> bytes:
    """The document without any worker's word."""
    from interrex.runtime.genesis import known_genesis
    from interrex.runtime.last_state import last_spec
    from interrex.runtime.unsupervised import status_from_files
    from interrex.runtime.worker_processes import worker_processes

    genesis = known_genesis(layout)
    if genesis is not None:
        spec = last_spec(layout, genesis)
    else:  # all of that is lost: nothing tells any more what was asked for
        spec = ClusterSpec(name=layout.cluster, workers=len(layout.worker_names()))
    processes = worker_processes(layout.root, layout.cluster)
    return msgspec.json.encode(status_from_files(layout, spec, processes))
