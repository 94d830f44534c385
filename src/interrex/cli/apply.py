"""``interrex apply``."""

from pathlib import Path

from interrex.cli.changes import asked_spec, running_status, submit
from interrex.cli.exits import CommandError, Exit
from interrex.cli.places import Flag, HostOption, StateOption, find_cluster
from interrex.cli.preflight import check_machine, check_resources
from interrex.cli.starting import choose_host, read_spec
from interrex.config import Difference, difference
from interrex.core.state import ApplySpec


def apply(
    file: Path,
    /,
    *,
    dry_run: Flag = False,
    host: HostOption = None,
    state: StateOption = None,
) -> int:
    """Bring a running fleet in line with its file, one replica at a time.

    What would change is shown first. A file with an error, or with a change that a running fleet
    cannot take, is refused whole, and what runs is untouched.

    Example: interrex apply shop.toml --dry-run

    Args:
        file: The cluster file; the name in it says which cluster is meant.
        dry_run: Only show what would change.
        host: Which of the file's hosts this machine is; by default the one of its own name.
        state: The folder of all clusters' states; by default $INTERREX_STATE or the user's own.
    """
    spec = read_spec(file)
    layout = find_cluster(state, spec.name)
    here = choose_host(spec, host)
    status = running_status(layout)
    asked = asked_spec(layout, status)
    found = difference(asked.spec, spec)
    refused = [one for one in found if one.refused]
    if refused:
        _refuse(file, refused)
    if not found and (asked.proved or dry_run):
        print(f"nothing to change: {layout.cluster} is asked for just what {file} says")
        return Exit.OK
    for warning in check_machine(spec, str(file), here):
        print(f"note: {warning}")
    check_resources(layout, spec, here)
    if not found:
        print("no leader could be asked what would change: handing in the whole file", flush=True)
    for one in found:
        print(one, flush=True)
    if dry_run:
        print("nothing was changed (--dry-run)")
        return Exit.OK
    index = submit(layout, status, [ApplySpec(spec)])
    if status.remains:
        print(f"note: {status.remains}")
    print(f"taken as change {index}; watch it with: interrex events -f --cluster {layout.cluster}")
    return Exit.OK


def _refuse(file: Path, refused: list[Difference]) -> None:
    reasons = "\n".join(map(str, refused))
    raise CommandError(f"{file} is refused whole; nothing was changed\n{reasons}", Exit.USAGE)
