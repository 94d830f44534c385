"""A host that would begin a cluster which has begun without it: who is told how, and who is not."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from interrex.core.errors import InterrexError
from interrex.core.ids import ChangeId, HostName, WorkerName
from interrex.core.spec import ClusterSpec, HostSpec
from interrex.core.state import ApplySpec, Change, encode_change
from interrex.core.storage import Entry, Stored
from interrex.elections.interface import Ask
from interrex.elections.replicated.payload import change_data
from interrex.elections.zookeeper.questions import Sync
from interrex.runtime.coming_late import HeldQuestions
from interrex.runtime.founding import found_cluster
from interrex.runtime.genesis import Genesis, new_genesis, read_genesis
from interrex.runtime.greeting import digest_of
from interrex.runtime.joining import file_of_host, join_cluster
from interrex.runtime.known_workers import read_known
from interrex.runtime.layout import Layout
from interrex.runtime.opening import open_log
from interrex.runtime.peer_socket import TcpAddress
from tests.runtime.test_transport_tls import NORTH, SOUTH, Town, counted, town
from tests.runtime.workers_on_sockets import A, B, Node

__all__ = ["town"]
BEGUN = b"how it began"


def of_late_comer(node: Node, beginning: bytes = b"otherwise", cluster_id: str = "other") -> None:
    """Nothing was written to its log, and it would begin the cluster like this."""
    node.transport.hello = msgspec.structs.replace(
        node.transport.hello, begins=digest_of(beginning), cluster_id=cluster_id
    )


@pytest.mark.parametrize("late", [A, B], ids=["who dials", "who knocks"])
@pytest.mark.parametrize("cluster_id", ["c0ffee", "other"])
async def test_it_is_told_how_the_cluster_began_by_each_host_that_it_calls(
    town: Town, late: WorkerName, cluster_id: str
) -> None:
    nodes = {A: town.node(A), B: town.node(B)}
    new, old = nodes.pop(late), *nodes.values()
    of_late_comer(new, cluster_id=cluster_id)
    old.transport.began = BEGUN
    town.introduce()
    assert await new.listener.beginnings.get() == BEGUN
    assert new.listener.is_late
    assert not old.listener.is_late
    assert old.listener.is_idle
    assert old.listener.beginnings.empty()


async def test_who_would_begin_it_as_it_began_is_believed(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    of_late_comer(b, BEGUN, "c0ffee")
    a.transport.began = BEGUN
    town.introduce()
    await a.next("connected")
    await b.next("connected")


async def test_whose_log_was_written_is_not_late(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    of_late_comer(b, cluster_id="c0ffee")
    b.transport.begins_nothing()
    a.transport.began = BEGUN
    town.introduce()
    await a.next("connected")
    assert b.listener.beginnings.empty()


async def test_whom_the_state_does_not_name_is_told_only_that(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    of_late_comer(b)
    a.transport.began = BEGUN
    b.transport.set_peers({A: TcpAddress("127.0.0.1", town.ports[A], NORTH)})
    worker, reason = await b.listener.reasons.get()
    assert worker == A
    assert reason == (
        "the cluster has begun without b, and its file does not name it yet: run interrex apply "
        "FILE on one of its hosts"
    )
    assert b.listener.is_late
    assert b.listener.beginnings.empty()
    assert b.listener.refusals.empty()


async def test_whose_certificate_names_another_host_is_told_nothing(town: Town) -> None:
    a, b = town.node(A), town.node(B, town.authority.files("west"))
    of_late_comer(b)
    a.transport.began = BEGUN
    town.introduce()
    await counted(a, "refused")
    await b.listener.reasons.get()
    assert b.listener.beginnings.empty()


async def test_nothing_is_believed_of_a_host_that_another_one_was_called_at(town: Town) -> None:
    a, b = town.node(A), town.node(B)
    of_late_comer(b)
    a.transport.began = BEGUN
    a.transport.set_peers({B: TcpAddress("127.0.0.1", town.ports[B], SOUTH)})
    b.transport.set_peers({A: TcpAddress("127.0.0.1", town.ports[A], HostName("west"))})
    await counted(b, "refused_by_peer")
    assert b.listener.beginnings.empty()


def file_of(*names: str) -> ClusterSpec:
    hosts = tuple(HostSpec(name=HostName(n), address=f"{n}.lan:7700", workers=1) for n in names)
    return ClusterSpec(name="shop", hosts=hosts)


NEW = WorkerName("new-1")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Of a host that comes late, with an identity that is another worker's where it joins."""
    layout = Layout(tmp_path, "shop")
    found_cluster(layout, file_of("new", "a", "b"), HostName("new"))
    return layout


def joined(layout: Layout) -> Genesis:
    told = new_genesis(file_of("a", "b"), "c0ffee").beginning
    join_cluster(layout, HostName("new"), read_genesis(layout.genesis), told)
    return read_genesis(layout.genesis)


def test_it_begins_as_they_did_and_keeps_where_it_listens_and_whom_it_looks_for(
    layout: Layout,
) -> None:
    mine = read_genesis(layout.genesis)
    genesis = joined(layout)
    assert genesis.beginning == new_genesis(file_of("a", "b"), "c0ffee").beginning
    assert genesis.birthmark == mine.birthmark
    assert file_of_host(genesis, Stored(), HostName("new")) == mine.spec
    known = read_known(layout.known(HostName("new")))
    assert known is not None
    assert known.hosts == mine.spec.hosts


def test_its_first_identity_never_votes_among_them(layout: Layout) -> None:
    """It is the one of a worker of theirs."""
    layout.worker(NEW).mkdir(mode=0o700, exist_ok=True)
    opened = open_log(layout, joined(layout), NEW)
    opened.store.close()
    assert opened.member > 1 << 32
    assert opened.first_members is None


def test_a_newer_file_in_its_log_says_where_it_listens(layout: Layout) -> None:
    genesis = joined(layout)
    later = file_of("new", "a", "b", "c")
    name = ChangeId("apply")
    change = change_data(name, encode_change(Change(name, 0, (ApplySpec(later),))))
    stored = Stored(entries=(Entry(1, 1, change),))
    assert file_of_host(genesis, stored, HostName("new")) == later


def test_a_file_that_names_it_no_more_does_not_say_where_it_listens(layout: Layout) -> None:
    genesis, name = joined(layout), ChangeId("apply")
    without = (ApplySpec(file_of("a", "b")),)
    change = change_data(name, encode_change(Change(name, 0, without)))
    stored = Stored(entries=(Entry(1, 1, change),))
    assert file_of_host(genesis, stored, HostName("new")) == genesis.joined


@pytest.mark.parametrize(
    "told", [b"", b"{}", b"\xff", new_genesis(file_of(), "c").beginning], ids=repr
)
def test_what_is_no_beginning_of_this_cluster_is_refused(layout: Layout, told: bytes) -> None:
    mine = read_genesis(layout.genesis)
    with pytest.raises(InterrexError, match="what they tell"):
        join_cluster(layout, HostName("new"), mine, told)
    assert read_genesis(layout.genesis) == mine


class Asking:
    """A new host's questions on their way to the service; the other hosts are ``north`` and
    ``south``."""

    def __init__(self, most_s: float = 60.0) -> None:
        self.asked: list[int] = []
        self.questions = HeldQuestions(lambda ask: self.asked.append(ask.request))
        self.questions.hold([NORTH, SOUTH], most_s)
        self.questions.ask(Ask(1, Sync()))


async def test_questions_are_held_until_a_host_is_met_that_takes_part() -> None:
    new = Asking()
    assert new.asked == []
    new.questions.met(NORTH, is_new=False)
    new.questions.ask(Ask(2, Sync()))
    assert new.asked == [1, 2]
    new.questions.close()


async def test_new_hosts_begin_together_once_all_are_there() -> None:
    new = Asking()
    new.questions.met(NORTH, is_new=True)
    assert new.asked == []
    new.questions.met(SOUTH, is_new=True)
    assert new.asked == [1]


async def test_hosts_that_come_late_together_do_not_begin_for_being_two() -> None:
    new = Asking()
    new.questions.comes_late()
    new.questions.met(NORTH, is_new=True)
    new.questions.met(SOUTH, is_new=True)
    assert new.asked == []
    new.questions.met(SOUTH, is_new=False)
    assert new.asked == [1]


async def test_a_host_that_hears_of_nobody_begins_alone_unless_it_was_told_that_it_comes_late() -> (
    None
):
    alone, late = Asking(most_s=0), Asking(most_s=0)
    late.questions.comes_late()
    while not alone.asked:
        await asyncio.sleep(0)
    assert (alone.asked, late.asked) == ([1], [])
