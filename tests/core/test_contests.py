"""Named leaderships as the replicated state has them: one holder each, epochs that only rise."""

from random import Random

from interrex.core.contests import (
    Candidate,
    CandidateProcess,
    ContestOperation,
    Contests,
    Expire,
    Renew,
    Stand,
    Withdraw,
    apply_to_contests,
)
from interrex.core.ids import ChangeId, WorkerName
from interrex.core.spec import ClusterSpec
from interrex.core.state import (
    Change,
    apply,
    decode_change,
    decode_state,
    encode_change,
    encode_state,
    genesis,
)

ONE, TWO = WorkerName("worker-1"), WorkerName("worker-2")
NAME = "billing"


def stand(identity: str, priority: int = 0, guardian: WorkerName = ONE) -> Stand:
    process = CandidateProcess(7, 8, "boot", 9)
    return Stand(NAME, Candidate(f"t-{identity}", identity, guardian, priority, process))


def after(*operations: ContestOperation) -> Contests:
    contests = Contests()
    for index, operation in enumerate(operations, 1):
        apply_to_contests(contests, operation, index)
    return contests


def held(contests: Contests) -> tuple[str, int] | None:
    holder = contests.holder(NAME)
    return None if holder is None else (holder.identity, holder.epoch)


def test_the_first_to_stand_holds_with_the_index_of_that_change_as_epoch() -> None:
    assert held(after(stand("a"), stand("b", priority=9))) == ("a", 1)


def test_the_next_is_the_highest_priority_then_the_oldest() -> None:
    contests = after(stand("a"), stand("b"), stand("c", 1), stand("d", 1), Withdraw(NAME, "t-a"))
    assert held(contests) == ("c", 5)


def test_a_successor_goes_before_everybody_but_only_if_it_stands() -> None:
    waiting = (stand("a"), stand("b", 1), stand("c"))
    assert held(after(*waiting, Withdraw(NAME, "t-a", "c"))) == ("c", 4)
    assert held(after(*waiting, Withdraw(NAME, "t-a", "z"))) == ("b", 4)


def test_who_waits_can_leave_and_nothing_changes_for_the_holder() -> None:
    assert held(after(stand("a"), stand("b"), Withdraw(NAME, "t-b", "b"))) == ("a", 1)


def test_an_identity_stands_once() -> None:
    second = Stand(NAME, Candidate("other", "a", TWO, 5, CandidateProcess(1, 2, "boot", 9)))
    contests = after(stand("a"), second)
    assert [one.ticket for one in contests.standing[NAME]] == ["t-a"]


def test_a_ticket_moves_to_another_guardian_and_keeps_its_epoch() -> None:
    contests = after(stand("a"), stand("b"), stand("a", guardian=TWO))
    assert held(contests) == ("a", 1)
    assert [one.identity for _, one in contests.guarded_by(TWO)] == ["a"]


def test_a_guardian_that_renewed_since_is_not_expired() -> None:
    begun = (stand("a"), stand("b", guardian=TWO))
    assert held(after(*begun, Renew(ONE), Expire(ONE, 1))) == ("a", 1)
    assert held(after(*begun, Renew(ONE), Expire(ONE, 3))) == ("b", 4)


def test_nothing_is_left_of_a_contest_in_which_nobody_stands() -> None:
    assert after(stand("a"), Withdraw(NAME, "t-a")) == Contests()


def test_of_random_changes_there_is_at_most_one_holder_and_epochs_only_rise() -> None:
    for seed in range(50):
        random = Random(seed)
        contests, newest = Contests(), 0
        for index in range(1, 200):
            identity = random.choice("abcd")
            guardian = random.choice((ONE, TWO))
            operation = random.choice(
                (
                    stand(identity, random.randrange(3), guardian),
                    Withdraw(NAME, f"t-{identity}", random.choice("abcd")),
                    Renew(guardian),
                    Expire(guardian, contests.renewed.get(guardian, 0) - random.randrange(2)),
                )
            )
            before = contests.holder(NAME)
            apply_to_contests(contests, operation, index)
            standing = contests.standing.get(NAME, ())
            holders = [one for one in standing if one.epoch]
            assert len(holders) == (1 if standing else 0)
            assert {one.guardian for one in standing} == set(contests.renewed)
            for one in holders:
                kept = before is not None and before.ticket == one.ticket
                assert one.epoch == newest if kept and one.epoch == newest else one.epoch == index
                newest = one.epoch


def test_contests_travel_with_changes_and_snapshots() -> None:
    state = genesis(ClusterSpec(name="shop"))
    change = Change(ChangeId("x"), 0, (stand("a"), Renew(ONE), Withdraw(NAME, "z"), Expire(TWO, 4)))
    assert apply(state, decode_change(encode_change(change)), 12)
    assert held(decode_state(encode_state(state)).contests) == ("a", 12)
