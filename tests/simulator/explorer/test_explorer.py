"""The explorer visits all there is, keeps the promises, and finds what is broken."""

import pytest

from interrex.simulator.explorer import __main__ as command
from interrex.simulator.explorer.bounds import Bounds
from interrex.simulator.explorer.bugs import BUGS, hunted, planted
from interrex.simulator.explorer.frozen import Disk, Local
from interrex.simulator.explorer.history import (
    ELECTION_SAFETY,
    EMPTY,
    LEADER_COMPLETENESS,
    LOG_MATCHING,
    ONE_VOTE,
    SERVERS,
    STATE_MACHINE_SAFETY,
    Agreed,
    History,
    Violation,
    check_logs,
    check_server,
    told,
)
from interrex.simulator.explorer.opening import opened
from interrex.simulator.explorer.search import Search
from interrex.simulator.explorer.steps import Notes
from interrex.simulator.explorer.world import BUDGETS, LETTERS, State, World


def test_every_state_of_one_term_keeps_the_promises() -> None:
    """To the end: no state within these bounds is left out."""
    found = Search(World(Bounds(terms=1, letters=2, asks=False))).run(100_000)
    assert found.violation is None
    assert found.complete
    assert found.states > 30_000


def test_the_first_states_of_production_keep_the_promises() -> None:
    """With pre-votes, slow disks, a crash and its proof, a change, and a hand-over."""
    bounds = Bounds(terms=2, crashes=1, proposals=1, hand_overs=1, slow_disks=True, proofs=True)
    found = Search(World(bounds)).run(15_000)
    assert found.violation is None
    assert found.states >= 15_000


def test_a_leader_s_changes_are_replicated_whatever_is_lost() -> None:
    """From a leader that has proposed: both followers, and an election that may replace it."""
    bug = BUGS["older-term-by-counting"]
    world = World(Bounds(terms=3, letters=1, asks=False, proposals=1))
    found = Search(world, opened(world, bug.elections[:1])).run(15_000)
    assert found.violation is None
    assert any(len(history.agreed) == 2 for history in world.histories)


@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_planted_bug_is_found(name: str) -> None:
    bug = BUGS[name]
    _, found = hunted(bug, 100_000)
    assert found.violation is not None
    assert found.violation.promise == bug.promise
    assert len(found.path) == found.depth > 0


@pytest.mark.parametrize("name", sorted(BUGS))
def test_without_the_bug_nothing_is_found(name: str) -> None:
    bug = BUGS[name]
    before = [getattr(one.owner, one.name) for one in bug.replacements]
    with planted(bug):
        assert [getattr(one.owner, one.name) for one in bug.replacements] != before
    assert [getattr(one.owner, one.name) for one in bug.replacements] == before
    world = World(bug.bounds)
    assert Search(world, opened(world, bug.elections)).run(5_000).violation is None


class Unfolded(World):
    """Where every server keeps its place."""

    def fold(self, state: State) -> tuple[State, tuple[int, ...]]:
        return state, SERVERS


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(terms=1, letters=1, asks=False),
        Bounds(terms=1, letters=1, asks=False, crashes=1, proofs=True),
    ],
    ids=["plain", "crashes"],
)
def test_folding_leaves_out_nothing_but_who_stands_where(bounds: Bounds) -> None:
    """Every state of the search that folds nothing is one of the other, and none is missing."""
    folded, unfolded = World(bounds), Unfolded(bounds)
    few, many = Search(folded), Search(unfolded)
    limit = 9_000 if bounds.crashes else 100_000
    many.run(limit)
    few.run(limit)
    if not bounds.crashes:
        assert len(many.known) > 5 * len(few.known)
    depth = min(few.levels_done, many.levels_done)
    assert depth > 5
    assert _plain(folded, few, depth) == _plain(folded, many, depth, of=unfolded)


def _plain(world: World, search: Search, depth: int, of: World | None = None) -> set[State]:
    """The states of the first levels, folded by one world and without its numbers."""
    plain = set()
    for state in search.states_within(depth):
        here = state if of is None else _moved_over(world, of, state)
        folded, _ = world.fold(here)
        plain.add(folded)
    return plain


def _moved_over(world: World, other: World, state: State) -> State:
    """The state of another world in this one's numbers."""
    servers = [world.steps.number(other.steps.locals[number]) for number in state[:3]]
    history = world.history_number(other.histories[state[3]])
    letters = []
    for under_way in state[LETTERS:]:
        way, number = divmod(under_way, 1 << 24)
        letter = other.steps.letters[number]
        letters.append((way << 24) + (0 if letter is None else world.steps.letter(letter)))
    return (*servers, history, state[BUDGETS], *sorted(letters))


def test_exploring_twice_comes_to_the_same() -> None:
    bounds = Bounds(terms=2, crashes=1, slow_disks=True)
    one, other = Search(World(bounds)), Search(World(bounds))
    assert one.run(4_000) == other.run(4_000)
    assert one.known == other.known


def test_two_leaders_of_a_term_are_seen() -> None:
    after = told(EMPTY, 0, Notes(1, ((1, 1),), 1, ()))
    assert after == History(((1, 0),), ((1, 0, 0),), ())
    with pytest.raises(Violation, match=ELECTION_SAFETY):
        told(after, 1, Notes(1, ((1, 1),), 1, ()))


def test_two_votes_in_a_term_are_seen() -> None:
    after = told(EMPTY, 2, Notes(0, ((1, 2),), 1, ()))
    assert after.votes == ((1, 2, 0),)
    with pytest.raises(Violation, match=ONE_VOTE):
        told(after, 2, Notes(0, ((1, 3),), 1, ()))


def test_two_values_at_an_index_are_seen() -> None:
    after = told(EMPTY, 0, Notes(0, (), 1, ((1, b""),)))
    assert told(after, 1, Notes(0, (), 2, ((1, b""), (2, b"x")))).agreed == (
        Agreed(1, b"", 1),
        Agreed(2, b"x", 2),
    )
    with pytest.raises(Violation, match=STATE_MACHINE_SAFETY):
        told(after, 1, Notes(0, (), 2, ((2, b""),)))


def test_logs_that_part_and_meet_again_are_seen() -> None:
    check_logs(((1, b""), (2, b"x")), ((1, b""), (3, b"x")))
    with pytest.raises(Violation, match=LOG_MATCHING):
        check_logs(((1, b""), (3, b"x")), ((2, b""), (3, b"x")))
    with pytest.raises(Violation, match=LOG_MATCHING):
        check_logs(((1, b"x"),), ((1, b"y"),))


def test_a_leader_without_what_was_committed_is_seen() -> None:
    world = World(Bounds(terms=2, letters=1, asks=False))
    state = opened(world, BUGS["older-term-by-counting"].elections[:1])
    leader = world.steps.locals[state[0]]
    check_server(leader, ())
    check_server(leader, (Agreed(1, b"", 1),))
    with pytest.raises(Violation, match=LEADER_COMPLETENESS):
        check_server(leader, (Agreed(1, b"other", 0),))
    check_server(Local(Disk(0, 0, ()), (), None), (Agreed(1, b"", 1),))


def test_the_command_explores_and_finds(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--plan", "paper", "--states", "300"]) == 0
    assert "every promise was kept" in capsys.readouterr().out
    assert command.main(["--bug", "vote-before-disk"]) == 0
    printed = capsys.readouterr().out
    assert "broken: one vote per term" in printed
    assert "crashes" in printed
    assert command.main(["--bug", "vote-before-disk", "--states", "50"]) == 1
