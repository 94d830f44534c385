"""Whom a worker looks for when it starts: also those whose joining nobody has told it is agreed."""

import msgspec

from interrex.core.ids import ChangeId, HostName, ServiceName, WorkerName
from interrex.core.messages import Known
from interrex.core.spec import LOCAL_HOST, ClusterSpec, HostSpec
from interrex.core.state import (
    ApplySpec,
    Change,
    ClusterState,
    Scale,
    apply,
    encode_change,
    genesis,
    workers_of,
)
from interrex.core.storage import Entry, Stored
from interrex.elections.interface import Restored
from interrex.elections.replicated.payload import change_data
from interrex.worker.acquaintances import Acquaintances
from interrex.worker.interface import Introduced, Remember, Send

ONE = ClusterSpec(name="joining", workers=1)
THREE = msgspec.structs.replace(ONE, workers=3)


def _entry(index: int, operation: ApplySpec | Scale) -> Entry:
    change = Change(ChangeId(f"change-{index}"), 0, (operation,))
    return Entry(index, 1, change_data(change.id, encode_change(change)))


def _state(index: int) -> ClusterState:
    state = genesis(ONE)
    state.index = index
    return state


def test_workers_that_only_the_log_names_are_looked_for() -> None:
    """They may be needed to elect the leader that would say that they have joined.

    Found by the simulator: a cluster of one worker that was made one of three never had a leader
    again after all its workers had ended together.
    """
    stored = Stored(entries=(_entry(1, ApplySpec(THREE)), _entry(2, Scale(ServiceName("web"), 2))))
    acquaintances = Acquaintances(ONE, stored)
    assert acquaintances.workers(_state(0)) == workers_of(THREE)
    assert acquaintances.spec(_state(0)) == THREE


def test_once_the_state_has_come_as_far_it_alone_counts() -> None:
    acquaintances = Acquaintances(ONE, Stored(entries=(_entry(3, ApplySpec(THREE)),)))
    assert acquaintances.workers(_state(2)) == workers_of(THREE)
    assert acquaintances.workers(_state(3)) == workers_of(ONE)
    assert acquaintances.spec(_state(3)) == ONE


def test_an_empty_log_names_nobody() -> None:
    acquaintances = Acquaintances(ONE, Stored())
    assert acquaintances.workers(_state(0)) == workers_of(ONE)


def test_one_that_joined_meanwhile_introduces_itself_by_a_newer_state() -> None:
    """Found by the simulator: a voter was away when a host joined. All others whom it knew lost
    their logs, and it refused the host's workers, with which it was a majority."""
    hosts = tuple(HostSpec(name=HostName(name), address=f"{name}:7000") for name in "abc")
    two = ClusterSpec(name="joining", hosts=hosts[:2])
    state = genesis(two)
    known = Known(9, 1, hosts)
    acquaintances = Acquaintances(two, Stored())
    for worker, host in (("c-1", "a"), ("d-1", "d")):
        acquaintances.introduced(Introduced(WorkerName(worker), HostName(host), known), state)
        assert acquaintances.workers(state) == state.workers
    introduced = Introduced(WorkerName("c-1"), HostName("c"), known)
    state.index = 9
    acquaintances.introduced(introduced, state)
    assert acquaintances.workers(state) == state.workers
    state.index = 8
    acquaintances.introduced(introduced, state)
    assert acquaintances.workers(state) == state.workers | {introduced.worker: introduced.host}
    assert acquaintances.spec(state).hosts == hosts


def test_who_has_fallen_behind_hears_from_any_peer_whom_else_to_look_for() -> None:
    """Found by the simulator: a worker whose log was lost refused the leader, which had joined
    after the cluster's beginning, and so was never let in again."""
    peer = WorkerName("worker-2")
    newest = genesis(THREE)
    newest.index = 9
    behind = Acquaintances(ONE, Stored())
    (told,) = Acquaintances(THREE, Stored()).tell(peer, newest)
    assert told == Send(peer, Known(9, 3, ()))
    behind.heard(Known(9, 3, ()), _state(0))
    assert behind.workers(_state(0)) == workers_of(THREE)
    behind.heard(Known(4, 7, ()), _state(0))
    assert behind.workers(_state(8)) == workers_of(THREE)
    assert behind.workers(_state(9)) == workers_of(ONE)


def test_whom_it_knew_it_knows_until_another_copy_has_gone_as_far_as_it_goes() -> None:
    """Found by the simulator: by Bully a leader that had just begun sent its copy from the genesis
    on. Whoever took that knew nobody any more but the founders, which had left, and refused it."""
    acquaintances, before = Acquaintances(ONE, Stored()), genesis(THREE)
    before.index = 9
    acquaintances.restored(before, Restored(0, b"", goes_to=12))
    assert acquaintances.workers(_state(0)) == workers_of(THREE)
    assert acquaintances.workers(_state(11)) == workers_of(THREE)
    assert acquaintances.workers(_state(12)) == workers_of(ONE)
    acquaintances.restored(before, Restored(8, b"", goes_to=8))
    assert acquaintances.workers(_state(8)) == workers_of(ONE)


def test_another_copy_takes_nothing_back_of_what_its_own_log_names() -> None:
    """It had just started: its log named the host that has led since, its state not yet."""
    hosts = tuple(HostSpec(name=HostName(name), address=f"{name}:7000") for name in "ab")
    of_one = ClusterSpec(name="moved", hosts=hosts[:1])
    change = Change(ChangeId("c"), 0, (ApplySpec(ClusterSpec(name="moved", hosts=hosts)),))
    entry = Entry(9, 1, change_data(change.id, encode_change(change)))
    acquaintances = Acquaintances(of_one, Stored(entries=(entry,)))
    before, after = genesis(of_one), genesis(of_one)
    before.index = 4
    acquaintances.restored(before, Restored(0, b"", goes_to=12))
    assert acquaintances.workers(after).keys() == {"a-1", "b-1"}
    assert acquaintances.spec(after).hosts == hosts


def test_who_has_fallen_behind_hears_also_of_those_that_are_leaving() -> None:
    """Found by the simulator: a worker that the file asked for no more led still, and waited with
    its farewell for two others that began anew. They were told of the file alone, refused the
    leader as a stranger for ever, and so never came back."""
    state = genesis(ONE)
    state.workers = workers_of(THREE)
    state.index = 9
    peer = WorkerName("worker-2")
    assert Acquaintances(ONE, Stored()).tell(peer, state) == [Send(peer, Known(9, 3, ()))]


def test_on_several_hosts_too() -> None:
    hosts = (
        HostSpec(HostName("a"), "10.0.0.1:7000", 1),
        HostSpec(HostName("b"), "10.0.0.2:7000", 3),
    )
    state = genesis(msgspec.structs.replace(ONE, hosts=hosts))
    state.index = 9
    state.workers |= {WorkerName("a-2"): HostName("a"), WorkerName("c-1"): HostName("c")}
    (told,) = Acquaintances(state.spec, Stored()).tell(WorkerName("b-1"), state)
    assert isinstance(told.message, Known)
    assert [(host.name, host.workers) for host in told.message.hosts] == [("a", 2), ("b", 3)]


def test_who_has_fallen_behind_hears_also_of_hosts_that_are_being_left() -> None:
    """Found by the simulator: the leader was on a host that had joined later and that the file
    named no more. Whoever was to take its place did not know it, and refused it for ever."""
    a, b = (HostSpec(HostName(name), f"10.0.0.{name}:7000", 1) for name in "ab")
    state = genesis(msgspec.structs.replace(ONE, hosts=(a,)))
    apply(state, Change(ChangeId("come"), 1, (ApplySpec(_on(a, b)),)), 1)
    apply(state, Change(ChangeId("leave"), 1, (ApplySpec(_on(a)),)), 2)
    (told,) = Acquaintances(state.spec, Stored()).tell(WorkerName("a-1"), state)
    assert told.message == Known(2, 1, (a, b))
    assert Acquaintances(state.spec, Stored()).spec(state).hosts == (a, b)


def test_where_the_hosts_listen_that_the_log_takes_from_the_file_is_known_too() -> None:
    a, b, c = (HostSpec(HostName(name), f"10.0.0.{name}:7000", 1) for name in "abc")
    stored = Stored(entries=(_entry(1, ApplySpec(_on(a, b))), _entry(2, ApplySpec(_on(a, c)))))
    acquaintances, state = Acquaintances(_on(a), stored), genesis(_on(a))
    assert acquaintances.workers(state) == workers_of(_on(a, b, c))
    assert acquaintances.spec(state).hosts == (a, c, b)


def _on(*hosts: HostSpec) -> ClusterSpec:
    return msgspec.structs.replace(ONE, hosts=hosts)


def test_before_the_first_change_there_is_nothing_to_tell() -> None:
    assert Acquaintances(ONE, Stored()).tell(WorkerName("worker-1"), _state(0)) == []


def test_all_peers_hear_of_the_file_once_the_state_has_come_to_it() -> None:
    """Found by the simulator: all workers of a cluster that had grown began anew at once. Their
    states had not caught up yet when one whose log was lost joined them, so they had nothing to
    tell; later nobody told it of the leader, which it refused for good."""
    acquaintances, state = Acquaintances(ONE, Stored()), genesis(THREE)
    assert acquaintances.news(state) == []
    state.index = 4
    assert acquaintances.news(state) == [Send(None, Known(4, 3, ())), Remember(Known(4, 3, ()))]
    state.index = 5
    assert acquaintances.news(state) == []
    state.spec, state.workers = ONE, workers_of(ONE)
    assert acquaintances.news(state) == [Send(None, Known(5, 1, ())), Remember(Known(5, 1, ()))]


def test_what_its_host_has_kept_is_looked_for_until_the_state_is_as_new() -> None:
    """Found in thought: a worker whose log was lost stayed outside for ever where none of those
    that the cluster began with was left."""
    acquaintances = Acquaintances(ONE, Stored(), Known(9, 3, ()))
    assert acquaintances.workers(_state(0)) == workers_of(THREE)
    assert acquaintances.workers(_state(9)) == workers_of(ONE)


def test_what_the_log_names_is_newer_than_what_was_kept_before_it() -> None:
    stored = Stored(entries=(_entry(4, ApplySpec(THREE)),))
    acquaintances = Acquaintances(ONE, stored, Known(3, 1, ()))
    assert acquaintances.workers(_state(0)) == workers_of(THREE)


def test_who_has_come_with_a_new_host_starts_the_others_of_it_before_it_has_heard_of_anything() -> (
    None
):
    """One of them may be the only voter by then. Found by the simulator: it died before the second
    worker of the host that took the place of all others had joined, and nobody ever led again."""
    b = HostName("b")
    before = _on(HostSpec(name=HostName("a"), address="10.0.0.1:7000"))
    after = _on(HostSpec(name=b, address="10.0.0.2:7000", workers=2))
    state = genesis(before)
    acquaintances = Acquaintances(before, Stored(), Known(9, 1, after.hosts))
    new = {WorkerName("b-1"): b, WorkerName("b-2"): b}
    assert acquaintances.needed(state, (), b) == {WorkerName("a-1"): HostName("a"), **new}
    assert acquaintances.needed(state, (), HostName("a")) is state.workers
    state.index = 9
    assert acquaintances.needed(state, (), b) is state.workers


def test_what_an_entry_that_may_never_be_agreed_on_asks_for_is_not_started() -> None:
    acquaintances = Acquaintances(ONE, Stored(entries=(_entry(1, ApplySpec(THREE)),)))
    assert acquaintances.needed(_state(0), (), LOCAL_HOST).keys() == workers_of(ONE).keys()
