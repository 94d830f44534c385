"""What people are told when sides of a cluster that had leaders of their own have merged."""

from interrex.core.state import ClusterState
from interrex.elections.interface import ChangesLost


def losses(effect: ChangesLost, state: ClusterState) -> str:
    """The changes that another side's newer state takes the place of, by their ids.

    Args:
        effect: says which.
        state: the one that is about to be replaced.
    """
    applied = (change for change, index in state.applied.items() if index > effect.after)
    return (
        "another side's newer state takes the place of this one's; changes that may have been "
        f"acknowledged here are lost: {', '.join([*applied, *effect.changes])}"
    )
