"""A coordination service has lost what it acknowledged: go on from what a worker knows."""

import time

from interrex.cli.asking import NoAnswer, ask, outcome_of
from interrex.cli.exits import CommandError
from interrex.cli.terminal import say
from interrex.core.ids import WorkerName
from interrex.elections.interface import NOTHING_LOST
from interrex.runtime.layout import Layout
from interrex.runtime.questions import Outcome

PATIENCE_S = 30.0
_LOOK_S = 0.2


def begin_service_anew(layout: Layout, election: str, workers: list[WorkerName]) -> None:
    """Ask this machine's workers until one has put what it knows in place of what is lost.

    Args:
        layout: of the cluster.
        election: which service it is.
        workers: those that run on this machine.

    Raises:
        CommandError: nothing is lost, or none of them can, or it did not come about.
    """
    deadline = time.monotonic() + PATIENCE_S
    taker: WorkerName | None = None
    said = ""
    while True:
        outcomes = _asked(layout, workers)
        # Another may not even have noticed what is lost.
        if taker in outcomes and outcomes[taker].text == NOTHING_LOST:
            say(f"{layout.cluster} {said}; what runs was left as it is")
            return
        for worker, outcome in outcomes.items():
            if outcome.ok:
                taker, said = worker, outcome.text
        if taker is None or time.monotonic() >= deadline:
            raise CommandError(_refusal(layout, election, list(outcomes.values())))
        time.sleep(_LOOK_S)


def _asked(layout: Layout, workers: list[WorkerName]) -> dict[WorkerName, Outcome]:
    """What they answer; none is asked after one that takes it."""
    outcomes: dict[WorkerName, Outcome] = {}
    for worker in workers:
        try:
            answer = ask(layout.api_socket(worker), "POST", "/v1/begin-anew")
            outcomes[worker] = outcome_of(answer)
        except NoAnswer:
            continue
        if outcomes[worker].ok:
            break
    return outcomes


def _refusal(layout: Layout, election: str, outcomes: list[Outcome]) -> str:
    name, otherwise = layout.cluster, f'see docs/{election}.md, "has lost data"'
    if any(outcome.ok for outcome in outcomes):
        return f"{name} is not begun anew yet: {election} did not take it in time\nask again"
    reasons = [outcome.text for outcome in outcomes if outcome.text != NOTHING_LOST]
    if reasons:
        return (
            f"{name} cannot be begun anew here: {reasons[0]}\nask on another host, or {otherwise}"
        )
    if outcomes:
        return (
            f"{name}: {NOTHING_LOST}, as far as this host has seen\n"
            "look at it with: interrex status; where that knows better, ask on another host"
        )
    return (
        f"{name} cannot be begun anew here: what {election} has lost only workers know that ran "
        f"when it did,\nand none runs here: {otherwise}"
    )
