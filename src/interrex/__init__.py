"""Interrex: a fleet of services that heals itself, and the elections it does it with.

``interrex.election`` and the types beside it are those of ``interrex.library``, which is imported
when one of them is first used: the commands do not need it.
"""

TYPE_CHECKING = False  # as typing has it, which would be imported for nothing else
if TYPE_CHECKING:
    from interrex.library import Election, Lead, Leadership, View, election
    from interrex.library.errors import ElectionError

__version__ = "0.1.0"

__all__ = ["Election", "ElectionError", "Lead", "Leadership", "View", "__version__", "election"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from interrex import library

    return getattr(library, name)
