"""Leases that elections share: asked for once, and believed in by nobody once given up."""

import asyncio

import pytest

from interrex.core.time import S
from interrex.elections.etcd import questions as q
from interrex.elections.interface import Noticed
from interrex.runtime.clock import now_ns
from interrex.runtime.coordination import etcd_leases
from interrex.runtime.coordination.etcd_leases import Leases, SharedLease

TTL = 5


class Election:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.heard: list[Noticed] = []

    def say(self, event: Noticed) -> None:
        self.heard.append(event)


class Etcd:
    """Answers as it is told to; ``heard`` is what it was asked."""

    def __init__(self) -> None:
        self.heard: list[q.Question] = []
        self.gone = False

    async def ask(self, question: q.Question) -> q.Answer:
        self.heard.append(question)
        await asyncio.sleep(0)
        match question:
            case q.Grant(lease, ttl_s):
                return q.Granted(lease, ttl_s)
            case q.KeepAlive():
                return q.LeaseGone() if self.gone else q.Kept(TTL)
            case _:
                return q.Revoked()


def joined(etcd: Etcd, count: int) -> tuple[SharedLease, list[Election]]:
    leases = Leases()
    elections = [Election(f"/{number}/") for number in range(count)]
    found = {leases.join(one, TTL, etcd.ask) for one in elections}
    assert len(found) == 1
    return found.pop(), elections


@pytest.fixture
def nothing_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd_leases, "FRESH_SHARE", TTL * S * 1000)


async def test_hundreds_of_elections_ask_for_one_lease_and_renew_it_once() -> None:
    etcd = Etcd()
    lease, elections = joined(etcd, 200)
    answers = [await lease.grant(q.Grant(number, TTL)) for number in range(1, 201)]
    assert {one.lease for one in answers if isinstance(one, q.Granted)} == {1}
    assert etcd.heard == [q.Grant(1, TTL)]
    await asyncio.gather(*(lease.keep_alive(q.KeepAlive(1)) for _ in elections))
    assert len(etcd.heard) <= 2


@pytest.mark.usefixtures("nothing_is_fresh")
async def test_who_asks_meanwhile_gets_the_answer_and_when_it_was_asked_for() -> None:
    etcd = Etcd()
    lease, _ = joined(etcd, 2)
    await lease.grant(q.Grant(1, TTL))
    before = now_ns()
    first = asyncio.create_task(lease.keep_alive(q.KeepAlive(1)))
    while len(etcd.heard) == 1:
        await asyncio.sleep(0)
    later = now_ns()
    second = await lease.keep_alive(q.KeepAlive(1))
    assert second == await first
    assert isinstance(second, q.Kept)
    assert second.asked is not None
    assert before <= second.asked <= later
    assert etcd.heard == [q.Grant(1, TTL), q.KeepAlive(1)]


async def test_whoever_gives_it_up_tells_all_before_etcd_hears_of_it() -> None:
    etcd = Etcd()
    lease, elections = joined(etcd, 3)
    await lease.grant(q.Grant(1, TTL))
    told_first = []

    async def ask(question: q.Question) -> q.Answer:
        told_first.append([one.heard for one in elections])
        return q.Revoked()

    lease._ask = ask
    await lease.give_up()
    assert told_first == [[[Noticed(q.LeaseEnded(1))]] * 3]
    assert await lease.keep_alive(q.KeepAlive(1)) == q.LeaseGone()


@pytest.mark.usefixtures("nothing_is_fresh")
async def test_a_lease_that_etcd_has_ended_is_told_of_and_the_next_is_granted() -> None:
    etcd = Etcd()
    lease, elections = joined(etcd, 2)
    await lease.grant(q.Grant(1, TTL))
    etcd.gone = True
    assert await lease.keep_alive(q.KeepAlive(1)) == q.LeaseGone()
    assert [one.heard for one in elections] == [[Noticed(q.LeaseEnded(1))]] * 2
    granted = await lease.grant(q.Grant(2, TTL))
    assert isinstance(granted, q.Granted)
    assert granted.lease == 2


async def test_a_lease_given_up_while_it_is_renewed_does_not_come_back() -> None:
    etcd = Etcd()
    lease, _ = joined(etcd, 2)
    await lease.grant(q.Grant(1, TTL))
    renewal = asyncio.create_task(lease._renew(None))
    await asyncio.sleep(0)
    await lease.give_up()
    assert await renewal == q.LeaseGone()


async def test_who_leaves_while_others_wait_for_the_same_answer_takes_nothing_from_them() -> None:
    etcd = Etcd()
    lease, _ = joined(etcd, 2)
    leaving = asyncio.create_task(lease.grant(q.Grant(1, TTL)))
    staying = asyncio.create_task(lease.grant(q.Grant(2, TTL)))
    await asyncio.sleep(0)
    leaving.cancel()
    granted = await staying
    assert isinstance(granted, q.Granted)
    assert granted.lease == 1


def test_members_of_one_election_and_leases_of_other_lengths_are_apart() -> None:
    etcd, leases = Etcd(), Leases()
    first = leases.join(Election("/a/"), TTL, etcd.ask)
    assert leases.join(Election("/a/"), TTL, etcd.ask) is not first
    assert leases.join(Election("/b/"), TTL + 1, etcd.ask) is not first
    assert leases.join(Election("/b/"), TTL, etcd.ask) is first
