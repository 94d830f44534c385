"""The routes as the leader sees them: where each replica is reached from."""

from interrex.core.ids import ChangeId, HostName
from interrex.core.spec import ClusterSpec, HostSpec
from interrex.core.state import ApplySpec, Change, apply, genesis
from interrex.orchestration.routing import address_of

A, B = HostName("a"), HostName("b")


def test_a_host_that_is_being_left_is_reached_where_it_was() -> None:
    """Found by the simulator: the file names it no more, and the others' balancers were told that
    its replicas are on their own machine."""
    hosts = tuple(HostSpec(name, f"10.0.0.{n}:7000", 1) for n, name in enumerate((A, B), start=1))
    state = genesis(ClusterSpec(name="shop", hosts=hosts))
    assert address_of(state, B, seen_from=A) == "10.0.0.2"
    apply(state, Change(ChangeId("left"), 0, (ApplySpec(ClusterSpec("shop", hosts=hosts[:1])),)), 1)
    assert address_of(state, B, seen_from=A) == "10.0.0.2"
    assert address_of(state, B, seen_from=B) == "127.0.0.1"
