"""Starting this machine's part of a cluster: founding it, launching its workers."""

import os
import signal
import socket
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from interrex.cli.asking import status_of_cluster
from interrex.cli.command_lock import only_command
from interrex.cli.exits import CommandError, Exit
from interrex.cli.lost_data import begin_service_anew
from interrex.cli.majority import explained, lost_majority
from interrex.cli.names import meant
from interrex.cli.preflight import check_machine, check_resources
from interrex.cli.taking_down import anything_runs, end_all, see_out
from interrex.cli.terminal import say
from interrex.config import ConfigError, check
from interrex.config.values import show_size
from interrex.core.ids import HostName, WorkerName
from interrex.core.spec import COORDINATED, ClusterSpec, hosts_of
from interrex.core.state import workers_of
from interrex.runtime.beginning_anew import begin_anew, objection
from interrex.runtime.disk_file import DiskFull
from interrex.runtime.founding import found_cluster
from interrex.runtime.genesis import (
    Genesis,
    is_damaged,
    known_genesis,
    newest_copy,
    read_genesis,
    write_genesis,
)
from interrex.runtime.last_state import last_state, was_used
from interrex.runtime.launching import launch_worker
from interrex.runtime.layout import Layout, state_root
from interrex.runtime.worker_processes import WorkerProcess, worker_processes


class Plan(NamedTuple):
    """What to start: a checked file, and which part of it is this machine's."""

    file: Path
    spec: ClusterSpec
    layout: Layout
    host: HostName

    @property
    def name(self) -> str:
        """The cluster's."""
        return self.spec.name


class Begun(NamedTuple):
    """What was found and done: ``running`` before, ``launched`` now, ``new`` cluster or not."""

    new: bool
    running: bool
    launched: list[WorkerName]


def read_plan(file: Path, state: Path | None, host: str | None) -> Plan:
    """Check a file and whose part of it this is; warnings are printed.

    Raises:
        CommandError: the file cannot be used, or no such host is in it.
    """
    spec = read_spec(file)
    layout = Layout(state_root(state), spec.name)
    return Plan(file, spec, layout, choose_host(spec, host))


def read_spec(file: Path) -> ClusterSpec:
    """The checked file; its warnings go to standard error.

    Raises:
        CommandError: everything that is wrong with it.
    """
    checked = check(file)
    if checked.spec is None:
        raise CommandError(str(ConfigError(checked.problems)), Exit.USAGE)
    for warning in checked.warnings:
        say(f"note: {warning}")
    return checked.spec


def choose_host(spec: ClusterSpec, named: str | None) -> HostName:
    """The host of the file that this machine is: as named, else by its own name, else the only one.

    Raises:
        CommandError: it is none of them.
    """
    known = [host.name for host in hosts_of(spec)]
    if not spec.hosts:
        if named not in (None, known[0]):
            raise CommandError("this file lists no hosts\nleave --host out", Exit.USAGE)
        return known[0]
    wanted = named or socket.gethostname().partition(".")[0]
    if wanted in known:
        return HostName(wanted)
    if named is None and len(known) == 1:
        return known[0]
    raise CommandError(
        f"the file lists no host {wanted}{meant(wanted, known)}\n"
        f"say which one this machine is with --host: {', '.join(known)}",
        Exit.USAGE,
    )


def begin(plan: Plan, anew: bool = False) -> Begun:
    """Make what is missing and launch this machine's workers; two at once do no harm.

    Args:
        plan: what to start.
        anew: although so much is lost that nobody can be elected: go on with what is left.

    Raises:
        InterrexError: it cannot be started here; what runs goes on running.
    """
    layout = plan.layout
    layout.make()
    with only_command(layout, f"up {plan.file}"):
        if layout.stopping.exists():
            _resume(layout, _running(plan))
        running = _running(plan)
        if anew:
            _begin_anew(plan, running)
        new = _is_new(plan)
        if not running:
            for warning in check_machine(plan.spec, str(plan.file), plan.host):
                say(f"note: {warning}")
            check_resources(layout, plan.spec, plan.host)
        if new:
            _found(plan)
        else:
            refuse_without_majority(plan)
        for marker in (layout.stopping, layout.stopped):
            marker.unlink(missing_ok=True)
        launched = launch_all(plan)
        return Begun(new, bool(running), launched)


def _found(plan: Plan) -> None:
    try:
        found_cluster(plan.layout, plan.spec, plan.host)
    except DiskFull as full:
        raise CommandError(
            f"{full.path}: no space for {show_size(full.wanted_bytes)} that the election's log "
            f"reserves\nfree some on that disk, and start again: interrex up {plan.file}"
        ) from full


def _is_new(plan: Plan) -> bool:
    """Whether the cluster was never founded; a lost genesis is restored from a worker's copy.

    Raises:
        CommandError: it was, and what it began with is lost.
    """
    layout = plan.layout
    damaged = is_damaged(layout.genesis)
    if layout.genesis.exists() and not damaged:
        return False
    copy = newest_copy(layout)
    if copy is not None:
        write_genesis(layout.genesis, copy)
        what = "was damaged" if damaged else "was lost"
        say(f"{layout.genesis} {what}: restored from a worker's copy")
        return False
    if damaged:
        return False  # whoever reads it says what to do
    if anything_runs(layout) or any(map(was_used, map(layout.store, layout.worker_names()))):
        raise CommandError(
            f"{plan.name} was founded here, and {layout.genesis} is lost with every copy of it: "
            f"no worker can start\nrestore the file from a backup, or {_otherwise(plan)}"
        )
    return True


def _otherwise(plan: Plan) -> str:
    """What to do instead of restoring what the cluster began with."""
    if objection(plan.spec):
        return f"take it down: interrex down --cluster {plan.name} --purge --yes"
    return f"go on with what runs: interrex up {plan.file} --anew"


def refuse_without_majority(plan: Plan) -> None:
    """Raises CommandError where so many logs are lost that nobody can ever be elected."""
    lost = lost_majority(plan.layout)
    if lost:
        raise CommandError(explained(lost, str(plan.file)))


def _begin_anew(plan: Plan, running: list[WorkerProcess]) -> None:
    """Raises CommandError where it cannot be, or where nothing is lost that would ask for it."""
    layout = plan.layout
    genesis = known_genesis(layout)
    spec = plan.spec if genesis is None else genesis.spec
    if spec.election in COORDINATED:
        begin_service_anew(layout, spec.election, [process.worker for process in running])
        return
    reason = objection(spec)
    if reason:
        raise CommandError(reason)
    if genesis is not None and not lost_majority(layout):
        raise CommandError(
            f"{plan.name} has lost nothing that it could not go on without\n"
            f"start it, or look at it, with: interrex up {plan.file}"
        )
    end_all(running)
    kept, strangers = begin_anew(layout, plan.spec, plan.host)
    say(f"{plan.name} is begun anew; running and kept: {', '.join(kept) or 'nothing'}")
    if strangers:
        say(f"running, but of no service in {plan.file}: {', '.join(strangers)}")


def launch_all(plan: Plan) -> list[WorkerName]:
    """Start every worker of this host that does not live, but none that is asked for no more: the
    folders of these stay.

    The workers inherit nothing of this command: no descriptor, no folder, no terminal.
    """
    genesis = read_genesis(plan.layout.genesis)
    alive = {process.worker for process in _running(plan)}
    here = workers_here(plan.layout, genesis, plan.host)
    missing = [name for name in here if name not in alive]
    if missing:
        asked_for = _asked_for(plan.layout, genesis, here, bool(alive))
        missing = [name for name in missing if name in asked_for]
    _let_go()
    return [
        worker for worker in missing if launch_worker(plan.layout, worker, plan.host) is not None
    ]


def _asked_for(
    layout: Layout, genesis: Genesis, here: list[WorkerName], answers: bool
) -> Collection[WorkerName]:
    """The workers of a fleet that has a leader; else those of the newest state in their logs.

    Such a state may be old. Whoever it lacks wrongly is started by the leader, if anybody here is
    there to do it: so where it names nobody here, all are asked for.

    Args:
        here: the host's workers, as ``workers_here`` has them.
        answers: whether any of them lives.
    """
    status = status_of_cluster(layout) if answers else None
    if status is not None and status.leader is not None:
        return {worker.name for worker in status.workers}
    state = last_state(layout, genesis)
    is_known = state.index > 0 and any(name in state.workers for name in here)
    return state.workers if is_known else here


def workers_here(layout: Layout, genesis: Genesis, host: HostName) -> list[WorkerName]:
    """The host's workers: those that the cluster began with, and those that have a folder."""
    began = {name for name, home in workers_of(genesis.spec).items() if home == host}
    prefix = host if genesis.spec.hosts else "worker"
    later = {name for name in layout.worker_names() if name.rpartition("-")[0] == prefix}
    return sorted(began | later, key=lambda name: int(name.rpartition("-")[2]))


def _running(plan: Plan) -> list[WorkerProcess]:
    found = worker_processes(plan.layout.root, plan.layout.cluster)
    return [process for process in found if process.host == plan.host]


def _resume(layout: Layout, running: list[WorkerProcess]) -> None:
    """A `down` was interrupted: see those out that it may have asked to leave, then start anew.

    They cannot be asked whether they are leaving: its question may be on its way.
    """
    name = layout.cluster
    say(
        f"an interrupted `down` has left {name} half stopped; starting it again "
        f"(to finish it instead: interrex down --cluster {name})"
    )
    see_out(layout, running, say)


def _let_go() -> None:
    """What this command was given must not stay open in processes that outlive it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for the workers
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.path.exists(f"/proc/self/fd/{name}"):
            os.set_inheritable(int(name), False)
