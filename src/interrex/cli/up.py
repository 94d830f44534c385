"""``interrex up``."""

import time
from pathlib import Path

from interrex.cli.asking import status_of_cluster
from interrex.cli.changes import asked_spec, submit
from interrex.cli.command_lock import only_command
from interrex.cli.dismissed import WHAT_NEXT, all_dismissed, workers_there
from interrex.cli.down import stop
from interrex.cli.exits import CommandError, Exit
from interrex.cli.places import Flag, HostOption, StateOption
from interrex.cli.starting import Begun, Plan, begin, launch_all, read_plan, refuse_without_majority
from interrex.cli.terminal import say
from interrex.cli.values import DurationOption, seconds_of
from interrex.cli.watching import (
    Gone,
    guard_workers,
    new_screen,
    ready_line,
    wait_ready,
    was_brought_down,
    watch,
)
from interrex.config import Difference, difference
from interrex.core.state import ApplySpec
from interrex.runtime.unsupervised import replicas_here
from interrex.worker.status import Status

SECOND_THOUGHTS_S = 2.0
"""How long (s) after the first Ctrl-C a second one still leaves the fleet running."""
LEADER_LIMIT_S = 30.0
SHOW_LIMIT_S = 5.0
"""How long (s) a leader is waited for where the file is compared only to show the difference."""
_LOOK_S = 0.05
_DOUBT_S = 1.0


def up(
    file: Path,
    /,
    *,
    detach: Flag = False,
    guard: Flag = False,
    anew: Flag = False,
    timeout: DurationOption = "30s",
    host: HostOption = None,
    state: StateOption = None,
) -> int:
    """Start a fleet from its file, or watch the one that runs.

    This command only watches: killed or hung up on, it leaves the fleet running. Ctrl-C brings
    the fleet down in order, after saying so. On a fleet that runs it shows what
    `interrex apply FILE` would change; on one that was down it starts it and applies the file.

    Example: interrex up shop.toml --detach --timeout 1m

    Args:
        file: The cluster file.
        detach: Return when everything is ready (0), or after the time-out, saying what is missing
            (1); the fleet goes on in both cases.
        guard: Stay, print nothing, and start the workers again should all of them die at once;
            what `interrex install` lets systemd run.
        anew: Go on although so many workers' logs are lost that no majority is left, from what
            the file and other logs still tell, or although a coordination service has lost all,
            from what the workers know; with what runs. Later changes are forgotten.
        timeout: How long --detach waits.
        host: Which of the file's hosts this machine is; by default the one of its own name.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
    """
    timeout_s = seconds_of("--timeout", timeout)
    if guard and detach:
        raise CommandError("--guard stays and --detach returns\nleave one of them out", Exit.USAGE)
    plan = read_plan(file, state, host)
    begun = begin(plan, anew)
    _say_what_began(plan, begun)
    if guard:
        return _guard(plan, begun)
    if detach:
        return _detach(plan, begun, timeout_s)
    return _watch(plan, begun)


def _say_what_began(plan: Plan, begun: Begun) -> None:
    names = ", ".join(begun.launched)
    if begun.new:
        print(f"{plan.name} is new: starting {names}", flush=True)
    elif not begun.running:
        print(f"starting {plan.name} again: {names}", flush=True)
    elif begun.launched:
        print(f"{plan.name} is running; starting {names}, which were not", flush=True)
    else:
        print(f"{plan.name} is running", flush=True)


def _detach(plan: Plan, begun: Begun, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    try:
        _reconcile(plan, begun, timeout_s)
        missing = wait_ready(plan.layout, deadline - time.monotonic())
    except KeyboardInterrupt:
        print(f"\ninterrupted; {plan.name} goes on starting. See: interrex status")
        return Exit.INTERRUPTED
    if missing and was_brought_down(plan.layout):
        raise CommandError(
            f"{plan.name} was brought down while it was starting\n"
            f"start it again with: interrex up {plan.file}"
        )
    if missing:
        refuse_without_majority(plan)
        print(f"{plan.name} is not ready after {timeout_s:g} s; it goes on trying. Missing:")
        print("\n".join(f"  {part}" for part in missing))
        return Exit.FAILED
    status = status_of_cluster(plan.layout)
    if status is not None:
        print(ready_line(status))
    return Exit.OK


def _guard(plan: Plan, begun: Begun) -> int:
    _reconcile(plan, begun, LEADER_LIMIT_S)

    def launch() -> None:
        with only_command(plan.layout, f"up {plan.file} --guard"):
            launch_all(plan)

    guard_workers(plan.layout, plan.host, launch)
    print(_how_it_ended(plan))
    return Exit.OK


def _watch(plan: Plan, begun: Begun) -> int:
    again = f"interrex up {plan.file}"
    try:
        try:
            _reconcile(plan, begun, LEADER_LIMIT_S)
            print("Ctrl-C brings the fleet down; closing this terminal leaves it running")
            with new_screen() as screen:
                watch(plan, screen)
        except KeyboardInterrupt:
            print(
                f"\nbringing {plan.name} down in {SECOND_THOUGHTS_S:g} s; Ctrl-C again leaves it "
                "running",
                flush=True,
            )
            time.sleep(SECOND_THOUGHTS_S)
    except KeyboardInterrupt:
        print(f"\n{plan.name} goes on running. Watch it again with: {again}")
        return Exit.INTERRUPTED
    except Gone:
        return _after_the_end(plan, again)
    with only_command(plan.layout, "up, after Ctrl-C"):
        stop(plan.layout, plan.host if plan.spec.hosts else None)
    return Exit.INTERRUPTED


def _after_the_end(plan: Plan, again: str) -> int:
    if ended := _how_it_ended(plan):
        print(ended)
        return Exit.OK
    alive = sum(found.alive for found in replicas_here(plan.layout))
    raise CommandError(
        f"every worker of {plan.name} here has died; {alive} processes run on, unsupervised\n"
        f"start the workers again with: {again}"
    )


def _how_it_ended(plan: Plan) -> str:
    """How all workers here came to their end on purpose; empty where they did not."""
    if was_brought_down(plan.layout):
        return f"{plan.name} was brought down"
    here = workers_there(plan.layout, plan.host)
    return WHAT_NEXT if all_dismissed(plan.layout, here) else ""


def _reconcile(plan: Plan, begun: Begun, limit_s: float) -> None:
    """Compare the file with what the fleet is asked to be: show it, or apply it after a stop."""
    if begun.new:
        return
    if begun.running or plan.spec.hosts:  # whoever is missing may be on another machine
        limit_s = min(limit_s, SHOW_LIMIT_S)
    status = _led(plan, limit_s)
    if status is None:
        refuse_without_majority(plan)
        say("nobody leads yet, so the file cannot be compared with what runs")
        return
    found = difference(asked_spec(plan.layout, status).spec, plan.spec)
    if not found:
        return
    if begun.running or plan.spec.hosts:
        print(f"{plan.file} differs from what runs; interrex apply {plan.file} would change:")
        _show(found)
        return
    refused = [one for one in found if one.refused]
    if refused:
        say("\n".join([f"{plan.file} was not applied:", *(f"  {one}" for one in refused)]))
        return
    print(f"applying {plan.file}, which differs from what the fleet was last asked to be:")
    _show(found)
    submit(plan.layout, status, [ApplySpec(plan.spec)])


def _led(plan: Plan, limit_s: float) -> Status | None:
    """The status once somebody leads.

    Raises:
        CommandError: nobody ever can: a worker has just found out that its log is lost.
    """
    deadline = time.monotonic() + limit_s
    doubtful_at = time.monotonic() + _DOUBT_S
    while True:
        status = status_of_cluster(plan.layout)
        if status is not None and status.leader is not None:
            return status
        if time.monotonic() >= deadline:
            return None
        if time.monotonic() >= doubtful_at:
            refuse_without_majority(plan)
            doubtful_at += _DOUBT_S
        time.sleep(_LOOK_S)


def _show(found: list[Difference]) -> None:
    print("\n".join(f"  {one}" for one in found), flush=True)
