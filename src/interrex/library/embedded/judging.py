"""Whether two members belong together: pure rules, and what each of them tells its program.

A member that does not fit is refused. Of two that do not fit the newcomer's program is told: the
one that never saw its election at work, and of two such the one that opened later. Nobody can stop
a member that is at work by posing as one that does not fit.
"""

import msgspec

from interrex.library.embedded.words import Greeting, NotBelieved
from interrex.library.errors import (
    ElectionError,
    IdentityTaken,
    OtherCluster,
    WrongPeers,
    WrongVersion,
)


class Verdict(msgspec.Struct, frozen=True):
    """What the other is told, and what this member's own program is to raise, if anything."""

    refusal: NotBelieved
    own_error: ElectionError | None


def judge(mine: Greeting, theirs: Greeting, *, settled: bool) -> Verdict | None:
    """Why another's greeting is not believed, None when it is.

    Args:
        mine: what this member would say of itself just now.
        settled: whether this member has seen its election at work.
    """
    refusal = _objection(mine, theirs)
    if refusal is None:
        return None
    if not is_newcomer(mine, theirs, settled=settled):
        return Verdict(refusal, None)
    seen_from_here = _objection(theirs, mine)
    assert seen_from_here is not None
    error = raised_by(seen_from_here, mine, _where(theirs))
    return Verdict(msgspec.structs.replace(refusal, kind=""), error)


def is_newcomer(mine: Greeting, theirs: Greeting, *, settled: bool) -> bool:
    """Whether of two that do not fit it is this member's program that has to be told."""
    if settled:
        return False
    if mine.boot == theirs.boot:
        return (mine.opened, mine.place) >= (theirs.opened, theirs.place)
    # Told at different moments, so it is not exact to the time that a greeting takes.
    return (mine.age, -mine.place) <= (theirs.age, -theirs.place)


def raised_by(refusal: NotBelieved, mine: Greeting, where: str) -> ElectionError | None:
    """The error for a program whose member was refused; None where it is not at fault.

    Raises:
        ValueError: the refusal is nonsense.
    """
    match refusal.kind:
        case "OtherCluster":
            return OtherCluster(f"{mine.election}/{mine.name}", refusal.theirs, where)
        case "IdentityTaken":
            me = f"the member at {_where(mine)}"
            return IdentityTaken(mine.identity, me, f"the member at {refusal.theirs}")
        case "WrongVersion":
            return WrongVersion(mine.version, int(refusal.theirs), where)
        case "WrongPeers":
            return WrongPeers(f"{where} refuses this member: {refusal.reason}")
        case _:
            return None


def _objection(mine: Greeting, theirs: Greeting) -> NotBelieved | None:
    """Why ``mine`` refuses ``theirs``, in the words that ``theirs`` is told."""
    if theirs.version != mine.version:
        reason = f"it speaks version {theirs.version}, and this one {mine.version}"
        return NotBelieved("WrongVersion", reason, f"{mine.version}")
    if (theirs.election, theirs.name) != (mine.election, mine.name):
        name = f"{mine.election}/{mine.name}"
        return NotBelieved("OtherCluster", f"it belongs to another election than {name}", name)
    listed = all(0 <= one.place < len(one.peers) for one in (mine, theirs))
    if not listed or theirs.peers != mine.peers or theirs.place == mine.place:
        lists = f"{', '.join(theirs.peers)} (self={theirs.place})"
        return NotBelieved(
            "WrongPeers", f"it lists {lists}, and {_where(mine)} {', '.join(mine.peers)}"
        )
    if theirs.identity == mine.identity:
        reason = f"{_where(mine)} goes by the identity {mine.identity!r}"
        return NotBelieved("IdentityTaken", reason, _where(mine))
    if mine.genesis and theirs.genesis and mine.genesis.id != theirs.genesis.id:
        name = f"{mine.election}/{mine.name}, begun as {mine.genesis.id:x}"
        return NotBelieved("OtherCluster", "its election began apart from this one", name)
    return None


def _where(greeting: Greeting) -> str:
    in_list = 0 <= greeting.place < len(greeting.peers)
    return greeting.peers[greeting.place] if in_list else "an unlisted address"
