"""What the load client's process tells the demo, one JSON line each."""

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What became of a request."""

    OK = "ok"
    FAILED = "failed"
    CUT = "cut"  # a POST whose answer was lost: executed or not, and not retried


class Sample(msgspec.Struct, frozen=True, array_like=True, tag="sample"):
    """One finished request.

    ``due``, ``sent`` and ``ended`` are ns by the runtime's clock: when it was scheduled, when it
    was sent, and when it ended. Its latency counts from ``due``, whatever delayed the sending.
    """

    due: int
    sent: int
    ended: int
    method: str
    outcome: Outcome
    retried: bool = False
    detail: str = ""

    @property
    def latency_s(self) -> float:
        return (self.ended - self.due) / 1e9


class Verdict(msgspec.Struct, frozen=True, array_like=True, tag="verdict"):
    """What reading every order back has shown.

    ``acknowledged``: how many orders were answered with 201. ``lost`` and ``altered`` name those of
    them that are not there, or not as they were sent. Of the writes that were cut off, ``stored``
    had been executed and ``not_stored`` had not. ``problem``: why it could not be checked.
    """

    acknowledged: int
    lost: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    stored: int = 0
    not_stored: int = 0
    problem: str = ""

    @property
    def sound(self) -> bool:
        return not (self.lost or self.altered or self.problem)


Line = Sample | Verdict

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def encode_line(line: Line) -> bytes:
    return _encoder.encode(line) + b"\n"


def decode_line(data: bytes) -> Line:
    return _decoder.decode(data)
