"""The guardian of a host's candidates: two leases, and nobody is withdrawn who may still lead."""

from collections.abc import Iterator

import msgspec

from interrex.core.contests import (
    Candidate,
    CandidateProcess,
    ContestOperation,
    Contests,
    Expire,
    Renew,
    Stand,
    apply_to_contests,
)
from interrex.core.ids import WorkerName
from interrex.core.time import MS, S
from interrex.worker.guardian import (
    CANDIDATE_LEASE,
    GUARDIAN_LEASE,
    RETRY_AFTER,
    Granted,
    Guardian,
    GuardianEffect,
    Lost,
    Proposal,
    Standings,
    Watch,
)

ME, OTHER = WorkerName("worker-1"), WorkerName("worker-2")
NAME = "billing"


def candidate(identity: str, guardian: WorkerName = ME, priority: int = 0) -> Candidate:
    process = CandidateProcess(7, 8, "boot", 9)
    return Candidate(f"t-{identity}", identity, guardian, priority, process)


class World:
    """A guardian, and a cluster that agrees to everything at once."""

    def __init__(self) -> None:
        self.now = 100 * S
        self.index = 0
        self.contests = Contests()
        self.guardian = Guardian(ME, self.now)
        self.leading = False
        self.agrees = True
        self.proposed: list[ContestOperation] = []

    def apply(self, operation: ContestOperation) -> int:
        self.index += 1
        apply_to_contests(self.contests, operation, self.index)
        return self.index

    def look(self) -> list[GuardianEffect]:
        """Everything that follows at this moment, proposals apart."""
        said: list[GuardianEffect] = []
        while True:
            effects = self.guardian.look(self.contests, self.index, self.leading, self.now)
            proposals = [one for one in effects if isinstance(one, Proposal)]
            said += [one for one in effects if not isinstance(one, Proposal)]
            if not proposals:
                return said
            for one in proposals:
                self.proposed.append(one.operation)
                index = self.apply(one.operation) if self.agrees else None
                self.guardian.settled(one.number, index, self.now)

    def stand(self, identity: str) -> list[GuardianEffect]:
        self.guardian.stand(NAME, candidate(identity), self.now, self.now)
        return self.look()

    def wait(self, duration: int, *alive: str) -> list[GuardianEffect]:
        """Pass this time, woken as asked; those named go on saying that they are there."""
        until = self.now + duration
        said = []
        while (wake_at := self.guardian.wake_at) is not None and wake_at <= until:
            self.now = max(self.now + 1, wake_at - CANDIDATE_LEASE // 2)
            for identity in alive:
                self.guardian.alive(f"t-{identity}", self.now)
            said += self.look()
            self.now = max(self.now, min(wake_at, until))
            said += self.look()
        self.now = until
        return said + self.look()


def test_a_candidate_that_stands_alone_is_granted_its_own_lease() -> None:
    world = World()
    said = world.stand("a")
    assert Granted("t-a", 1, world.now + CANDIDATE_LEASE) in said
    assert Standings(NAME, "a", 1, ()) in said
    assert world.proposed == [Stand(NAME, candidate("a")), Renew(ME)]


def test_nothing_is_granted_before_the_guardian_has_renewed() -> None:
    world = World()
    world.apply(Stand(NAME, candidate("a")))
    world.agrees = False
    world.guardian.stand(NAME, candidate("a"), world.now, world.now)
    assert not any(isinstance(one, Granted) for one in world.look())


def test_the_dead_holder_is_withdrawn_at_once_and_the_next_leads() -> None:
    world = World()
    world.stand("a")
    world.stand("b")
    world.guardian.withdraw("t-a", world.now)
    said = world.look()
    assert Granted("t-b", world.index, world.now + CANDIDATE_LEASE) in said
    assert Lost("t-a", "it was withdrawn") in said


def test_the_next_one_leads_after_one_agreed_change_and_is_told_before_anybody_else() -> None:
    world = World()
    world.stand("a")
    world.stand("b")
    agreed = world.index
    world.guardian.withdraw("t-a", world.now)
    first, *_ = (one for one in world.look() if isinstance(one, Granted | Standings))
    assert first == Granted("t-b", agreed + 1, world.now + CANDIDATE_LEASE)
    assert world.index == agreed + 1


def test_the_silent_holder_keeps_its_lease_to_the_end_and_not_longer() -> None:
    world = World()
    world.stand("a")
    told = world.now + CANDIDATE_LEASE
    world.stand("b")
    world.now = told - MS
    world.guardian.alive("t-b", world.now)
    assert not any(isinstance(one, Lost) for one in world.look())
    world.now = told
    said = world.look()
    assert Lost("t-a", "it was withdrawn") in said
    assert any(isinstance(one, Granted) and one.ticket == "t-b" for one in said)


def test_who_says_that_it_is_there_keeps_leading() -> None:
    world = World()
    world.stand("a")
    said = world.wait(60 * S, "a")
    assert not any(isinstance(one, Lost) for one in said)
    deadlines = [one.deadline for one in said if isinstance(one, Granted)]
    assert deadlines == sorted(deadlines)
    assert deadlines[-1] > world.now


def test_while_the_cluster_does_not_agree_the_leadership_runs_out() -> None:
    world = World()
    world.stand("a")
    renewed = world.now
    world.agrees = False
    said = world.wait(GUARDIAN_LEASE + S, "a")
    told = max(one.deadline for one in said if isinstance(one, Granted))
    assert told <= renewed + GUARDIAN_LEASE * 9 // 10
    assert Lost("t-a", "it was withdrawn") not in said


def test_whoever_leads_expires_a_guardian_only_after_its_whole_lease() -> None:
    world = World()
    world.apply(Stand(NAME, candidate("z", OTHER)))
    world.stand("a")
    world.leading = True
    world.wait(GUARDIAN_LEASE - 2 * MS, "a")
    assert not any(isinstance(one, Expire) for one in world.proposed)
    said = world.wait(4 * MS, "a")
    assert Expire(OTHER, 1) in world.proposed
    assert any(isinstance(one, Granted) and one.ticket == "t-a" for one in said)


def test_an_identity_that_is_taken_is_refused_and_says_by_whom() -> None:
    world = World()
    world.apply(Stand(NAME, Candidate("x", "a", OTHER, 0, CandidateProcess(31, 8, "boot", 9))))
    said = world.stand("a")
    assert Lost("t-a", "taken", "process 31 at worker worker-2") in said
    world.guardian.withdraw("t-a", world.now)
    assert not world.look()


def test_a_proposal_that_failed_is_made_again_later_and_not_at_once() -> None:
    world = World()
    world.agrees = False
    world.stand("a")
    first = world.proposed.count(Stand(NAME, candidate("a")))
    assert first == 1
    world.agrees = True
    world.now += RETRY_AFTER
    assert any(isinstance(one, Granted) for one in world.look())


def test_news_that_a_change_was_made_may_come_before_the_change() -> None:
    world = World()
    world.guardian.stand(NAME, candidate("a"), world.now, world.now)
    stood, renewed = (
        one
        for one in world.guardian.look(world.contests, 0, False, world.now)
        if isinstance(one, Proposal)
    )
    world.guardian.settled(stood.number, 5, world.now)
    world.guardian.settled(renewed.number, 6, world.now)
    assert not world.guardian.look(world.contests, 4, False, world.now)
    apply_to_contests(world.contests, stood.operation, 5)
    said = world.guardian.look(world.contests, 5, False, world.now)
    assert any(isinstance(one, Granted) for one in said)


def test_a_new_process_watches_whom_the_last_one_guarded_until_they_come_back() -> None:
    world = World()
    world.apply(Stand(NAME, candidate("a")))
    assert Watch("t-a", candidate("a").process) in world.look()
    said = world.stand("a")
    assert Granted("t-a", 1, world.now + CANDIDATE_LEASE) in said


def test_a_candidate_that_moved_to_another_worker_is_let_go() -> None:
    world = World()
    world.stand("a")
    world.apply(Stand(NAME, candidate("a", OTHER)))
    assert Lost("t-a", "another worker answers for it") in world.look()
    assert world.contests.holder(NAME) is not None


def test_a_ticket_that_comes_from_another_worker_is_not_let_go_before_that_is_agreed() -> None:
    world = World()
    world.apply(Stand(NAME, candidate("a", OTHER)))
    world.agrees = False
    assert not any(isinstance(one, Lost) for one in world.stand("a"))
    world.agrees = True
    world.now += RETRY_AFTER
    assert any(isinstance(one, Granted) for one in world.look())


def test_a_ticket_waits_until_the_earlier_one_of_its_own_process_is_void() -> None:
    """Changes may be made in another order than they were asked for."""
    world = World()
    world.stand("a")
    world.agrees = False
    world.guardian.withdraw("t-a", world.now)
    world.look()
    world.agrees = True
    again = msgspec.structs.replace(candidate("a"), ticket="t-a2")
    world.guardian.stand(NAME, again, world.now, world.now)
    assert not any(isinstance(one, Lost) for one in world.look())
    world.now += RETRY_AFTER
    said = world.look()
    assert Lost("t-a", "it was withdrawn") in said
    assert [one.ticket for one in said if isinstance(one, Granted)] == ["t-a2"]
    assert not world.guardian.answers_for("t-a")


class Counted(tuple[Candidate, ...]):
    """Candidates that count how often somebody goes through all of them."""

    times = 0

    def __iter__(self) -> Iterator[Candidate]:
        self.times += 1
        return super().__iter__()


def test_a_look_goes_through_all_candidates_as_often_whatever_their_number() -> None:
    """Three hundred that came at once kept a worker busy until it had lost its own leadership."""
    times = []
    for number in (3, 300):
        world = World()
        for one in range(number):
            world.stand(f"{one}")
        counted = world.contests.standing[NAME] = Counted(world.contests.standing[NAME])
        world.look()
        times.append(counted.times)
    assert times[0] == times[1] > 0


def test_a_guardian_without_candidates_wants_nothing() -> None:
    world = World()
    world.stand("a")
    world.guardian.withdraw("t-a", world.now)
    world.look()
    before = list(world.proposed)
    world.wait(60 * S)
    assert world.proposed == before
    assert world.guardian.wake_at is None
