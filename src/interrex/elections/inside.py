"""What a trace shows of an election: how its core is after a step, and what its mail says.

Every election that a cluster file can name brings it in a module ``inside`` of its own, which
only a trace loads. It reads the core's own parts and changes nothing.
"""

from collections.abc import Callable
from typing import Any

import msgspec


class Inside(msgspec.Struct, frozen=True):
    """How to look into one election.

    ``state``: a core of this election as a struct of plain fields, in the algorithm's own words.
    ``decode``: what a payload says; raises MalformedPayload or msgspec.MsgspecError where it is no
    message.
    """

    state: Callable[[Any], msgspec.Struct]
    decode: Callable[[bytes], msgspec.Struct]
