"""Changes that would make a fleet too large for its messages are refused by whoever is asked."""

import msgspec

from interrex.core.ids import ChangeId, ServiceName
from interrex.core.state import ApplySpec, Operation, Scale
from interrex.worker.interface import Answer, ChangeAsked
from tests.worker.town import Town, cluster, service

WEB = ServiceName("web")


def ask(town: Town, number: int, operation: Operation) -> Answer:
    follower = next(name for name in town.workers if name != town.leader())
    town.post(follower, ChangeAsked(number, ChangeId(f"user-{number}"), (operation,)))
    town.run_until(lambda: any(one.request == number for one in town.answers))
    return next(one for one in town.answers if one.request == number)


def small_town() -> Town:
    town = Town(cluster(service("web", 2)))
    town.start()
    town.run_until(town.all_ready)
    return town


def test_more_replicas_than_one_report_can_tell_of_are_refused_with_both_numbers() -> None:
    town = small_town()
    told = ask(town, 1, Scale(WEB, 9999))
    assert told.refused
    assert "a worker's report for 9,999 slots would take" in told.text
    assert "1,048,576 are the most that one worker sends another; nothing was changed" in told.text
    assert ask(town, 2, Scale(WEB, 3)).ok


def test_a_file_that_is_too_long_itself_is_refused() -> None:
    town = small_town()
    large = msgspec.structs.replace(service("web", 2), env={"BLOB": "x" * 800_000})
    told = ask(town, 1, ApplySpec(cluster(large)))
    assert told.refused
    assert "786,432 are the most; nothing was changed" in told.text
