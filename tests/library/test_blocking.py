"""The library without asyncio: a thread of its own elects, the caller's thread leads."""

import math
import os
import threading
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from interrex.library import blocking
from interrex.library.errors import (
    AlreadyEntered,
    CannotListen,
    ElectionClosed,
    IdentityTaken,
    UnknownScheme,
)
from interrex.library.leadership import View
from tests.library.members import Places


def test_a_body_leads_and_leaving_it_lets_the_next_lead() -> None:
    places = Places("raft", count=1)
    with blocking.election(places.url(0), identity="a") as election:
        with election.lead(timeout=30) as leadership:
            assert not leadership.ended
            assert election.view.leader == election.identity == "a"
            own = election.leadership
            assert own is leadership
        assert election.leadership is None
        assert leadership.reason == "its body has ended"
        assert not leadership.lost
        with election.lead(timeout=30) as again:
            assert again.epoch >= leadership.epoch
        with pytest.raises(ZeroDivisionError), election.lead(timeout=30):
            raise ZeroDivisionError


def test_giving_up_is_told_and_waits_for_the_body() -> None:
    places = Places("raft", count=1)
    told, resigned = threading.Event(), threading.Event()
    with blocking.election(places.url(0), identity="a") as election:

        def resign() -> None:
            election.resign()
            resigned.set()

        with election.lead(timeout=30, on_end=told.set) as leadership:
            thread = threading.Thread(target=resign)
            thread.start()
            assert told.wait(30)
            assert leadership.ended
            assert not resigned.is_set()
        thread.join(30)
        assert resigned.is_set()
        assert leadership.lost


def test_a_leadership_is_handed_over_to_one_that_waits_and_was_named() -> None:
    places = Places("raft", count=2)
    asked, led = threading.Event(), threading.Event()
    with ExitStack() as stack:
        a, b = [
            stack.enter_context(blocking.election(places.url(place), identity=name))
            for place, name in enumerate("ab")
        ]

        def follow() -> None:
            with b.lead(timeout=60):
                led.set()

        def hand_over() -> None:
            a.transfer("b")

        with a.lead(timeout=60, on_end=asked.set) as leadership:
            waiting = threading.Thread(target=follow)
            waiting.start()
            while a.waiting() != ["b"]:
                threading.Event().wait(0.001)
            transferring = threading.Thread(target=hand_over)
            transferring.start()
            assert asked.wait(60)
            assert leadership.reason == "it was handed over to b"
            assert not led.is_set()
        for thread in (transferring, waiting):
            thread.join(60)
        assert led.is_set()


def test_an_error_of_the_election_is_raised_through_lead() -> None:
    places = Places("raft")
    with (
        blocking.election(places.url(0), identity="same"),
        blocking.election(places.url(1), identity="same") as second,
        pytest.raises(IdentityTaken, match=places.addresses[0]),
        second.lead(timeout=60),
    ):
        raise AssertionError("it leads")


def test_a_turn_that_does_not_come_in_time_is_given_up() -> None:
    places = Places("raft", count=3)
    with blocking.election(places.url(0), identity="a") as election:
        for _ in range(2):
            with (
                pytest.raises(TimeoutError, match="did not lead within"),
                election.lead(timeout=0.01),
            ):
                raise AssertionError("one of three leads")


@pytest.mark.parametrize("timeout", ["x", "1", b"1", [], math.nan], ids=repr)
def test_a_time_out_is_a_number_of_seconds(timeout: Any) -> None:
    election = blocking.election(Places("raft", count=1).url(0), identity="a")
    with pytest.raises(ValueError, match="a time-out is a number of seconds"):
        election.lead(timeout=timeout)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 10**400, threading.TIMEOUT_MAX], ids=repr)
def test_a_turn_is_waited_for_for_ever_where_no_thread_could_wait_so_long(timeout: float) -> None:
    places = Places("raft", count=1)
    with (
        blocking.election(places.url(0), identity="a") as election,
        election.lead(timeout=timeout) as leadership,
    ):
        assert not leadership.ended


def test_what_cannot_be_called_is_told_before_the_leadership_ends() -> None:
    election = blocking.election(Places("raft", count=1).url(0), identity="a")
    nobody: Any = "stop"
    with pytest.raises(ValueError, match="'stop' cannot be"):
        election.lead(on_end=nobody)


def test_a_turn_is_entered_once() -> None:
    places = Places("raft", count=1)
    with blocking.election(places.url(0), identity="a") as election:
        turn = election.lead(timeout=30)
        with turn as leadership:
            assert not leadership.ended
            with pytest.raises(AlreadyEntered, match="this lead"):
                turn.__enter__()
            assert not leadership.ended
        with pytest.raises(AlreadyEntered, match="this lead"):
            turn.__enter__()


def test_views_are_followed_to_the_end() -> None:
    places = Places("raft", count=1)
    with blocking.election(places.url(0), identity="a") as election:
        views = election.observe()
        assert next(views).leader is None
        with election.lead(timeout=30):
            assert next(view for view in views if view.leader).leader == "a"


def test_what_is_asked_before_or_after_the_election_is_open_is_refused_and_never_waits() -> None:
    before = threading.active_count(), len(os.listdir("/proc/self/fd"))
    election = blocking.election(Places("raft", count=1).url(0), identity="a")

    def ask_everything(words: str) -> None:
        asked = (election.lead().__enter__, election.resign, election.waiting)
        for ask in (*asked, lambda: election.transfer("b")):
            with pytest.raises(ElectionClosed, match=words):
                ask()

    ask_everything("open the election first")
    with pytest.raises(ElectionClosed, match="open the election first"):
        next(election.observe())
    with election:
        with pytest.raises(AlreadyEntered):
            election.__enter__()
        with election.lead(timeout=30) as leadership:
            assert not leadership.ended
    ask_everything("was left")
    assert list(election.observe()) == []
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before


def test_whoever_waits_on_another_thread_is_told_when_the_election_is_left() -> None:
    places = Places("raft", count=3)
    told: SimpleQueue[object] = SimpleQueue()

    def wait_for_a_turn() -> None:
        try:
            with election.lead():
                told.put("it led")
        except ElectionClosed as error:
            told.put(error)

    def watch() -> None:
        told.put(list(election.observe()))

    with blocking.election(places.url(0), identity="a") as election:
        waiting = [threading.Thread(target=one) for one in (wait_for_a_turn, watch)]
        for thread in waiting:
            thread.start()
        while "a" not in election.waiting():
            threading.Event().wait(0.001)
    for thread in waiting:
        thread.join(30)
    said = [told.get(timeout=30) for _ in waiting]
    assert any(isinstance(one, ElectionClosed) for one in said)
    assert [View(None, 0)] in said


def test_a_body_on_another_thread_has_lost_when_the_election_is_left_and_ends_without_error() -> (
    None
):
    places = Places("raft", count=1)
    leads, left = threading.Event(), threading.Event()
    ended: SimpleQueue[object] = SimpleQueue()

    def fail() -> None:
        raise ZeroDivisionError

    def lead() -> None:
        with election.lead(timeout=30, on_end=fail) as leadership:
            leads.set()
            assert left.wait(30)
        ended.put((leadership.lost, leadership.reason))

    with blocking.election(places.url(0), identity="a") as election:
        thread = threading.Thread(target=lead)
        thread.start()
        assert leads.wait(30)
    left.set()
    thread.join(30)
    assert ended.get(timeout=30) == (True, "'a' has left the election")


def test_a_forked_child_is_told_to_open_its_own_and_leaves_its_parents_alone() -> None:
    places = Places("raft", count=1)
    with blocking.election(places.url(0), identity="a") as election:
        with election.lead(timeout=30):
            child = os.fork()
            if child == 0:
                try:
                    election.resign()
                except ElectionClosed:
                    election.__exit__()
                    os._exit(7)
                os._exit(8)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        with election.lead(timeout=30) as leadership:
            assert not leadership.ended


def test_what_cannot_be_opened_is_told_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    places = Places("raft", count=1)
    with blocking.election(places.url(0), identity="a"):
        second = blocking.election(places.url(0), identity="b")
        with pytest.raises(CannotListen, match="cannot listen"):
            second.__enter__()
    with pytest.raises(UnknownScheme, match="there are: interrex://"):
        blocking.election("zab://x/y")
    assert threading.active_count() == before
