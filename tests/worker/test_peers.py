"""What a peer's report says that the one before did not."""

import msgspec

from interrex.core.ids import HostName, SlotName, WorkerName
from interrex.core.messages import BalancerReport, Report
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.worker.peers import News, Peers

ME, PEER, HOST = WorkerName("worker-1"), WorkerName("worker-2"), HostName("local")
WEB = ReplicaReport(SlotName("web.0"), ReplicaState.RUNNING, 1, 9000, 7, 1, 0, False, "", 0)
REPORT = Report(HOST, 5, 1, (WEB,), (), False)


def heard() -> Peers:
    peers = Peers(ME, HOST, 1, 0)
    peers.joined(PEER, HOST, 2, 0)
    assert peers.reported(PEER, REPORT) is News.REPLICAS
    return peers


def newer(**changes: object) -> Report:
    return msgspec.structs.replace(REPORT, version=2, **changes)


def test_a_report_that_was_heard_already_is_no_news() -> None:
    peers = heard()
    assert peers.reported(PEER, REPORT) is News.NONE
    assert peers.reported(WorkerName("stranger"), REPORT) is News.NONE


def test_what_a_balancer_follows_is_told_from_how_replicas_stand() -> None:
    peers = heard()
    follows = newer(balancers=(BalancerReport(SlotName("balancer.0"), 1, 1),))
    assert peers.reported(PEER, follows) is News.BALANCERS
    assert peers.reports(HOST) == [follows]


def test_a_replica_that_stands_otherwise_is_news_to_all() -> None:
    peers = heard()
    ready = msgspec.structs.replace(WEB, state=ReplicaState.READY)
    assert peers.reported(PEER, newer(replicas=(ready,))) is News.REPLICAS


def test_who_leaves_or_cannot_write_is_news_to_all() -> None:
    assert heard().reported(PEER, newer(leaving=True)) is News.REPLICAS
    assert heard().reported(PEER, newer(disk_full=True)) is News.REPLICAS
