"""Which cluster a command means, and the options by which it is told."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from interrex.cli.exits import CommandError, Exit
from interrex.cli.names import meant
from interrex.runtime.layout import Layout, state_root

StateOption = Annotated[Path | None, Parameter(name="--state", metavar="DIR")]
ClusterOption = Annotated[str | None, Parameter(name="--cluster", metavar="NAME")]
HostOption = Annotated[str | None, Parameter(name="--host", metavar="NAME")]
TargetName = Annotated[str, Parameter(name="SERVICE[.N]")]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]


def clusters_in(root: Path) -> list[str]:
    """The clusters that were ever started in a state folder and not removed.

    One whose genesis is lost is found by the workers' copies of it, or by what runs.
    """
    if not root.is_dir():
        return []
    founded = {path.parent.name for path in root.glob("*/genesis.json")}
    copied = {path.parents[2].name for path in root.glob("*/workers/*/genesis.json")}
    running = {*running_clusters(root), *_unsupervised(root, founded | copied)}
    return sorted(founded | copied | running)


def running_clusters(root: Path) -> list[str]:
    """Those of them that have a living worker."""
    from interrex.runtime.worker_processes import worker_processes

    return sorted({process.cluster for process in worker_processes(root)})


def _unsupervised(root: Path, known: set[str]) -> set[str]:
    """The folders that no genesis tells of, and a record there tells of a living process."""
    others = {path.parent.name for path in root.glob("*/hosts")} - known
    return {name for name in others if _runs_on(Layout(root, name))}


def _runs_on(layout: Layout) -> bool:
    """Whether a replica of a cluster lives, its folder being lost or not."""
    from interrex.runtime.unsupervised import replicas_here

    return any(found.alive for found in replicas_here(layout))


def find_cluster(state: Path | None, cluster: str | None) -> Layout:
    """The cluster that is named, or the only one, or the only one that runs.

    Raises:
        CommandError: there is none, or several.
    """
    root = state_root(state)
    known = clusters_in(root)
    if (cluster is not None and cluster not in known) or not known:
        _refuse_foreign(root, cluster)
    if cluster is not None:
        return _named(root, cluster, known)
    if not known:
        raise CommandError(
            f"there is no cluster in {root}\nstart one with: interrex up FILE", Exit.NO_CLUSTER
        )
    running = known if len(known) == 1 else running_clusters(root)
    if len(running) == 1:
        return Layout(root, running[0])
    if not running:
        text = f"no cluster is running in {root}; there are: {', '.join(known)}"
    else:
        text = f"several clusters are running: {', '.join(running)}"
    raise CommandError(f"{text}\nsay which one with --cluster NAME", Exit.NO_CLUSTER)


def _refuse_foreign(root: Path, cluster: str | None) -> None:
    """Raises CommandError where a folder that may be meant is somebody else's, and closed to us."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if cluster not in (None, folder.name) or not folder.is_dir():
            continue
        owner = folder.stat().st_uid
        if owner != os.geteuid() and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
            raise CommandError(
                f"{folder} belongs to uid {owner}, and you are uid {os.geteuid()}: it cannot be "
                "read\nask as its owner, or choose another folder with --state DIR"
            )


def _named(root: Path, cluster: str, known: list[str]) -> Layout:
    if cluster in known or _runs_on(Layout(root, cluster)):
        return Layout(root, cluster)
    there = f"there are: {', '.join(known)}" if known else "start one with: interrex up FILE"
    raise CommandError(
        f"there is no cluster {cluster} in {root}{meant(cluster, known)}\n{there}", Exit.NO_CLUSTER
    )


def check_writable(path: Path | None) -> None:
    """Before hours are spent on what could not be kept.

    Raises:
        CommandError: there can be no such file.
    """
    if path is None:
        return
    try:
        is_new = not path.exists()
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", Exit.USAGE) from error
