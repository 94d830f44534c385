"""The library without asyncio: a thread of its own elects, the caller's thread leads."""

import threading
from pathlib import Path

import pytest

from interrex.library import blocking
from interrex.library.errors import ElectionError, UnknownScheme
from tests.library.members import Places


def test_a_body_leads_and_leaving_it_lets_the_next_lead() -> None:
    places = Places("raft", count=1)
    with blocking.election(places.url(0), identity="a") as election:
        with election.lead(timeout=30) as leadership:
            assert not leadership.ended
            assert election.view.leader == "a"
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


def test_a_turn_that_does_not_come_in_time_is_given_up() -> None:
    places = Places("raft", count=3)
    with blocking.election(places.url(0), identity="a") as election:
        for _ in range(2):
            with pytest.raises(TimeoutError), election.lead(timeout=0.01):
                raise AssertionError("one of three leads")


def test_views_are_followed_to_the_end() -> None:
    places = Places("raft", count=1)
    with blocking.election(places.url(0), identity="a") as election:
        views = election.views()
        assert next(views).leader is None
        with election.lead(timeout=30):
            assert next(view for view in views if view.leader).leader == "a"


def test_what_cannot_be_opened_is_told_and_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    places = Places("raft", count=1)
    with blocking.election(places.url(0), identity="a"):
        second = blocking.election(places.url(0), identity="b")
        with pytest.raises(ElectionError, match="cannot listen"):
            second.__enter__()
    with pytest.raises(UnknownScheme, match="there are: interrex://"):
        blocking.election("zab://x/y")
    assert threading.active_count() == before
