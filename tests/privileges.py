"""What the tests may do, which is not the same for root and for the root of a user namespace."""

import os
from pathlib import Path

NOBODY = 65534


def may_become(uid: int) -> bool:
    """Whether this process can become that user: only root can, of those its namespace knows."""
    if os.geteuid() != 0:
        return False
    rows = [map(int, row.split()) for row in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= uid < first + count for first, _, count in rows)
