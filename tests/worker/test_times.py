"""``[cluster.timing]`` of a changed file: every worker goes by it as soon as it is agreed."""

import msgspec
import pytest

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.messages import ElectionMail
from interrex.core.spec import ClusterSpec, Timing
from interrex.core.state import ApplySpec
from interrex.core.time import MS, S
from interrex.worker.interface import Answer, ChangeAsked
from tests.worker.conftest import with_a_log
from tests.worker.town import Town, cluster, service

pytestmark = pytest.mark.usefixtures("each_election")


@pytest.fixture
def town() -> Town:
    return begun()


def begun() -> Town:
    town = Town(timed())
    town.start()
    town.run_until(town.all_ready)
    town.run_for(S)
    return town


def timed(**times: float) -> ClusterSpec:
    spec = cluster(service("web", 3, port=8080))
    return msgspec.structs.replace(spec, timing=Timing(**times))


def ask(town: Town, spec: ClusterSpec, number: int = 1) -> Answer:
    change = ChangeId(f"user-{number}")
    town.post(town.leader(), ChangeAsked(number, change, (ApplySpec(spec),)))
    town.run_until(lambda: any(one.request == number for one in town.answers))
    return next(one for one in town.answers if one.request == number)


def leaderships(town: Town) -> list[str]:
    return [note.text for _, _, note in town.notes if note.kind == "leader.elected"]


def mails(town: Town, duration: int) -> int:
    """How many messages of the election an idle leader sends each follower."""
    leader, before = town.leader(), len(town.commands)
    town.run_for(duration)
    sent = [one for one in town.commands[before:] if one[0] == leader]
    return sum(isinstance(message, ElectionMail) for _, _, message in sent) // 2


def test_heartbeats_are_as_rare_as_was_asked_and_nobody_is_deposed_for_it(town: Town) -> None:
    assert 16 <= mails(town, S) <= 19
    before = leaderships(town)
    assert ask(town, timed(heartbeat=0.25, election_timeout=1.5)).ok
    town.run_for(S)
    assert 15 <= mails(town, 4 * S) <= 18
    assert leaderships(town) == before


def test_heartbeats_are_as_frequent_as_was_asked_again(town: Town) -> None:
    before = leaderships(town)
    assert ask(town, timed(heartbeat=0.25, election_timeout=1.5)).ok
    town.run_for(3 * S)
    assert ask(town, timed(), 2).ok
    town.run_for(S)
    assert 16 <= mails(town, S) <= 19
    assert leaderships(town) == before


def succession(town: Town) -> int:
    """How long (ns) after its leader has fallen silent another leads."""
    old = town.leader()
    town.stopped.add(old)
    return town.run_until(lambda: any(name != old for name in town.leaders()))


@with_a_log
def test_a_silent_leader_is_succeeded_within_the_new_time_out(town: Town) -> None:
    assert ask(town, timed(heartbeat=0.02, election_timeout=0.1)).ok
    town.run_for(S)
    assert succession(town) < 150 * MS


def test_a_silent_leader_is_succeeded_the_sooner_the_shorter_the_time_out_is(town: Town) -> None:
    assert ask(town, timed(heartbeat=0.02, election_timeout=0.1)).ok
    town.run_for(S)
    assert succession(town) < 0.7 * succession(begun())


def test_a_worker_that_starts_later_goes_by_the_new_times_too(town: Town) -> None:
    assert ask(town, timed(heartbeat=0.25, election_timeout=1.5)).ok
    town.run_for(S)
    for worker in list(town.workers):
        town.kill(worker)
        town.run_for(5 * S)
        town.run_until(town.all_ready, within=30 * S)
    assert 15 <= mails(town, 4 * S) <= 18


def test_a_silent_worker_is_given_the_new_time(town: Town) -> None:
    assert ask(town, timed(silent_worker=5.0)).ok
    hung = next(name for name in town.workers if name != town.leader())
    town.stopped.add(hung)
    took = town.run_until(lambda: hung in town.launched)
    assert 4 * S < took < 7 * S


def test_times_that_contradict_each_other_are_refused(town: Town) -> None:
    told = ask(town, timed(heartbeat=1.0, election_timeout=0.1))
    assert told.refused
    assert "election_timeout is 0.1 s, and must be at least 3 heartbeats" in told.text
    assert town.workers[WorkerName("worker-1")].state.spec.timing == Timing()
