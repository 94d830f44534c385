"""Stops replicas that no worker looks after: what ``down`` does when their workers are dead.

The same rules as a worker's: the record's lock is held, the process is proved to be the recorded
one before it is signalled, the whole group gets the signal, and what it leaves behind is swept.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from interrex.core.ids import BALANCER, HostName, SlotName, service_of, slot_order
from interrex.runtime.adoption import open_recorded, rebuild_record
from interrex.runtime.layout import Layout
from interrex.runtime.pidfd import (
    ProcessIdentity,
    is_dead,
    open_pidfd,
    send_signal,
    signal_group,
)
from interrex.runtime.procfs import all_instances, all_pids, find_instances, instance_of
from interrex.runtime.records import (
    CorruptRecord,
    Instances,
    LockedRecord,
    ReplicaRecord,
    lock_record,
)

KILL_LIMIT_S = 10.0
"""How long killed processes are waited for (one in an uninterruptible wait may not die)."""


class _Leftover(msgspec.Struct):
    """A recorded process that lives; ``deadline`` (monotonic) is when it is killed."""

    record: ReplicaRecord
    pid: int
    pidfd: int
    deadline: float = 0.0

    def stop(self) -> None:
        """Ask it to end, as its service wants to be asked."""
        self.deadline = time.monotonic() + self.record.stop_timeout
        number = signal.Signals[self.record.stop_signal]
        if service_of(self.record.slot) == BALANCER:
            send_signal(self.pidfd, number)  # it passes it on itself: twice would cut requests off
        else:
            signal_group(self.pidfd, self.pid, number)

    def kill(self) -> None:
        signal_group(self.pidfd, self.pid, signal.SIGKILL)


def stop_leftovers(layout: Layout, host: HostName, tell: Callable[[str], None]) -> list[str]:
    """Stop every replica of a host that no worker holds: balancers first.

    Those of which the records are lost are found by their instance ids.

    Blocks for at most the longest stop time-out and a little more. Interrupted, it can be called
    again.

    Args:
        layout: of the cluster, which nobody is starting.
        host: which of its hosts this machine is.
        tell: hears what is done, a line each.

    Returns:
        What could not be stopped, a sentence each.
    """
    folder = layout.host(host) / "replicas"
    slots = _slots(layout, host)
    if not slots:
        return []
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    locks: dict[SlotName, LockedRecord] = {}
    problems = []
    try:
        for slot in slots:
            lock = lock_record(folder, slot)
            if lock is None:
                problems.append(f"{slot} is still held by a worker")
            else:
                locks[slot] = lock
        _stop_all(layout, host, locks, tell)
        if not problems:  # a worker's processes are its own to stop
            problems += _sweep(layout, host)
        if not problems:  # what ended because it was asked to is not found dead by the next worker
            for lock in locks.values():
                lock.delete()
    finally:
        for lock in locks.values():
            lock.close()
    return problems


def _slots(layout: Layout, host: HostName) -> list[SlotName]:
    """Those that have a record here, and those of which something runs."""
    folder = layout.host(host) / "replicas"
    mark = Instances(layout.host(host)).prefix(SlotName(""))
    recorded = {SlotName(path.name) for path in folder.iterdir()} if folder.is_dir() else set()
    running = {
        SlotName(instance.partition(mark)[0]) for _, instance in all_instances() if mark in instance
    }
    return sorted(recorded | running, key=slot_order)


def _stop_all(
    layout: Layout,
    host: HostName,
    locks: dict[SlotName, LockedRecord],
    tell: Callable[[str], None],
) -> None:
    instances = Instances(layout.host(host))
    balancers = [slot for slot in locks if service_of(slot) == BALANCER]
    others = [slot for slot in locks if service_of(slot) != BALANCER]
    for group in (balancers, others):
        found = (_find(slot, locks[slot], instances, layout.host(host) / "logs") for slot in group)
        leftovers = [leftover for leftover in found if leftover is not None]
        for leftover in leftovers:
            tell(f"stopping {leftover.record.slot} (pid {leftover.pid}), which no worker held")
            leftover.stop()
        _until_dead(leftovers, tell)


def _find(slot: SlotName, lock: LockedRecord, instances: Instances, logs: Path) -> _Leftover | None:
    """The process that a record speaks of; where it names none, found by its instance id."""
    try:
        record = lock.read()
    except CorruptRecord:
        record = None
    if record is None or record.process is None:
        prefix = record.instance if record is not None else instances.prefix(slot)
        found = find_instances(prefix)
        record = rebuild_record(slot, found, instances, logs / f"{slot}.log") or record
    if record is None or record.process is None:
        return None
    pidfd = open_recorded(record)
    return None if pidfd is None else _Leftover(record, record.process.pid, pidfd)


def _until_dead(leftovers: list[_Leftover], tell: Callable[[str], None]) -> None:
    waiting = {leftover.pidfd: leftover for leftover in leftovers}
    poll = select.poll()
    for pidfd in waiting:
        poll.register(pidfd, select.POLLIN)
    killed: set[int] = set()
    while waiting:
        now = time.monotonic()
        for pidfd, leftover in list(waiting.items()):
            if now < leftover.deadline:
                continue
            if pidfd in killed:
                poll.unregister(pidfd)
                os.close(waiting.pop(pidfd).pidfd)
                continue
            tell(
                f"{leftover.record.slot} did not stop in {leftover.record.stop_timeout:g} s: killed"
            )
            leftover.kill()
            killed.add(pidfd)
            leftover.deadline = now + KILL_LIMIT_S
        if not waiting:
            return
        nearest = min(leftover.deadline for leftover in waiting.values())
        for pidfd, _ in poll.poll(max(0, nearest - time.monotonic()) * 1000 + 1):
            poll.unregister(pidfd)
            leftover = waiting.pop(pidfd)
            leftover.kill()  # whoever else is in its group
            os.close(pidfd)


def _sweep(layout: Layout, host: HostName) -> list[str]:
    """Kill whatever carries an instance id of this host, until nothing does."""
    mark = Instances(layout.host(host)).prefix(SlotName(""))
    deadline = time.monotonic() + KILL_LIMIT_S
    while handles := dict(_marked(mark)):
        try:
            for pidfd in handles.values():
                send_signal(pidfd, signal.SIGKILL)
            late = _late(handles, deadline)
        finally:
            for pidfd in handles.values():
                os.close(pidfd)
        if late:
            pids = ", ".join(str(pid) for pid in sorted(late))
            return [f"the processes {pids} do not die though killed: see their state in /proc"]
    return []


def _marked(mark: str) -> Iterable[tuple[int, int]]:
    """Every living process with this in its instance id, and a pidfd that is proved to be its."""
    for pid in all_pids():
        identity = ProcessIdentity.of(pid) if mark in (instance_of(pid) or "") else None
        pidfd = open_pidfd(identity) if identity is not None else None
        if pidfd is None:
            continue
        if mark in (instance_of(pid) or ""):
            yield pid, pidfd
        else:
            os.close(pidfd)


def _late(handles: dict[int, int], deadline: float) -> list[int]:
    """The pids of those that do not die in time."""
    for pidfd in handles.values():
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    return [pid for pid, pidfd in handles.items() if not is_dead(pidfd)]
