"""Percentiles, and the machine that they were measured on."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summary(values: Sequence[float], unit: str = "ms") -> str:
    """p50, p95, p99 and the worst of some measurements."""
    p50, p95, p99 = (percentile(values, share) for share in (0.5, 0.95, 0.99))
    return (
        f"p50 {p50:.2f} {unit}, p95 {p95:.2f}, p99 {p99:.2f}, worst {max(values):.2f}"
        f" (n={len(values)})"
    )


def machine(*packages: str) -> str:
    """This machine, Python and the versions of some packages, in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{cores} x {model}, Linux {platform.release()}, Python {platform.python_version()}"
        f"{', ' + versions if versions else ''}"
    )
