"""Short names for long texts."""

try:  # hashlib loads OpenSSL, 4 MB, for what is a small module of Python's own
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b


def digest(text: bytes, characters: int) -> str:
    """A hexadecimal number for a text, the same everywhere; other texts have others, but by chance.

    Args:
        text: of any length.
        characters: how long the number is: an even count, at most 128.
    """
    return blake2b(text, digest_size=characters // 2).hexdigest()
