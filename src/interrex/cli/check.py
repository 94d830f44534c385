"""``interrex check``."""

from pathlib import Path
from typing import Any

import msgspec

from interrex.cli.exits import CommandError, Exit
from interrex.cli.places import Flag, HostOption
from interrex.cli.preflight import check_descriptors
from interrex.cli.report import counted
from interrex.cli.starting import choose_host
from interrex.config import Problem, check_environment
from interrex.config import check as check_file
from interrex.core.spec import ClusterSpec
from interrex.core.state import workers_of


def check(file: Path, /, *, host: HostOption = None, json: Flag = False) -> int:
    """Say whether a cluster file is in order, and what this machine lacks for it.

    Nothing is started, stopped or changed. Problems make the file unusable, notes do not.

    Example: interrex check shop.toml

    Args:
        file: The cluster file.
        host: Which of the file's hosts this machine is; by default the one of its own name.
        json: Print every problem and every note as one JSON document.
    """
    spec, problems, warnings = check_file(file)
    if spec is not None:
        name = choose_host(spec, host) if host is not None or not spec.hosts else None
        found = check_environment(spec, file, name)
        problems, warnings = found.problems, (*warnings, *found.warnings)
        problems += _too_few_descriptors(spec, file)
    if json:
        print(msgspec.json.encode(_document(file, problems, warnings)).decode())
    else:
        for warning in warnings:
            print(f"note: {warning}")
        for problem in problems:
            print(problem)
        if spec is not None and not problems:
            print(f"{file} is in order: {_summary(spec)}")
    return Exit.USAGE if problems else Exit.OK


def _too_few_descriptors(spec: ClusterSpec, file: Path) -> tuple[Problem, ...]:
    try:
        check_descriptors(spec)
    except CommandError as error:
        return (Problem(str(file), 0, 0, "", str(error).replace("\n", "; ")),)
    return ()


def _document(
    file: Path, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]
) -> dict[str, Any]:
    return {"file": str(file), "ok": not problems, "problems": problems, "warnings": warnings}


def _summary(spec: ClusterSpec) -> str:
    replicas = sum(service.replicas for service in spec.services.values())
    parts = [
        f"cluster {spec.name}",
        *([counted(len(spec.hosts), "host")] if spec.hosts else []),
        counted(len(workers_of(spec)), "worker"),
        counted(len(spec.services), "service"),
        counted(replicas, "replica"),
    ]
    return ", ".join(parts)
