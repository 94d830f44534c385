"""The library: leadership for a program of one's own.

``interrex.election`` is what programs use; what it raises and returns is named here. Importing it
imports no backend, and no backend's client.
"""

from interrex.library.election import Election, election
from interrex.library.errors import (
    AlreadyLeading,
    BadMargin,
    ElectionClosed,
    ElectionError,
    IdentityTaken,
    MalformedUrl,
    MissingExtra,
    NoCluster,
    NotLeading,
    OtherCluster,
    Refused,
    StaleEpoch,
    UnknownOption,
    UnknownScheme,
    UnknownSuccessor,
    WrongPeers,
    WrongSecret,
)
from interrex.library.leadership import Leadership, View
from interrex.library.scope import Lead

__all__ = [
    "AlreadyLeading",
    "BadMargin",
    "Election",
    "ElectionClosed",
    "ElectionError",
    "IdentityTaken",
    "Lead",
    "Leadership",
    "MalformedUrl",
    "MissingExtra",
    "NoCluster",
    "NotLeading",
    "OtherCluster",
    "Refused",
    "StaleEpoch",
    "UnknownOption",
    "UnknownScheme",
    "UnknownSuccessor",
    "View",
    "WrongPeers",
    "WrongSecret",
    "election",
]
