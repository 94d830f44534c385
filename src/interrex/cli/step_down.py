"""``interrex step-down``."""

import time
from typing import Annotated

import msgspec
from cyclopts import Parameter

from interrex.cli.asking import NoAnswer, ask, outcome_of
from interrex.cli.changes import leader_first, no_worker, running_status
from interrex.cli.exits import CommandError, Exit
from interrex.cli.names import unknown
from interrex.cli.places import ClusterOption, StateOption, find_cluster
from interrex.core.ids import WorkerName
from interrex.runtime.layout import Layout
from interrex.runtime.questions import Leadership, Outcome, StepDownBody
from interrex.worker.status import Status

PATIENCE_S = 10.0


def step_down(
    *,
    to: Annotated[str | None, Parameter(metavar="WORKER")] = None,
    state: StateOption = None,
    cluster: ClusterOption = None,
) -> int:
    """Let another worker lead, and wait until one does.

    Example: interrex step-down --to worker-2

    Args:
        to: Which worker shall lead; by default whichever is best placed.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
        cluster: Which cluster; by default the only one, or the only one that runs.
    """
    layout = find_cluster(state, cluster)
    status = running_status(layout)
    names = {worker.name for worker in status.workers}
    if to is not None and to not in names:
        raise unknown("worker", to, names)
    if status.leader is None:
        raise CommandError("nobody leads just now\nsee: interrex status")
    if to == status.leader:
        print(f"{to} leads already")
        return Exit.OK
    _ask(layout, status, WorkerName(to) if to is not None else None)
    found = _next_leader(layout, status)
    if found is None or found.leader == status.leader:
        raise CommandError(
            f"{status.leader} still leads\nthe other worker may be gone or far behind: see "
            "interrex status"
        )
    print(f"{found.leader} leads now, epoch {found.epoch}")
    return Exit.OK


def _ask(layout: Layout, status: Status, successor: WorkerName | None) -> Outcome:
    body = msgspec.json.encode(StepDownBody(successor))
    for worker in leader_first(layout, status):
        try:
            answer = ask(layout.api_socket(worker), "POST", "/v1/step-down", body)
            outcome = outcome_of(answer)
        except NoAnswer:
            continue
        if not outcome.ok:
            raise CommandError(f"nobody stepped down: {outcome.text}\nsee: interrex status")
        return outcome
    raise no_worker(layout)


def _next_leader(layout: Layout, status: Status) -> Leadership | None:
    """Whoever leads next, as soon as a worker knows it; None if nobody does in time."""
    deadline = time.monotonic() + PATIENCE_S
    target = f"/v1/leader?above={status.epoch}"
    for worker in leader_first(layout, status):
        left_s = max(0.1, deadline - time.monotonic())
        try:
            answer = ask(layout.api_socket(worker), "GET", target, timeout_s=left_s)
            return msgspec.json.decode(answer.body, type=Leadership)
        except (NoAnswer, msgspec.MsgspecError):
            continue
    return None
