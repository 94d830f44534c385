"""The library: leadership for a program of one's own.

``interrex.election`` is what programs use; what it raises and returns is named here. Importing it
imports no backend, and no backend's client.
"""

from interrex.library.election import Election, election
from interrex.library.errors import (
    AlreadyEntered,
    AlreadyLeading,
    BadCredentials,
    BadMargin,
    BadTimes,
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
    Unreachable,
    WrongCertificate,
    WrongPeers,
    WrongSecret,
    WrongService,
)
from interrex.library.leadership import Leadership, View
from interrex.library.scope import Lead

__all__ = [
    "AlreadyEntered",
    "AlreadyLeading",
    "BadCredentials",
    "BadMargin",
    "BadTimes",
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
    "Unreachable",
    "View",
    "WrongCertificate",
    "WrongPeers",
    "WrongSecret",
    "WrongService",
    "election",
]
