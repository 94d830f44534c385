"""Finds the living process that a record speaks of, and makes a lost record again from /proc."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from interrex.core.ids import SlotName
from interrex.runtime.pidfd import ProcessIdentity, open_pidfd
from interrex.runtime.procfs import INSTANCE_VARIABLE, environ_of, instance_of, read_stat
from interrex.runtime.records import Instances, ReplicaRecord


def open_recorded(record: ReplicaRecord) -> int | None:
    """A pidfd of the record's main process, None when it is dead or the pid is somebody else's."""
    if record.process is None:
        return None
    pidfd = open_pidfd(record.process)
    if pidfd is None:
        return None
    # Absent or unreadable proves nothing: a program may overwrite its environment with a title.
    if instance_of(record.process.pid) in {None, record.instance}:
        return pidfd
    os.close(pidfd)
    return None


def is_recorded_process(record: ReplicaRecord) -> bool:
    """Whether the record's main process lives now."""
    pidfd = open_recorded(record)
    if pidfd is None:
        return False
    os.close(pidfd)
    return True


def rebuild_record(
    slot: SlotName, found: Iterable[int], instances: Instances, log: Path
) -> ReplicaRecord | None:
    """The record of the newest incarnation among the processes found by the slot's instance ids.

    Its main process leads its session; of several session leaders (a daemon that it started may
    lead one too) it is the oldest.

    Returns:
        None when no main process is among them.
    """
    best: ReplicaRecord | None = None
    best_rank = (-1, 0)
    for pid in found:
        # The identity first: what is read afterwards fails to fit it once the pid is reused.
        identity, environment, stat = ProcessIdentity.of(pid), environ_of(pid), read_stat(pid)
        if identity is None or stat is None or environment is None or stat.session != pid:
            continue
        instance = environment[INSTANCE_VARIABLE]
        incarnation, generation = instances.counts(slot, instance)
        rank = (incarnation, -identity.start_time)
        if rank <= best_rank and best is not None:
            continue
        best_rank = rank
        best = ReplicaRecord(
            slot=slot,
            incarnation=incarnation,
            generation=generation,
            epoch=int(environment["INTERREX_EPOCH"]),
            port=int(environment["PORT"]),
            instance=instance,
            log=str(log),
            process=identity,
            written_at=time.time(),
        )
    return best
