"""The rules of an embedded election: who is believed, how it begins, when it begins anew."""

import msgspec
import pytest

from interrex.core.ids import WorkerName
from interrex.library.embedded.founding import Genesis, found, is_over
from interrex.library.embedded.judging import judge, raised_by
from interrex.library.embedded.words import Greeting, Session
from interrex.library.errors import IdentityTaken, OtherCluster, WrongPeers, WrongVersion

A, B, C = (WorkerName(f"10.0.0.{n}:7001") for n in (1, 2, 3))


def greeting(place: int, /, **changed: object) -> Greeting:
    """Of one of three that fit; a lower place is older."""
    usual = Greeting(
        election="x", name="billing", peers=(A, B, C), place=place, identity=f"id-{place}",
        member=place + 1, genesis=None, newest=0, age=100 - place, opened=place,
        boot=f"boot-{place}", nonce=b"n" * 16,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changed)


def test_members_that_fit_believe_each_other() -> None:
    assert judge(greeting(0), greeting(1), settled=False) is None


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"name": "invoices"}, OtherCluster),
        ({"election": "y"}, OtherCluster),
        ({"peers": (A, C, B)}, WrongPeers),
        ({"place": 0}, WrongPeers),
        ({"place": 3}, WrongPeers),
        ({"place": -1}, WrongPeers),
        ({"version": 2}, WrongVersion),
        ({"identity": "id-0"}, IdentityTaken),
    ],
)
def test_who_does_not_fit_is_refused_and_of_two_new_ones_the_younger_is_told(
    changed: dict[str, object], error: type[Exception]
) -> None:
    older, younger = greeting(0), greeting(1, **changed)
    verdict = judge(older, younger, settled=False)
    assert verdict is not None
    assert verdict.own_error is None
    assert isinstance(raised_by(verdict.refusal, younger, A), error)
    seen_by_the_younger = judge(younger, older, settled=False)
    assert seen_by_the_younger is not None
    assert isinstance(seen_by_the_younger.own_error, error)
    assert raised_by(seen_by_the_younger.refusal, older, B) is None


def test_of_two_versions_each_is_told_both_numbers_from_where_it_stands() -> None:
    older, younger = greeting(0), greeting(1, version=2)
    verdict, seen_by_the_younger = (
        judge(mine, theirs, settled=False) for mine, theirs in ((older, younger), (younger, older))
    )
    assert verdict is not None
    assert seen_by_the_younger is not None
    assert seen_by_the_younger.refusal.reason == "it speaks version 1, and this one 2"
    for error in (raised_by(verdict.refusal, younger, A), seen_by_the_younger.own_error):
        assert isinstance(error, WrongVersion)
        assert (error.mine, error.theirs) == (2, 1)
        assert f"{A} speaks version 1, and this program version 2" in str(error)


def test_on_one_machine_its_clock_tells_who_is_the_younger_however_late_it_was_told() -> None:
    older = greeting(0, boot="one", opened=1000, age=5)
    younger = greeting(1, boot="one", opened=1001, age=9, identity="id-0")
    seen_by_the_older = judge(older, younger, settled=False)
    seen_by_the_younger = judge(younger, older, settled=False)
    assert seen_by_the_older is not None
    assert seen_by_the_younger is not None
    assert seen_by_the_older.own_error is None
    assert isinstance(seen_by_the_younger.own_error, IdentityTaken)


def test_a_member_at_work_is_never_stopped_by_one_that_does_not_fit() -> None:
    verdict = judge(greeting(1), greeting(0, name="invoices", age=10**18), settled=True)
    assert verdict is not None
    assert verdict.own_error is None


def test_elections_that_began_apart_do_not_mix() -> None:
    one, other = (Genesis(number, 5, {1: A, 2: B, 3: C}) for number in (1, 2))
    assert judge(greeting(0, genesis=one), greeting(1, genesis=one), settled=True) is None
    assert judge(greeting(0, genesis=one), greeting(1, genesis=other), settled=True) is not None


def test_epochs_begin_above_all_that_is_known_and_above_the_clock() -> None:
    members = {A: 11, B: 12, C: 13}
    assert found(members, 7, newest=50, clock_us=40) == Genesis(7, 50, {11: A, 12: B, 13: C})
    assert found(members, 7, newest=30, clock_us=40).base == 40


def test_it_is_over_when_no_majority_can_come_back() -> None:
    voters = {11: A, 12: B, 13: C}
    assert not is_over(voters, {A: 11})
    assert not is_over(voters, {A: 11, B: 99})
    assert is_over(voters, {A: 11, B: 99, C: 98})
    assert is_over({11: A, 12: B}, {B: 99})


def sessions(mine: bytes = b"secret", theirs: bytes = b"secret") -> tuple[Session, Session]:
    return Session(mine, b"hello a", b"hello b"), Session(theirs, b"hello b", b"hello a")


def test_both_sides_prove_that_they_know_the_secret() -> None:
    a, b = sessions()
    assert a.accepts(b.proof)
    assert b.accepts(a.proof)
    assert not a.accepts(a.proof), "a proof that is sent back proves nothing"
    assert not a.accepts(b"")
    a, b = sessions(theirs=b"other")
    assert not a.accepts(b.proof)
    a, b = sessions(theirs=b"")
    assert not a.accepts(b.proof)
    assert not b.accepts(a.proof)


def test_a_frame_that_was_changed_repeated_or_left_out_is_noticed() -> None:
    a, b = sessions()
    frames = [a.seal(b"one"), a.seal(b"two"), a.seal(b"three")]
    assert b.open(frames[0]) == b"one"
    for wrong in (frames[0], frames[2], b"", b"TWO" + frames[1][3:]):
        _, fresh = sessions()
        assert fresh.open(frames[0]) == b"one"
        with pytest.raises(ValueError, match="changed"):
            fresh.open(wrong)
    with pytest.raises(ValueError, match="changed"):
        a.open(frames[0])


def test_without_a_secret_frames_are_as_they_are() -> None:
    a, b = sessions(b"", b"")
    assert a.accepts(b.proof)
    assert b.open(a.seal(b"one")) == b"one"
