"""``interrex status``."""

import sys

import msgspec

from interrex.cli.asking import decode_status, status_bytes
from interrex.cli.exits import Exit
from interrex.cli.places import ClusterOption, Flag, StateOption, find_cluster
from interrex.cli.report import report
from interrex.cli.terminal import has_colours
from interrex.runtime.layout import Layout


def status(
    *,
    json: Flag = False,
    state: StateOption = None,
    cluster: ClusterOption = None,
) -> int:
    """Show what runs: workers, who leads, services, balancers.

    Works without a leader and without any worker: then it tells from the files what runs on,
    unsupervised.

    Example: interrex status --json

    Args:
        json: Print the document that a worker serves under /v1/status.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
        cluster: Which cluster; by default the only one, or the only one that runs.
    """
    layout = find_cluster(state, cluster)
    body = status_bytes(layout, layout.worker_names())
    if body is None:
        body = _from_files(layout)
    if json:
        print(body.decode())
    else:
        print("\n".join(report(decode_status(body), has_colours(sys.stdout))))
    return Exit.OK


def _from_files(layout: Layout) -> bytes:
    from interrex.runtime.genesis import read_genesis
    from interrex.runtime.unsupervised import status_from_files
    from interrex.runtime.worker_processes import worker_processes

    spec = read_genesis(layout.genesis).spec
    processes = worker_processes(layout.root, layout.cluster)
    return msgspec.json.encode(status_from_files(layout, spec, processes))
