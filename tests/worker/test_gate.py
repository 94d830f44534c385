"""The epoch gate: commands come out in order, each as soon as what it rests on is on disk."""

from interrex.core.messages import Assignment, Routes
from interrex.core.routes import RouteTable
from interrex.worker.gate import ASSIGNMENT_FACT, EPOCH_FACT, EpochGate


def assignment(epoch: int, version: int) -> Assignment:
    return Assignment(epoch, version, ())


def routes(epoch: int, version: int) -> Routes:
    return Routes(RouteTable(epoch, version))


def test_a_command_that_writes_nothing_passes_when_nothing_waits() -> None:
    gate = EpochGate({EPOCH_FACT: b"3"})
    assert gate.take(routes(3, 1), token=8) == ()
    assert not gate.must_wait


def test_a_command_waits_for_its_own_records() -> None:
    gate = EpochGate({})
    keys = [fact.key for fact in gate.take(assignment(3, 1), token=8)]
    assert keys == [EPOCH_FACT, ASSIGNMENT_FACT]
    assert gate.release(7) == []
    assert gate.release(8) == [assignment(3, 1)]
    assert not gate.must_wait


def test_a_command_behind_one_that_waits_comes_out_with_it() -> None:
    """It writes nothing itself: nothing may ever be written after what it waits for."""
    gate = EpochGate({EPOCH_FACT: b"3"})
    gate.take(assignment(3, 1), token=8)
    assert gate.take(routes(3, 1), token=9) == ()
    assert gate.take(routes(3, 2), token=9) == ()
    assert gate.must_wait
    assert gate.release(8) == [assignment(3, 1), routes(3, 1), routes(3, 2)]
    assert not gate.must_wait


def test_commands_keep_their_order_across_several_writes() -> None:
    gate = EpochGate({EPOCH_FACT: b"3"})
    gate.take(assignment(3, 1), token=8)
    gate.take(routes(3, 1), token=9)
    gate.take(assignment(3, 2), token=9)
    gate.take(routes(3, 2), token=10)
    assert gate.release(8) == [assignment(3, 1), routes(3, 1)]
    assert gate.release(12) == [assignment(3, 2), routes(3, 2)]


def test_an_assignment_that_waits_for_the_disk_is_not_the_one_to_be_obeyed() -> None:
    gate = EpochGate({EPOCH_FACT: b"3"})
    gate.take(assignment(3, 1), token=8)
    gate.release(8)
    gate.take(assignment(3, 2), token=9)
    assert not gate.admits(assignment(3, 2))
    assert gate.assignment == assignment(3, 1)
    gate.release(9)
    assert gate.assignment == assignment(3, 2)


def test_a_raised_epoch_refuses_older_commands_at_once_and_after_a_restart() -> None:
    gate = EpochGate({EPOCH_FACT: b"3"})
    facts = gate.raise_to(5, token=8)
    assert not gate.admits(routes(4, 1))
    assert not EpochGate({fact.key: fact.value for fact in facts}).admits(routes(4, 1))


def test_a_command_of_a_raised_epoch_waits_until_that_is_on_disk() -> None:
    gate = EpochGate({EPOCH_FACT: b"3"})
    gate.raise_to(5, token=8)
    assert gate.take(routes(5, 1), token=9) == ()
    assert gate.must_wait
    assert gate.release(8) == [routes(5, 1)]
    gate.raise_to(4, token=9)
    assert gate.highest == 5
