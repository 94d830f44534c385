"""Reading what a fleet is asked to be, and changing it."""

import secrets
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from interrex.cli.asking import PATIENCE_S, Answer, NoAnswer, ask, outcome_of, status_of_cluster
from interrex.cli.exits import CommandError
from interrex.core.ids import ChangeId, WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.state import Operation
from interrex.runtime.layout import Layout
from interrex.runtime.questions import ChangeBody
from interrex.worker.status import Status

CONFIRM_PATIENCE_S = 3.0
CHANGE_PATIENCE_S = 35.0
"""Longer than a worker itself waits for a leader to take a change."""


def running_status(layout: Layout) -> Status:
    """Raises CommandError where no worker answers, or the fleet is being taken down."""
    if layout.stopping.exists():
        name = layout.cluster
        raise CommandError(
            f"{name} is being taken down\n"
            f"finish with: interrex down --cluster {name}; start it again with: interrex up FILE"
        )
    status = status_of_cluster(layout)
    if status is None:
        raise no_worker(layout)
    return status


def no_worker(layout: Layout) -> CommandError:
    """What to say when nobody is there to be asked."""
    return CommandError(
        f"no worker of {layout.cluster} answers\nsee: interrex status; start it with: "
        "interrex up FILE"
    )


class AskedSpec(NamedTuple):
    """What the fleet is asked to be."""

    spec: ClusterSpec
    proved: bool
    """A leader said so that had shown that it still leads; else it may lack the last changes."""


def asked_spec(layout: Layout, status: Status) -> AskedSpec:
    """What the fleet is asked to be, from whoever can prove it, else from whoever answers.

    A worker that has just started knows what it has on disk, and not yet that it was agreed upon;
    and the leader of that status may be dead by now.

    Raises:
        CommandError: nobody answers.
    """
    workers = leader_first(layout, status)
    asked = [
        (
            worker,
            "/v1/spec?confirmed",
            CONFIRM_PATIENCE_S if worker == status.leader else PATIENCE_S,
        )
        for worker in workers
    ]
    asked += [(worker, "/v1/spec", PATIENCE_S) for worker in workers]
    for worker, target, patience_s in asked:
        try:
            answer = ask(layout.api_socket(worker), "GET", target, timeout_s=patience_s)
            if answer.code == 200:
                spec = msgspec.json.decode(answer.body, type=ClusterSpec)
                return AskedSpec(spec, proved="?" in target)
        except (NoAnswer, msgspec.MsgspecError):
            continue
    raise no_worker(layout)


def submit(layout: Layout, status: Status, operations: Iterable[Operation]) -> int | None:
    """Make a change, asking one worker after the other; its id makes asking twice harmless.

    Returns:
        The index at which it was applied.

    Raises:
        CommandError: nobody would take it.
    """
    change = ChangeId(secrets.token_hex(16))
    body = msgspec.json.encode(ChangeBody(change, tuple(operations)))
    reason, in_doubt = "no worker answers", False
    for worker in leader_first(layout, status):
        try:
            answer = ask(layout.api_socket(worker), "POST", "/v1/changes", body, CHANGE_PATIENCE_S)
            outcome = outcome_of(answer)
        except NoAnswer as error:
            reason, in_doubt = f"{worker}: {error}", True
            continue
        if outcome.ok:
            return outcome.index
        if outcome.refused and not in_doubt:
            raise CommandError(f"the change is refused: {outcome.text}")
        if not outcome.refused:  # one who refuses knows nothing of what another has taken
            reason = outcome.text
        in_doubt = True
        if _is_final(answer):
            break
    raise CommandError(
        f"the change was not made for sure: {reason}\n"
        "it may have been; see: interrex status, and try again"
    )


def leader_first(layout: Layout, status: Status) -> list[WorkerName]:
    """This machine's workers in the order in which to ask them."""
    names = layout.worker_names()
    return sorted(names, key=lambda name: (name != status.leader, name != status.source, name))


def _is_final(answer: Answer) -> bool:
    """Whether another worker would say the same: the request itself was refused."""
    return 400 <= answer.code < 500 and answer.code != 409
