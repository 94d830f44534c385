"""Embedded elections over TCP: every algorithm that a program can run among its own members."""

import asyncio
import contextlib
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trustme

import interrex
from interrex.core.ids import WorkerName
from interrex.elections.embedding import EMBEDDED
from interrex.library.embedded.member import EmbeddedMember
from interrex.library.errors import (
    BadCertificates,
    BadSecret,
    BadState,
    BadTimes,
    CannotListen,
    IdentityTaken,
    NotLeading,
    OtherCluster,
    StateTaken,
    UnknownOption,
    UnknownSuccessor,
    WrongPeers,
    WrongSecret,
)
from tests.library.members import Places, Turns, leads_before, led_since
from tests.library.programs import Programs


@pytest.fixture(params=EMBEDDED)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Member = interrex.Election


async def enter(stack: AsyncExitStack, url: str, identity: str, priority: int = 0) -> Member:
    return await stack.enter_async_context(
        interrex.election(url, identity=identity, priority=priority)
    )


async def trio(stack: AsyncExitStack, places: Places, more: str = "") -> list[Member]:
    """Three members, a to c, of which the later ones have the higher priority."""
    return [
        await enter(stack, places.url(place, more), name, place) for place, name in enumerate("abc")
    ]


async def test_who_leaves_for_good_is_followed_and_who_comes_back_without_memory_is_let_in(
    scheme: str,
) -> None:
    places = Places(scheme)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        own = AsyncExitStack()
        a = await enter(own, places.url(0), "a")
        b, c = [await enter(stack, places.url(n), name) for n, name in ((1, "b"), (2, "c"))]
        turns.stand(a)
        epochs = [(await turns.next()).epoch]
        turns.stop(a)
        await own.aclose()
        turns.stand(b)
        led = await turns.next(after=epochs[-1])
        epochs.append(led.epoch)
        again = await enter(stack, places.url(0), "a2")
        assert await led_since(again, led.epoch) == ("b", b.view.epoch)
        turns.stand(again)
        epoch = await leads_before(b, again)
        await b.transfer("a2")
        led = await turns.next(after=epoch)
        epochs.append(led.epoch)
        assert led.identity == "a2"
        assert epochs == sorted(set(epochs))
        assert c.view.epoch <= led.epoch
        turns.stop_all()


async def test_whoever_founds_it_stands_at_once_and_waits_for_no_time_out(scheme: str) -> None:
    places = Places(scheme)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        for place, name in enumerate("abc"):
            url = places.url(place).replace("election_timeout=1", "election_timeout=3000")
            turns.stand(await enter(stack, url, name))
        led = await turns.next()
        assert led.identity in "abc"
        turns.stop_all()


async def test_whoever_stands_still_while_it_leads_is_asked_to_lead_only_when_it_speaks_again(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the highest priority as it is: it was asked for ever, and nobody led meanwhile."""
    asked: list[str] = []
    ask = EmbeddedMember._ask_to_lead

    def asking(member: EmbeddedMember, successor: WorkerName, epoch: int) -> None:
        asked.append(successor)
        ask(member, successor, epoch)

    monkeypatch.setattr(EmbeddedMember, "_ask_to_lead", asking)
    places, programs = Places(scheme), Programs()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        stack.callback(programs.end)
        turns = Turns(group)
        program = programs.start(places.url(2), "c", 9)
        a, b = [await enter(stack, places.url(n), name) for n, name in enumerate("ab")]
        led = await asyncio.to_thread(programs.leads)
        for member in (a, b):
            await led_since(member, led.epoch)
            turns.stand(member)
        asked.clear()
        program.signal(signal.SIGSTOP)
        await turns.next(after=led.epoch)
        assert places.addresses[2] not in asked
        program.signal(signal.SIGCONT)
        assert await asyncio.to_thread(program.line_that_begins, "ended")
        while a.view.leader != "c":
            for member in (a, b):
                with contextlib.suppress(NotLeading, UnknownSuccessor):
                    await member.transfer("c")
            await asyncio.sleep(0.001)
        assert places.addresses[2] in asked
        turns.stop_all()


async def test_when_a_majority_forgot_its_votes_it_begins_anew_with_higher_epochs() -> None:
    places = Places("raft")
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        a = await enter(stack, places.url(0), "a")
        own = AsyncExitStack()
        for place, name in ((1, "b"), (2, "c")):
            await enter(own, places.url(place), name)
        turns.stand(a)
        first = await turns.next()
        await own.aclose()
        for place, name in ((1, "b2"), (2, "c2")):
            await enter(stack, places.url(place), name)
        again = await turns.next()
        assert again.identity == "a"
        assert again.epoch > first.epoch
        turns.stop_all()


async def test_with_directories_everybody_may_stop_and_votes_go_on_where_they_were(
    tmp_path: Path,
) -> None:
    places = Places("raft", more=f"&state={tmp_path}/")
    epochs: list[int] = []
    kept: list[bytes] = []
    for _ in range(2):
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            turns = Turns(group)
            a, *_ = [await enter(stack, places.url(n) + name, name) for n, name in enumerate("abc")]
            turns.stand(a)
            epochs.append((await turns.next()).epoch)
            with pytest.raises(StateTaken, match="another process has the state directory"):
                await interrex.election(places.url(0) + "a", identity="z").__aenter__()
            turns.stop_all()
        kept = [(tmp_path / name / "member").read_bytes() for name in "abc"]
    assert epochs[0] < epochs[1] < epochs[0] + 1000, "it was founded anew"
    assert len(set(kept)) == 3
    other = places.url(0).replace("/billing", "/other") + "a"
    with pytest.raises(OtherCluster, match=r"'raft/billing'.*'raft/other'"):
        await interrex.election(other, identity="a").__aenter__()


async def test_two_members_of_one_identity_are_refused_by_the_second(scheme: str) -> None:
    places = Places(scheme)
    async with AsyncExitStack() as stack:
        a = await enter(stack, places.url(0), "same")
        second = await enter(stack, places.url(1), "same")
        with pytest.raises(IdentityTaken) as caught:
            async with second.lead():
                pass
        assert all(address in str(caught.value) for address in places.addresses[:2])
        assert a.standing.failure is None


async def test_an_election_of_another_name_on_the_same_port_is_refused(scheme: str) -> None:
    places = Places(scheme)
    stray = Places(scheme, "invoices")
    stray.addresses[1:] = places.addresses[1:]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        a, *_ = await trio(stack, places)
        turns.stand(a)
        await turns.next()
        wrong = await enter(stack, stray.url(0), "x")
        with pytest.raises(OtherCluster, match=f"{scheme}/billing.*{scheme}/invoices"):
            async with wrong.lead():
                pass
        assert a.leadership is not None
        turns.stop_all()


async def test_members_that_list_others_are_refused_with_both_lists(scheme: str) -> None:
    places = Places(scheme)
    wrong = Places(scheme, count=2)
    wrong.addresses = [places.addresses[1], places.addresses[0]]
    async with AsyncExitStack() as stack:
        await enter(stack, places.url(0), "a")
        second = await enter(stack, wrong.url(0), "b")
        with pytest.raises(WrongPeers, match="refuses this member"):
            async with second.lead():
                pass


async def test_a_secret_is_needed_by_all_or_none(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).write_text(name * 10)
    places = Places("raft")
    good, bad = (f"&secret_file={tmp_path}/{name}" for name in ("good", "bad"))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        a, *_ = await trio(stack, places, good)
        turns.stand(a)
        await turns.next()
        turns.stop_all()
    async with AsyncExitStack() as stack:
        await enter(stack, places.url(0, good), "a")
        second = await enter(stack, places.url(1, bad), "b")
        with pytest.raises(WrongSecret):
            async with second.lead():
                pass


class Authority:
    """Signs the certificates of one election's members."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(folder / "ca.pem")

    def options(self, name: str, host: str = "127.0.0.1") -> str:
        """What a member's URL says of its certificate, which names this host."""
        issued = self._authority.issue_cert(host)
        issued.cert_chain_pems[0].write_to_path(self._folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(self._folder / f"{name}.key")
        files = {"ca": "ca.pem", "certificate": f"{name}.pem", "key": f"{name}.key"}
        return "".join(f"&{key}={self._folder / file}" for key, file in files.items())


async def test_members_elect_over_tls_by_certificates_that_name_their_hosts(
    scheme: str, tmp_path: Path
) -> None:
    places, authority = Places(scheme), Authority(tmp_path)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        members = [
            await enter(stack, places.url(place, authority.options(name)), name)
            for place, name in enumerate("abc")
        ]
        turns.stand(members[0])
        led = await turns.next()
        for member in members:
            assert await led_since(member, led.epoch) == led
        turns.stop_all()


async def test_a_member_whose_certificate_names_another_host_is_refused(tmp_path: Path) -> None:
    places, authority = Places("raft"), Authority(tmp_path)
    async with AsyncExitStack() as stack:
        await enter(stack, places.url(0, authority.options("a")), "a")
        second = await enter(stack, places.url(1, authority.options("b", "10.9.9.9")), "b")
        with pytest.raises(WrongPeers, match=r"its certificate does not name 127\.0\.0\.1"):
            async with second.lead():
                raise AssertionError("it led")


async def test_an_address_that_is_taken_is_told() -> None:
    places = Places("raft")
    async with AsyncExitStack() as stack:
        await enter(stack, places.url(0), "a")
        with pytest.raises(CannotListen, match="cannot listen"):
            await enter(stack, places.url(0), "b")


async def test_certificates_that_cannot_be_used_are_told_on_entering() -> None:
    places = Places("raft", count=1)
    with pytest.raises(BadCertificates, match="the TLS files cannot be used"):
        async with interrex.election(places.url(0, "&ca=/none&certificate=/none&key=/none")):
            raise AssertionError("it was entered")


async def test_a_state_directory_that_cannot_be_used_is_told_and_let_go_of(tmp_path: Path) -> None:
    url = Places("raft", count=1).url(0, f"&state={tmp_path}/a")
    (tmp_path / "a" / "member").mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(BadState, match=r"state directory cannot be used: .*/a/member"):
            await interrex.election(url, identity="a").__aenter__()
    (tmp_path / "a" / "member").rmdir()
    async with interrex.election(url, identity="a") as election, election.lead() as leadership:
        assert not leadership.ended


async def test_strangers_on_the_port_change_nothing() -> None:
    places = Places("raft")
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        turns = Turns(group)
        a, *_ = await trio(stack, places)
        turns.stand(a)
        await turns.next()
        host, port = places.addresses[0].split(":")
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x05hello", b"\xff" * 100):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(nonsense)
            with contextlib.suppress(ConnectionError):
                assert not await reader.read()
            writer.close()
        assert a.leadership is not None
        turns.stop_all()


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("raft://127.0.0.1:1,127.0.0.1:1/x?self=0", WrongPeers, "1 different"),
        ("raft://127.0.0.1:1,127.0.0.1:2/x", WrongPeers, r"self=N"),
        ("raft://127.0.0.1/x?self=0", WrongPeers, "HOST:PORT|invalid"),
        ("raft://127.0.0.1:1/x?self=1", UnknownOption, "'1'"),
        ("raft://10.0.0.1:1/x?self=0", BadSecret, "secret_file"),
        ("raft://127.0.0.1:1/x?self=0&heartbeat=2", BadTimes, "is 1 s, .* 3 heartbeats: 6 s"),
        ("raft://127.0.0.1:1/x?self=0&heartbeat=0", UnknownOption, "0 s is out of its range"),
        ("paxos://127.0.0.1:1/x?self=0&heartbeat=2", BadTimes, "heartbeat"),
        ("bully://127.0.0.1:1/x?self=0&election_timeout=0.1", BadTimes, "election_timeout"),
        ("raft://127.0.0.1:1/x?self=0&ca=x", UnknownOption, "together"),
        ("raft://127.0.0.1:1/x?self=0&secret_file=/dev/null", BadSecret, "0 bytes"),
        ("raft://127.0.0.1:1/x?self=0&secret_file=/none", BadSecret, "cannot be read from /none"),
    ],
)
def test_a_wrong_url_is_refused_with_the_reason(
    url: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        interrex.election(url)
