"""What a look finds wrong with the nodes that say who leads, and what can be made again."""

import msgspec

from interrex.elections.zookeeper import questions as q
from interrex.elections.zookeeper.nodes import ACTIVE, FENCED, LINE, NOBODY


def mending(active: q.Answer, names: q.Answer, fenced: q.Answer) -> tuple[q.Operation, ...]:
    """What makes nodes again that somebody deleted, where that excludes nobody wrongly.

    A new breadcrumb's versions begin again, so all places in the line go with it: what a leader of
    before may still be writing rests on its place as well, and is not done any more.

    Args:
        active, names, fenced: what a look has found of the breadcrumb, the line and ``fenced``.
    """
    found = ((LINE, names), (FENCED, fenced))
    made = [q.Create(name, b"") for name, answer in found if isinstance(answer, q.Missing)]
    if not isinstance(active, q.Missing):
        return tuple(made)
    places = names.names if isinstance(names, q.Names) else ()
    removed = [q.Remove(f"{LINE}/{name}") for name in places]
    return (*removed, *made, q.Create(ACTIVE, msgspec.json.encode(NOBODY)))


def set_back(active: q.Found, above: int, least: int) -> str:
    """What is wrong where somebody is known to have led in this epoch; empty where nothing is.

    Args:
        active: the breadcrumb as it stands.
        above: what epochs are above ZooKeeper's own numbers.
        least: the epoch.
    """
    if above + active.stat.modified >= least:
        return ""
    return (
        f"ZooKeeper was set back: somebody has led in epoch {least}, and what stands there is older"
    )
