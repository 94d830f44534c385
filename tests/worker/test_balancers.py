"""What is told to the balancers of a host, and what becomes of it."""

from interrex.core.ids import BALANCER, slot_name
from interrex.core.replicas import MAX_REASON_BYTES, ReplicaReport, ReplicaState
from interrex.core.routes import RouteTable
from interrex.core.time import S
from interrex.worker.balancers import NO_PROCESS, RETRY_AFTER, Balancers
from interrex.worker.interface import RoutesFollowed

SLOT = slot_name(BALANCER, 0)
TABLE = RouteTable(1, 7)
TAKEN = "web cannot be reached: another program listens on port 80"


def told(changes: list[str] | None = None) -> Balancers:
    """One running balancer that was just told a table."""
    balancers = Balancers(lambda: None if changes is None else changes.append("changed"))
    balancers.command(TABLE)
    assert tell(balancers, ReplicaState.READY, 1)
    return balancers


def tell(balancers: Balancers, state: ReplicaState, incarnation: int, now: int = S) -> list[int]:
    """The incarnations that are told something."""
    own = ReplicaReport(SLOT, state, 1, 9000, 77, incarnation, 0, False, "", 0)
    return [effect.incarnation for effect in balancers.tell((own,), [], now)]


def followed(left_out: str = "", problem: str = "") -> RoutesFollowed:
    return RoutesFollowed(SLOT, 1, TABLE, (), problem, left_out)


def test_a_table_followed_but_for_a_taken_port_is_confirmed_and_told_again_later() -> None:
    """Whoever waits for the other services' routes must not wait for a stranger."""
    changes: list[str] = []
    balancers = told(changes)
    balancers.followed(followed(left_out=TAKEN), 2 * S)
    assert changes
    assert [(report.version, report.left_out) for report in balancers.reports] == [(7, TAKEN)]
    assert balancers.wake_at == 2 * S + RETRY_AFTER
    balancers.followed(followed(), 3 * S)
    assert [report.left_out for report in balancers.reports] == [""]
    assert len(changes) == 2


def test_a_report_holds_no_more_of_a_reason_than_there_is_room_for() -> None:
    balancers = told()
    balancers.followed(followed(left_out="; ".join([TAKEN] * 9)), S)
    assert [len(report.left_out) for report in balancers.reports] == [MAX_REASON_BYTES]


def test_a_table_that_is_not_followed_is_not_confirmed() -> None:
    changes: list[str] = []
    balancers = told(changes)
    balancers.followed(followed(problem="it does not answer"), 2 * S)
    assert not changes
    assert balancers.reports == ()
    assert balancers.wake_at == 2 * S + RETRY_AFTER


def test_a_table_that_a_file_alone_has_is_not_confirmed_for_the_process_that_starts() -> None:
    """It may not be able to follow: a port may be taken, or be a sibling's."""
    changes: list[str] = []
    balancers = Balancers(lambda: changes.append("changed"))
    balancers.command(TABLE)
    assert tell(balancers, ReplicaState.WAITING, 4) == [NO_PROCESS]
    balancers.followed(RoutesFollowed(SLOT, NO_PROCESS, TABLE, (), "", ""), S)
    assert [report.version for report in balancers.reports] == [7]
    assert tell(balancers, ReplicaState.STARTING, 5) == [5]
    assert balancers.reports == ()
    assert len(changes) == 2


def test_a_process_that_is_being_stopped_has_to_follow_itself() -> None:
    """It may send requests until it is gone: its file alone proves nothing."""
    balancers = told()
    balancers.followed(followed(), S)
    balancers.command(RouteTable(1, 8))
    assert tell(balancers, ReplicaState.STOPPING, 1) == [1]
    balancers.followed(followed(problem="it does not answer"), S)
    assert [report.version for report in balancers.reports] == [7]
    assert tell(balancers, ReplicaState.STOPPED, 1) == [NO_PROCESS]


def test_nothing_is_confirmed_for_a_slot_whose_process_may_be_another_workers() -> None:
    balancers = Balancers(lambda: None)
    balancers.command(TABLE)
    assert tell(balancers, ReplicaState.CLAIMING, 0) == []
    assert balancers.reports == ()


def test_a_process_that_did_not_answer_yet_is_told_again_as_soon_as_it_is_ready() -> None:
    balancers = Balancers(lambda: None)
    balancers.command(TABLE)
    assert tell(balancers, ReplicaState.STARTING, 1) == [1]
    balancers.followed(followed(problem="nobody listens"), S)
    assert tell(balancers, ReplicaState.STARTING, 1) == []
    assert tell(balancers, ReplicaState.READY, 1) == [1]
    balancers.followed(followed(problem="a sibling is reloading"), S)
    assert tell(balancers, ReplicaState.READY, 1) == []
    assert tell(balancers, ReplicaState.READY, 1, S + RETRY_AFTER) == [1]


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


def test_a_taken_port_is_not_told_to_be_open_again_because_its_balancer_died() -> None:
    balancers = told()
    balancers.notes(followed(left_out=TAKEN))
    balancers.followed(followed(left_out=TAKEN), 2 * S)
    assert tell(balancers, ReplicaState.WAITING, 1, 9 * S) == [NO_PROCESS]
    assert balancers.notes(RoutesFollowed(SLOT, NO_PROCESS, TABLE, (), "", "")) == []
