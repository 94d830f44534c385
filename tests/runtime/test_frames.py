"""Frames are found in a stream however it was cut."""

import random

import pytest

from interrex.runtime.frames import BadFrame, FrameReader, encode_frame


def read_all(reader: FrameReader) -> list[bytes]:
    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)
    return frames


@pytest.mark.parametrize("seed", range(20))
def test_any_way_of_cutting_a_stream_gives_the_same_frames(seed: int) -> None:
    rng = random.Random(seed)
    sizes = [rng.choice([1, 2, 100, 5000]) for _ in range(rng.randint(1, 20))]
    frames = [rng.randbytes(size) for size in sizes]
    stream = b"".join(map(encode_frame, frames))
    reader, found, at = FrameReader(5000), list[bytes](), 0
    while at < len(stream):
        end = at + rng.choice([1, 3, 4, 50, 7000])
        reader.feed(stream[at:end])
        at = end
        if rng.random() < 0.7:
            found += read_all(reader)
    assert found + read_all(reader) == frames


def test_one_byte_at_a_time() -> None:
    reader = FrameReader()
    found = []
    for byte in encode_frame(b"hello") + encode_frame(b"x"):
        reader.feed(bytes([byte]))
        found += read_all(reader)
    assert found == [b"hello", b"x"]


@pytest.mark.parametrize("length", [0, 11, 2**31, 2**32 - 1])
def test_an_empty_or_too_long_frame_is_refused_by_its_head_alone(length: int) -> None:
    reader = FrameReader(10)
    reader.feed(length.to_bytes(4, "big"))
    with pytest.raises(BadFrame, match=f"{length} bytes"):
        reader.next_frame()


def test_the_limit_may_change_between_two_frames_of_one_piece() -> None:
    reader = FrameReader(5)
    reader.feed(encode_frame(b"hello") + encode_frame(b"a longer one"))
    assert reader.next_frame() == b"hello"
    reader.limit = 12
    assert reader.next_frame() == b"a longer one"


def test_the_longest_frame_is_accepted() -> None:
    reader = FrameReader(7)
    reader.feed(encode_frame(b"1234567"))
    assert reader.next_frame() == b"1234567"
