"""What an election's URL says: ``scheme://addresses/name?options``."""

from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from interrex.library.errors import MalformedUrl, UnknownOption


class ElectionUrl(msgspec.Struct, frozen=True):
    """``addresses`` as typed, in order; ``path`` its parts; ``options`` the query's."""

    text: str
    scheme: str
    addresses: tuple[str, ...]
    path: tuple[str, ...]
    options: dict[str, str]

    def only(self, *known: str) -> None:
        """Raises UnknownOption where the URL has others than these."""
        for option in self.options:
            if option not in known:
                raise UnknownOption(option, f"not known; there are: {', '.join(known)}")

    def number(self, option: str, default: float | None = None) -> float | None:
        """An option's value; raises UnknownOption where it is no number."""
        text = self.options.get(option)
        if text is None:
            return default
        try:
            return float(text)
        except ValueError:
            raise UnknownOption(option, f"{text!r} is no number") from None

    def whole(self, option: str, allowed: Iterable[int]) -> int | None:
        """An option's value; raises UnknownOption where it is none of those allowed."""
        text = self.options.get(option)
        if text is None:
            return None
        known = list(allowed)
        if not text.isdecimal() or int(text) not in known:
            raise UnknownOption(option, f"{text!r} is none of {known[0]} to {known[-1]}")
        return int(text)


def parse(url: str) -> ElectionUrl:
    """Takes a URL apart. Raises MalformedUrl."""
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise MalformedUrl(url, str(error)) from None
    if not parts.scheme or "://" not in url:
        raise MalformedUrl(url, "it is to begin with SCHEME://")
    if parts.fragment:
        raise MalformedUrl(url, f"it is not to have a fragment (#{parts.fragment})")
    twice = {name for name, _ in options if [key for key, _ in options].count(name) > 1}
    if twice:
        raise MalformedUrl(url, f"{', '.join(sorted(twice))} is given twice")
    return ElectionUrl(
        text=url,
        scheme=parts.scheme,
        addresses=tuple(filter(None, parts.netloc.split(","))),
        path=tuple(unquote(part) for part in parts.path.split("/") if part),
        options=dict(options),
    )
