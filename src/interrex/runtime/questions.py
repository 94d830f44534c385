"""What users may ask a worker over its HTTP socket, and the answer. Light: no HTTP in here."""

from typing import Annotated

import msgspec

from interrex.core.ids import ChangeId, WorkerName
from interrex.core.state import Operation


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/changes``. The id makes a retry harmless."""

    id: Annotated[ChangeId, msgspec.Meta(min_length=1)]
    operations: tuple[Operation, ...]


class StepDownBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/step-down``."""

    successor: WorkerName | None = None


class Leadership(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``GET /v1/leader``."""

    leader: WorkerName
    epoch: int


class Outcome(msgspec.Struct, kw_only=True):
    """The answer to a POST. ``refused``: nothing was done, and every worker would say the same."""

    ok: bool
    text: str
    index: int | None = None
    refused: bool = False
