"""What people are told when sides of a cluster that had leaders of their own have merged."""

from interrex.elections.interface import ChangesLost


def losses(effect: ChangesLost) -> str:
    """The changes that another side's newer state took the place of, by their ids."""
    named = ", ".join(effect.changes) or "none known by name"
    older = f", and {effect.unnamed} older ones" if effect.unnamed else ""
    return (
        "another side's newer state takes the place of this one's; changes that may have been "
        f"acknowledged here are lost: {named}{older}"
    )
