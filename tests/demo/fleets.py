"""Status documents for the demo's tests: three workers, three replicas, two balancers."""

from interrex.core.ids import HostName, ServiceName, SlotName, WorkerName
from interrex.demo.faults import SERVICE
from interrex.worker.status import (
    BalancerStatus,
    ReplicaStatus,
    ServiceStatus,
    Status,
    WorkerStatus,
)

HOST = HostName("local")


def whole_fleet(leader: str = "worker-2", epoch: int = 1) -> Status:
    """Workers have the pids 11 to 13, replicas 20 to 22, balancers 30 and 31."""
    workers = [
        WorkerStatus(
            name=WorkerName(f"worker-{number}"),
            host=HOST,
            pid=10 + number,
            state="leading" if leader == f"worker-{number}" else "following",
            votes=True,
            heard_s=0.0,
        )
        for number in (1, 2, 3)
    ]
    replicas = [
        ReplicaStatus(
            name=SlotName(f"{SERVICE}.{number}"),
            host=HOST,
            pid=20 + number,
            port=31800 + number,
            state="ready",
            worker=WorkerName(f"worker-{number + 1}"),
            restarts=0,
            crash_looping=False,
            reason="",
        )
        for number in range(3)
    ]
    balancers = [
        BalancerStatus(
            name=SlotName(f"balancer.{number}"),
            host=HOST,
            pid=30 + number,
            state="ready",
            worker=WorkerName(f"worker-{number + 1}"),
            restarts=0,
            routes=(1, 1),
        )
        for number in range(2)
    ]
    service = ServiceStatus(desired=3, ready=3, expose="127.0.0.1:8080", replicas=replicas)
    return Status(
        cluster="demo",
        election="raft",
        epoch=epoch,
        leader=WorkerName(leader),
        age_s=0.0,
        source=WorkerName(leader),
        supervised=True,
        workers=workers,
        services={ServiceName(SERVICE): service},
        balancer=balancers,
    )
