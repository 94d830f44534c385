"""Whom there is, as a host's workers last knew it: a hint for one of them that has lost its log.

Anybody who can write it can also replace a worker's log; who is on another host has to prove by its
certificate that it belongs to the cluster, whatever is said here.
"""

import logging
import os
from pathlib import Path

import msgspec

from interrex.core.messages import Known

_log = logging.getLogger(__name__)


def read_known(path: Path) -> Known | None:
    """What was kept last, None where there is nothing or nothing of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Known)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def keep_known(path: Path, known: Known) -> None:
    """Keep it unless something newer is kept. It is there whole or not at all, but not synced."""
    kept = read_known(path)
    if kept is not None and kept.index >= known.index:
        return
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        temporary.write_bytes(msgspec.json.encode(known))
        temporary.replace(path)
    except OSError as error:  # a full disk is no reason not to run
        _log.warning("%s is not kept: %s", path, error)
        temporary.unlink(missing_ok=True)
