"""What the files of a cluster tell when no worker answers: "running, unsupervised".

Nothing is locked, asked or changed: this only reads.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from interrex.core.ids import (
    BALANCER,
    HostName,
    ServiceName,
    SlotName,
    WorkerName,
    service_of,
    slot_order,
)
from interrex.core.replicas import ReplicaState
from interrex.core.spec import LOCAL_HOST, ClusterSpec
from interrex.core.state import workers_of
from interrex.elections.guarantees import guarantees_of
from interrex.runtime.adoption import is_recorded_process, rebuild_record
from interrex.runtime.haproxy_files import BalancerFiles
from interrex.runtime.journal import read_events
from interrex.runtime.layout import Layout
from interrex.runtime.procfs import all_instances
from interrex.runtime.records import CorruptRecord, Instances, ReplicaRecord, read_record
from interrex.runtime.worker_processes import WorkerProcess
from interrex.worker.status import (
    BalancerStatus,
    ReplicaStatus,
    ServiceStatus,
    Status,
    WorkerStatus,
    show_address,
)

UNSUPERVISED = "no worker looks after it"
_NOBODY = WorkerName("")


class Found(NamedTuple):
    """A replica's record, and whether the process that it speaks of lives."""

    host: HostName
    record: ReplicaRecord
    alive: bool

    @property
    def pid(self) -> int | None:
        """The process's pid, None when it is dead."""
        process = self.record.process
        return process.pid if self.alive and process is not None else None


def replica_folder(layout: Layout, host: HostName) -> Path:
    """Where a host's replica records lie."""
    return layout.host(host) / "replicas"


def hosts_here(layout: Layout) -> list[HostName]:
    """The hosts that have files in this cluster's folder: nearly always one."""
    folder = layout.home / "hosts"
    return sorted(HostName(path.name) for path in folder.iterdir()) if folder.is_dir() else []


def recorded_replicas(layout: Layout) -> list[Found]:
    """Every slot that has a record here, in order; records that make no sense are left out."""
    found = []
    for host in hosts_here(layout):
        folder = replica_folder(layout, host)
        for path in folder.iterdir() if folder.is_dir() else []:
            try:
                record = read_record(path)
            except (CorruptRecord, FileNotFoundError):
                continue
            if record is not None:
                found.append(Found(host, record, is_recorded_process(record)))
    return sorted(found, key=lambda one: (one.host, slot_order(one.record.slot)))


def replicas_here(layout: Layout, hosts: Iterable[HostName] = ()) -> list[Found]:
    """The same, and what runs of slots whose records are lost: found by its instance ids.

    Args:
        layout: of the cluster.
        hosts: that are known beside those with files here; where none is, it is the one of a
            cluster whose file lists none.
    """
    found = recorded_replicas(layout)
    recorded = {(one.host, one.record.slot) for one in found}
    running = all_instances()
    for host in {*hosts, *hosts_here(layout)} or {LOCAL_HOST}:
        instances = Instances(layout.host(host))
        pids: dict[SlotName, list[int]] = {}
        for pid, instance in running:
            slot, mark, _ = instance.partition(instances.prefix(SlotName("")))
            if mark and (host, slot) not in recorded:
                pids.setdefault(SlotName(slot), []).append(pid)
        logs = layout.host(host) / "logs"
        records = [
            rebuild_record(slot, pids[slot], instances, logs / f"{slot}.log") for slot in pids
        ]
        found += [Found(host, record, alive=True) for record in records if record is not None]
    return sorted(found, key=lambda one: (one.host, slot_order(one.record.slot)))


def highest_epoch(layout: Layout) -> int:
    """The highest that replicas, balancers' files or events tell of."""
    found = [one.record.epoch for one in recorded_replicas(layout)]
    for path in layout.home.glob(f"hosts/*/balancer/{BALANCER}.*"):
        followed = BalancerFiles(path).followed()
        found.append(0 if followed is None else followed[0])
    events = read_events([layout.events(worker) for worker in layout.worker_names()])
    found += [event.epoch or 0 for event in events]
    return max(found, default=0)


def status_from_files(
    layout: Layout, spec: ClusterSpec, processes: list[WorkerProcess], now: float | None = None
) -> Status:
    """The status document without any worker's word.

    Args:
        layout: of the cluster.
        spec: the newest that is known.
        processes: of workers that live but do not answer.
        now: the wall clock, in seconds.
    """
    replicas = replicas_here(layout, {process.host for process in processes})
    at = time.time() if now is None else now
    workers = workers_of(spec) | {process.worker: process.host for process in processes}
    return Status(
        cluster=spec.name,
        election=spec.election,
        epoch=highest_epoch(layout),
        leader=None,
        age_s=0.0,
        source=None,
        supervised=False,
        workers=[
            _worker(layout, name, host, processes, at) for name, host in sorted(workers.items())
        ],
        services=_services(spec, replicas),
        balancer=[_balancer(found) for found in replicas if _service_of(found) == BALANCER],
        caution=guarantees_of(spec).caution,
    )


def _worker(
    layout: Layout, name: WorkerName, host: HostName, processes: list[WorkerProcess], now: float
) -> WorkerStatus:
    """Heard of when it last noted an event."""
    pid = next((p.identity.pid for p in processes if p.worker == name), None)
    events = layout.events(name)
    heard = now - events.stat().st_mtime if events.exists() else 0.0
    return WorkerStatus(
        name=name,
        host=host,
        pid=pid,
        state="lost" if pid is None else "silent",
        votes=True,
        heard_s=round(max(heard, 0.0), 3),
    )


def _services(spec: ClusterSpec, replicas: list[Found]) -> dict[ServiceName, ServiceStatus]:
    """Those that are asked for, and those of which something still runs.

    ``ready`` is 0: nobody asks the replicas for their health.
    """
    running = {_service_of(found) for found in replicas if found.alive}
    services = {}
    for name in sorted({*spec.services, *running} - {BALANCER}):
        service = spec.services.get(name)
        services[name] = ServiceStatus(
            desired=service.replicas if service is not None else 0,
            ready=0,
            expose=show_address(service.expose) if service is not None else None,
            replicas=[_replica(found) for found in replicas if _service_of(found) == name],
        )
    return services


def _replica(found: Found) -> ReplicaStatus:
    return ReplicaStatus(
        name=found.record.slot,
        host=found.host,
        pid=found.pid,
        port=found.record.port,
        state=_state(found),
        worker=_NOBODY,
        restarts=0,
        crash_looping=False,
        reason=UNSUPERVISED if found.alive else "",
    )


def _balancer(found: Found) -> BalancerStatus:
    return BalancerStatus(
        name=found.record.slot,
        host=found.host,
        pid=found.pid,
        state=_state(found),
        worker=_NOBODY,
        restarts=0,
        routes=None,
    )


def _service_of(found: Found) -> ServiceName:
    return service_of(found.record.slot)


def _state(found: Found) -> str:
    return "unsupervised" if found.alive else ReplicaState.STOPPED
