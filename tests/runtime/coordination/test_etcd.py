"""etcd's client against a real cluster of three: members are killed, stopped and restarted."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest

from bench.etcd_cluster import EtcdCluster
from bench.processes import free_ports
from interrex.core.errors import InterrexError
from interrex.core.ids import HostName
from interrex.core.spec import Etcd
from interrex.elections.etcd import questions as q
from interrex.elections.etcd.keys import EVERYTHING
from interrex.runtime.coordination import etcd_tokens
from interrex.runtime.coordination.etcd import EtcdClient, EtcdConnection, access_from
from tests.answering import GATEWAY, OLD_ETCD, answering
from tests.certificates import server_tls
from tests.etcd_by_tls import etcd_by_tls
from tests.runtime.coordination.asking import Asker

HOST = HostName("h1")
FOLDERS = count()
PATIENT_S = 30.0
"""A member that runs answers by then, however slow the machine is."""
ANSWER_S = 3.0
"""The same where one that does not is to be left."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[EtcdCluster]:
    with EtcdCluster(heartbeat_ms=20, election_ms=200) as cluster:
        cluster.wait_agreed()
        yield cluster


def asker(options: Etcd, folder: str = "") -> Asker:
    folder = folder or f"/test/{next(FOLDERS)}/"
    connection = EtcdConnection(access_from(options, HOST))
    return Asker(lambda post: EtcdClient(connection, folder, post))


@pytest.fixture
async def etcd(cluster: EtcdCluster) -> AsyncIterator[Asker]:
    found = asker(Etcd(endpoints=cluster.endpoints, timeout=PATIENT_S))
    yield found
    await found.client.close()


async def put(etcd: Asker, key: str, value: bytes, lease: int = 0) -> q.Transacted:
    done = await etcd.ask(q.Transact((), (q.Put(key, value, lease),)))
    assert isinstance(done, q.Transacted)
    return done


async def test_a_transaction_does_one_of_two_things(etcd: Asker) -> None:
    question = q.Transact(
        (q.Compare("a", created=0),), (q.Put("a", b"\x00\xff"), q.Get("b")), (q.Get("a"),)
    )
    first = await etcd.ask(question)
    assert (first.succeeded, first.got) == (True, ((),))
    second = await etcd.ask(question)
    at = first.revision
    assert second == q.Transacted(False, at, ((q.KeyValue("a", b"\x00\xff", at, at),),))
    changed = await put(etcd, "a", b"")
    third = await etcd.ask(q.Transact((q.Compare("a", modified=changed.revision),), (q.Get("a"),)))
    assert third.got == ((q.KeyValue("a", b"", at, changed.revision),),)


async def test_ranges_are_read_and_deleted(etcd: Asker) -> None:
    revisions = [(await put(etcd, f"log/{number}", b"x")).revision for number in range(5)]
    await put(etcd, "other", b"y")
    later = q.Get("log/", "log0", after=revisions[2])
    one = q.Get(*EVERYTHING, limit=1, keys_only=True)
    found = await etcd.ask(q.Transact((), (later, one)))
    assert [entry.key for entry in found.got[0]] == ["log/3", "log/4"]
    assert [(entry.key, entry.value) for entry in found.got[1]] == [("log/0", b"")]
    await etcd.ask(q.Transact((), (q.Delete("log/", "log/4"),)))
    left = await etcd.ask(q.Transact((), (q.Get(*EVERYTHING),)))
    assert [entry.key for entry in left.got[0]] == ["log/4", "other"]


async def test_a_leases_keys_end_with_it(etcd: Asker) -> None:
    granted = await etcd.ask(q.Grant(77_001, 1))
    assert granted.lease == 77_001
    assert granted.ttl_s >= 1
    assert await etcd.ask(q.KeepAlive(77_001)) == q.Kept(granted.ttl_s)
    assert isinstance(await etcd.ask(q.Grant(77_001, 1)), q.Failed)
    await put(etcd, "a", b"1", lease=77_001)
    assert await etcd.ask(q.Revoke(77_001)) == q.Revoked()
    assert (await etcd.ask(q.Transact((), (q.Get("a"),)))).got == ((),)
    assert await etcd.ask(q.Revoke(77_001)) == q.Revoked()
    assert await etcd.ask(q.KeepAlive(77_001)) == q.LeaseGone()
    gone = await etcd.ask(q.Transact((), (q.Put("a", b"1", 77_001),)))
    assert gone == q.LeaseGone()


async def test_a_watch_tells_of_changes_in_order(etcd: Asker) -> None:
    first = await put(etcd, "a", b"1")
    number, told = etcd.begin(q.Watch(first.revision))
    assert await told == q.Watching()
    await etcd.ask(q.Transact((), (q.Put("b", b"2"), q.Delete("a"))))
    events: list[q.Event] = []
    while len(events) < 3:
        news = await etcd.next_news()
        assert news.watch == number
        events += news.events
    assert [(event.key, event.value) for event in events[:1]] == [("a", b"1")]
    assert {(event.key, event.value) for event in events[1:]} == {("b", b"2"), ("a", None)}
    assert len({event.modified for event in events}) == 2


async def test_long_values_come_whole(cluster: EtcdCluster) -> None:
    """However long that takes: on a machine with other work it may be half a second."""
    patient = asker(Etcd(endpoints=cluster.endpoints, timeout=PATIENT_S))
    begin = await put(patient, "begin", b"")
    _, told = patient.begin(q.Watch(begin.revision + 1))
    await told
    value = bytes(range(256)) * 2048
    await put(patient, "long", value)
    news = await patient.next_news()
    assert news.events[0].value == value
    await patient.client.close()


async def test_a_compacted_past_is_told(cluster: EtcdCluster, etcd: Asker) -> None:
    first = await put(etcd, "a", b"1")
    last = await put(etcd, "a", b"2")
    cluster.ask(0, "/v3/kv/compaction", {"revision": str(last.revision), "physical": True})
    number, told = etcd.begin(q.Watch(first.revision))
    assert await told == q.Watching()
    news = await etcd.next_news()
    assert (news.watch, news.compacted) == (number, True)


async def test_a_new_watch_ends_the_one_before(etcd: Asker) -> None:
    first = await put(etcd, "a", b"1")
    old, told = etcd.begin(q.Watch(first.revision + 1))
    await told
    new, told = etcd.begin(q.Watch(first.revision + 1))
    assert isinstance(await etcd.next_news(), q.WatchLost)
    await told
    await put(etcd, "a", b"2")
    assert (await etcd.next_news()).watch == new != old


async def test_a_killed_members_place_is_taken_by_the_next(
    cluster: EtcdCluster, etcd: Asker
) -> None:
    first = await put(etcd, "a", b"1")
    number, told = etcd.begin(q.Watch(first.revision + 1))
    await told
    cluster.kill(0)
    news = await etcd.next_news()
    assert (news.watch, news.compacted) == (number, False)
    answers = [await etcd.ask(q.Transact((), (q.Get("a"),)))]
    while not isinstance(answers[-1], q.Transacted):
        answers.append(await etcd.ask(q.Transact((), (q.Get("a"),))))
    assert answers[-1].got[0][0].value == b"1"
    assert isinstance(await etcd.ask(q.Watch(first.revision)), q.Watching)
    assert (await etcd.next_news()).events[0].value == b"1"
    cluster.start(0)
    cluster.wait_agreed()


async def test_a_stopped_member_is_left_and_its_watch_ended(cluster: EtcdCluster) -> None:
    """It keeps its connections and says nothing: only a question without an answer tells."""
    etcd = asker(Etcd(endpoints=cluster.endpoints, timeout=ANSWER_S))
    first = await put(etcd, "a", b"1")
    number, told = etcd.begin(q.Watch(first.revision + 1))
    await told
    cluster.stop(0)
    try:
        failed = await etcd.ask(q.Transact((), (q.Get("a"),)))
        assert isinstance(failed, q.Failed)
        assert failed.certainty is q.Certainty.UNKNOWN
        news = await etcd.next_news()
        assert (type(news), news.watch) == (q.WatchLost, number)
        answer = await etcd.ask(q.Transact((), (q.Get("a"),)))
        while not isinstance(answer, q.Transacted):
            answer = await etcd.ask(q.Transact((), (q.Get("a"),)))
    finally:
        cluster.go_on(0)
    cluster.wait_agreed()
    await etcd.client.close()


async def test_without_a_majority_nothing_is_certain(cluster: EtcdCluster) -> None:
    lone = asker(Etcd(endpoints=cluster.endpoints[:1], timeout=ANSWER_S))
    await put(lone, "a", b"1")
    cluster.kill(1)
    cluster.kill(2)
    answer = await lone.ask(q.Transact((), (q.Put("a", b"2"),)))
    while isinstance(answer, q.Transacted):  # it may still have been on its way
        answer = await lone.ask(q.Transact((), (q.Put("a", b"2"),)))
    assert answer.certainty is q.Certainty.UNKNOWN
    cluster.start(1)
    cluster.start(2)
    cluster.wait_agreed()
    await lone.client.close()


async def test_nobody_there_means_not_done() -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    lone = asker(Etcd(endpoints=(nobody,), timeout=PATIENT_S))
    for question in (q.Grant(1, 5), q.Watch(1)):
        answer = await lone.ask(question)
        assert answer.certainty is q.Certainty.NOT_DONE
    await lone.client.close()


async def test_a_member_that_is_too_old_is_asked_nothing_but_its_version(
    cluster: EtcdCluster,
) -> None:
    async with answering(OLD_ETCD) as port:
        old = f"http://127.0.0.1:{port}"
        both = asker(Etcd(endpoints=(old, *cluster.endpoints), timeout=PATIENT_S))
        failed = await both.ask(q.Grant(1, 5))
        words = f"etcd at {old} is 3.3.27, and 3.4 is the oldest"
        assert failed == q.Failed(q.Certainty.REFUSED, words)
        await put(both, "a", b"1")  # by the next one
        await both.client.close()
        alone = asker(Etcd(endpoints=(old,), timeout=PATIENT_S))
        assert words in (await alone.ask(q.Watch(1))).text
        await alone.client.close()


async def test_a_gateway_that_reaches_no_member_is_not_etcds_refusal() -> None:
    async with answering(GATEWAY) as port:
        lone = asker(Etcd(endpoints=(f"http://127.0.0.1:{port}",), timeout=PATIENT_S))
        failed = await lone.ask(q.Transact((), (q.Get("a"),)))
        assert failed.certainty is not q.Certainty.REFUSED
        assert "502" in failed.text
        await lone.client.close()


async def test_after_its_end_nothing_is_told(cluster: EtcdCluster) -> None:
    lone = asker(Etcd(endpoints=cluster.endpoints))
    _, told = lone.begin(q.Transact((), (q.Get("a"),)))
    await lone.client.close()
    assert not told.done()


# Users and certificates


async def test_a_user_shows_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd_tokens, "PAUSE", 0)
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    with EtcdCluster() as cluster:
        cluster.wait_agreed()
        assert cluster.ask(0, "/v3/auth/user/add", {"name": "root", "password": "s3cret"})
        assert cluster.ask(0, "/v3/auth/role/add", {"name": "root"})
        assert cluster.ask(0, "/v3/auth/user/grant", {"user": "root", "role": "root"})
        assert cluster.ask(0, "/v3/auth/enable", {})
        anybody = Etcd(endpoints=cluster.endpoints, timeout=PATIENT_S)
        root = msgspec.structs.replace(anybody, user="root", password_file=str(secret))
        known = asker(root, "/auth/")
        done = await put(known, "a", b"1")
        assert await known.ask(q.Watch(done.revision)) == q.Watching()
        assert (await known.next_news()).events[0].value == b"1"
        stranger = asker(anybody, "/auth/")
        refused = await stranger.ask(q.Transact((), (q.Get("a"),)))
        assert refused.certainty is q.Certainty.REFUSED
        await stranger.client.close()
        # A token that is not known any more is replaced by a new one.
        cluster.kill(0)
        cluster.start(0)
        cluster.wait_agreed()
        answer = await known.ask(q.Transact((), (q.Get("a"),)))
        while not isinstance(answer, q.Transacted):
            answer = await known.ask(q.Transact((), (q.Get("a"),)))
        assert answer.got[0][0].value == b"1"
        # So is a password, by what its file holds by then.
        shown = {"name": "root", "password": "s3cret"}
        token = cluster.ask(0, "/v3/auth/authenticate", shown)["token"]
        changed = {"name": "root", "password": "another"}
        assert cluster.ask(0, "/v3/auth/user/changepw", changed, token)
        while isinstance(answer, q.Transacted):
            answer = await known.ask(q.Transact((), (q.Get("a"),)))
        assert answer.certainty is q.Certainty.REFUSED
        secret.write_text("another\n")
        while not isinstance(answer, q.Transacted):
            answer = await known.ask(q.Transact((), (q.Get("a"),)))
        await known.client.close()


def test_a_password_that_cannot_be_read_is_an_error_for_people(tmp_path: Path) -> None:
    options = Etcd(endpoints=("http://x:1",), user="u", password_file=str(tmp_path / "none"))
    with pytest.raises(InterrexError, match="the password of etcd's user u cannot be read"):
        EtcdConnection(access_from(options, HOST))


async def test_certificates_are_checked_on_both_sides(tmp_path: Path) -> None:
    with etcd_by_tls(tmp_path, server_tls(tmp_path)) as port:
        url = f"https://127.0.0.1:{port}"
        mine = asker(
            Etcd(
                endpoints=(url,),
                ca=str(tmp_path / "ca.pem"),
                certificate=str(tmp_path / "{host}.pem"),
                key=str(tmp_path / "{host}.key"),
            )
        )
        answer = await mine.ask(q.Transact((), (q.Put("a", b"1"),)))
        while not isinstance(answer, q.Transacted):
            answer = await mine.ask(q.Transact((), (q.Put("a", b"1"),)))
        without = asker(Etcd(endpoints=(url,), ca=str(tmp_path / "ca.pem")))
        strange = asker(Etcd(endpoints=(url,)))
        for other, why in ((without, "does not take this program's"), (strange, "to be trusted")):
            failed = await other.ask(q.Transact((), (q.Get("a"),)))
            assert (failed.certainty, why in failed.text) == (q.Certainty.NOT_DONE, True)
            await other.client.close()
        await mine.client.close()


async def test_endpoints_of_two_clusters_are_asked_nothing_but_who_they_are(
    cluster: EtcdCluster, tmp_path: Path
) -> None:
    """Members of one election would lead beside each other, one in each."""
    with etcd_by_tls(tmp_path, server_tls(tmp_path)) as port:
        both = (cluster.endpoints[0], f"https://127.0.0.1:{port}")
        options = Etcd(
            endpoints=both,
            timeout=PATIENT_S,
            ca=str(tmp_path / "ca.pem"),
            certificate=str(tmp_path / "h1.pem"),
            key=str(tmp_path / "h1.key"),
        )
        mine = asker(options)
        for _ in both:
            failed = await mine.ask(q.Grant(1, 5))
            assert failed.certainty is q.Certainty.REFUSED
            assert "are of two clusters of etcd" in failed.text
            assert all(endpoint in failed.text for endpoint in both)
        await mine.client.close()
    alone = asker(options)  # the other one answers no more
    assert isinstance(await alone.ask(q.Transact((), (q.Get("a"),))), q.Transacted)
    await alone.client.close()


async def test_no_connection_outlives_the_client_where_a_server_leaves_tls_unended(
    tmp_path: Path,
) -> None:
    """A failed question's connection is ended politely, and its server may never answer that."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_tls(tmp_path).identity)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve_nonsense() -> ssl.SSLSocket:
            served = context.wrap_socket(listening.accept()[0], server_side=True)
            served.recv(1000)
            served.sendall(b"nonsense")
            return served

        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        lone = asker(Etcd(endpoints=(url,), ca=str(tmp_path / "ca.pem"), timeout=5.0))
        serving = asyncio.create_task(asyncio.to_thread(serve_nonsense))
        before = open_sockets()
        assert isinstance(await lone.ask(q.Transact((), (q.Get("a"),))), q.Failed)
        with await serving as served:
            await lone.client.close()
            assert open_sockets() - before == {served.fileno()}


def open_sockets() -> set[int]:
    """This process's sockets."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if entry.readlink().name.startswith("socket:"):
                found.add(int(entry.name))
    return found


def test_certificates_that_cannot_be_used_are_an_error_for_people(tmp_path: Path) -> None:
    options = Etcd(endpoints=("https://x:1",), ca=str(tmp_path / "none.pem"))
    with pytest.raises(InterrexError, match="the certificates for etcd cannot be used"):
        EtcdConnection(access_from(options, HOST))


async def test_watches_of_many_share_one_stream_and_miss_nothing_as_others_come_and_go(
    cluster: EtcdCluster,
) -> None:
    connection = EtcdConnection(access_from(Etcd(endpoints=cluster.endpoints), HOST))
    folders = [f"/test/{next(FOLDERS)}/" for _ in range(3)]

    def sharer(folder: str) -> Asker:
        return Asker(lambda post: EtcdClient(connection, folder, post, shares=True))

    askers = [sharer(folder) for folder in folders]
    done = await put(askers[0], "before", b"")
    watches = []
    for at, one in enumerate(askers):
        number, told = one.begin(q.Watch(done.revision + 1))
        await put(one, f"while-{at}", b"")
        assert await told == q.Watching()
        watches.append(number)
    for at, one in enumerate(askers):
        await put(one, f"after-{at}", b"")
    for at, one in enumerate(askers):
        keys: list[str] = []
        while len(keys) < 2:
            news = await one.next_news()
            assert news.watch == watches[at]
            keys += [event.key for event in news.events]
        assert keys == [f"while-{at}", f"after-{at}"]
    await askers[0].client.close()
    await put(askers[1], "more", b"")
    assert [event.key for event in (await askers[1].next_news()).events] == ["more"]
    connection.watches.end("it is left")
    assert isinstance(await askers[1].next_news(), q.WatchLost)
    for one in askers[1:]:
        await one.client.close()
    await connection.close()
