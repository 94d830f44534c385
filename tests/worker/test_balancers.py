"""What is told to the balancers of a host, and what becomes of it."""

from interrex.core.ids import BALANCER, slot_name
from interrex.core.replicas import ReplicaReport, ReplicaState
from interrex.core.routes import RouteTable
from interrex.core.time import S
from interrex.worker.balancers import RETRY_AFTER, Balancers
from interrex.worker.interface import RoutesFollowed

SLOT = slot_name(BALANCER, 0)
TABLE = RouteTable(1, 7)
TAKEN = "web cannot be reached: another program listens on port 80"


def told() -> Balancers:
    """One running balancer that was just told a table."""
    balancers = Balancers()
    balancers.command(TABLE)
    own = ReplicaReport(SLOT, ReplicaState.READY, 1, 9000, 77, 1, 0, False, "", 0)
    assert [effect.slot for effect in balancers.tell((own,), [], S)] == [SLOT]
    return balancers


def followed(left_out: str = "", problem: str = "") -> RoutesFollowed:
    return RoutesFollowed(SLOT, 1, TABLE, (), problem, left_out)


def test_a_table_followed_but_for_a_taken_port_is_confirmed_and_told_again_later() -> None:
    """Whoever waits for the other services' routes must not wait for a stranger."""
    balancers = told()
    assert balancers.followed(followed(left_out=TAKEN), 2 * S)
    assert [report.version for report in balancers.reports] == [7]
    assert balancers.wake_at == 2 * S + RETRY_AFTER


def test_a_table_that_is_not_followed_is_not_confirmed() -> None:
    balancers = told()
    assert not balancers.followed(followed(problem="it does not answer"), 2 * S)
    assert balancers.reports == ()
    assert balancers.wake_at == 2 * S + RETRY_AFTER


def test_a_taken_port_is_noted_once_and_so_is_its_end() -> None:
    balancers = told()
    notes = []
    for left_out in (TAKEN, TAKEN, "", ""):
        notes += balancers.notes(followed(left_out=left_out))
        balancers.followed(followed(left_out=left_out), 2 * S)
    assert [(note.kind, note.text) for note in notes] == [
        ("balancer.ports", TAKEN),
        ("balancer.ports", "every exposed port is open again"),
    ]
