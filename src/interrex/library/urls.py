"""What an election's URL says: ``scheme://addresses/name?options``."""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from interrex.core.secret import Secret
from interrex.library.errors import MalformedUrl, UnknownOption

MOST_SECONDS = 3600.0
"""Longer than any lease is of use."""

MOST_LETTERS = 200
"""Of a name: what fleets allow, and short enough for a folder of that name."""

ESCAPES = "in user and password / is to be %2F, ? %3F, # %23, @ %40 and % %25"


class ElectionUrl(msgspec.Struct, frozen=True):
    """``addresses`` as typed, in order; ``path`` its parts; ``options`` the query's.

    ``text`` is the URL for people, without its password.
    """

    text: str
    scheme: str
    addresses: tuple[str, ...]
    path: tuple[str, ...]
    options: dict[str, str]
    user: str = ""
    password: Secret = Secret()

    def only(self, *known: str, user: bool = False) -> None:
        """Raises UnknownOption where the URL has others than these, or an empty one, MalformedUrl
        where it has a user and is not to."""
        if self.user and not user:
            raise MalformedUrl(self.text, "it is not to have a user")
        for option, value in self.options.items():
            if option not in known:
                raise UnknownOption(option, f"not known; there are: {', '.join(known)}")
            if not value:  # of a variable that is not set: TLS would be off without a word
                raise UnknownOption(option, "it is empty: give it a value, or leave it out")

    def duration(self, option: str, default: float, least: float) -> float:
        """An option's value in seconds; raises UnknownOption where it is none, or too little."""
        text = self.options.get(option)
        try:
            value = default if text is None else float(text)
        except ValueError:
            raise UnknownOption(option, f"{text!r} is no number") from None
        if not least <= value < MOST_SECONDS:
            raise UnknownOption(
                option, f"{value:g} s is out of its range, {least:g} to {MOST_SECONDS:g} s"
            )
        return value

    def file(self, option: str) -> str:
        """The text in a file that an option names, empty where it names none.

        Raises:
            UnknownOption: it cannot be read.
        """
        path = self.options.get(option)
        if path is None:
            return ""
        try:
            return Path(path).read_text().rstrip("\n")
        except (OSError, UnicodeError) as error:
            raise UnknownOption(option, f"{path} cannot be read: {error}") from None

    def whole(self, option: str, allowed: Iterable[int]) -> int | None:
        """An option's value; raises UnknownOption where it is none of those allowed."""
        text = self.options.get(option)
        if text is None:
            return None
        known = list(allowed)
        if not (text.isascii() and text.isdecimal()) or int(text) not in known:
            raise UnknownOption(option, f"{text!r} is none of {known[0]} to {known[-1]}")
        return int(text)


def parse(url: str) -> ElectionUrl:
    """Takes a URL apart. Raises MalformedUrl, which shows no password, however it was typed."""
    given: object = url
    if not isinstance(given, str):
        shown = _without_password(str(given))
        raise MalformedUrl(shown, f"it is to be a str, not {type(given).__name__}")
    whole, url = url, _without_password(url)
    if not is_text(unquote(whole, errors="surrogateescape")):
        raise MalformedUrl(url, "it is to be UTF-8, without NUL (%00)")
    try:
        parts = urlsplit(whole)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise MalformedUrl(url, str(error) if url == whole else ESCAPES) from None
    if url != whole and "@" not in parts.netloc and not parts.netloc.split(":")[-1].isdecimal():
        raise MalformedUrl(url, ESCAPES)
    if not parts.scheme or "://" not in url:
        raise MalformedUrl(url, "it is to begin with SCHEME://")
    if parts.fragment:
        raise MalformedUrl(url, "it is not to have a fragment (#...)")
    twice = {name for name, _ in options if [key for key, _ in options].count(name) > 1}
    if twice:
        raise MalformedUrl(url, f"{', '.join(sorted(twice))} is given twice")
    path = tuple(unquote(part) for part in parts.path.split("/") if part)
    if any(len(part) > MOST_LETTERS for part in path):
        raise MalformedUrl(url, f"its names are to have {MOST_LETTERS} characters at most")
    account, _, places = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    return ElectionUrl(
        text=url,
        scheme=parts.scheme,
        addresses=tuple(filter(None, places.split(","))),
        user=unquote(user),
        password=Secret(unquote(password)),
        path=path,
        options=dict(options),
    )


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8, and holds no NUL, which no file's name may."""
    return not re.search("[\0\ud800-\udfff]", text)


def is_place(host: str, port: str) -> bool:
    """Whether these are a host, an IPv6 address in brackets, and the number of a port."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host.replace(":", " ")
    is_host = not re.search(r"[\s\[\]]", bare) and _can_be_looked_up(bare)
    return is_host and port.isascii() and port.isdecimal() and 0 < int(port) < 65536


def _can_be_looked_up(host: str) -> bool:
    """Whether the parts between dots have 1 to 63 letters, as names of hosts do."""
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return False
    return all(0 < len(part) < 64 for part in host.removesuffix(".").split("."))


def _without_password(url: str) -> str:
    """Hides all up to the last ``@``: a password may hold what ends a URL's addresses."""
    return re.sub(r"(?<=://)([^:/@?#]*):.*@", r"\1:...@", url, count=1, flags=re.DOTALL)
