"""Frames between workers: a 4-byte big-endian length, then that many bytes (at least one).

Pure: bytes in, frames out. What is in a frame is for others to judge.
"""

from interrex.core.messages import MAX_MESSAGE_BYTES

HEAD_BYTES = 4
MAX_FRAME = MAX_MESSAGE_BYTES


class BadFrame(Exception):  # noqa: N818
    """The peer announced a frame that is empty or longer than it may be: end the connection."""


def encode_frame(payload: bytes) -> bytes:
    """A frame's bytes."""
    return len(payload).to_bytes(HEAD_BYTES, "big") + payload


class FrameReader:
    """Cuts a stream into frames.

    It holds at most the bytes it was last fed and one frame: a length beyond ``limit`` is refused
    before anything of that frame is kept.

    Attributes:
        limit: the longest frame accepted from now on, in bytes.
    """

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self.limit = limit
        self._data: bytes | bytearray = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Adds what was received."""
        if self._at == len(self._data):
            self._data, self._at = data, 0
            return
        if not isinstance(self._data, bytearray):
            self._data = bytearray(self._data)
        del self._data[: self._at]
        self._at = 0
        self._data += data

    def next_frame(self) -> bytes | None:
        """The next whole frame, None until more is fed.

        Raises:
            BadFrame: the announced length is 0 or above the limit.
        """
        begin = self._at + HEAD_BYTES
        if begin > len(self._data):
            return None
        length = int.from_bytes(self._data[self._at : begin], "big")
        if not 0 < length <= self.limit:
            raise BadFrame(f"a frame of {length} bytes, 1 to {self.limit} are allowed")
        end = begin + length
        if end > len(self._data):
            return None
        self._at = end
        return bytes(self._data[begin:end])
