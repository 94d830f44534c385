"""Durations, sizes, addresses and commands: from what a person writes, and back to it."""

import math
import re

from interrex.config.problems import Refused, nearest, shown
from interrex.core.placeholders import StrayBrace, placeholders_in

LONGEST = 86_400.0
"""The longest duration that a file may ask for, in seconds."""

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?(ms|s|m|h|d)", re.ASCII)
_UNIT_BYTES: dict[str, int] = {
    "B": 1,
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
    "KB": 1000,
}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]+)", re.ASCII)
_LABEL = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*", re.ASCII)
_SHELL_WORDS = ("&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1")


def parse_duration(value: object) -> float:
    """Seconds, from a number of seconds or a text such as ``250ms``, ``2s`` or ``1m30s``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refused(f'{shown(value)} is no duration; write seconds, or a text like "250ms"')
    seconds = _text_seconds(value) if isinstance(value, str) else value
    if math.isnan(seconds):
        raise Refused(f"{shown(value)} is no duration")
    if seconds > LONGEST:
        raise Refused(f"{shown(value)} is too long; the longest duration is 1 day")
    if seconds < 0:
        raise Refused(f"{shown(value)} is negative")
    return float(seconds)


def _text_seconds(text: str) -> float:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    total, at = 0, 0
    while match := _DURATION.match(digits, at):
        whole, _, fraction = match.group(1).partition(".")
        nanoseconds = int(whole + fraction.ljust(9, "0"))
        unit = match.group(2)
        total += nanoseconds // 1000 if unit == "ms" else nanoseconds * _UNIT_SECONDS[unit]
        at = match.end()
    if at == 0 or at != len(digits):
        raise Refused(f'{shown(text)} is no duration; write it like "250ms", "2s" or "1m30s"')
    return sign * total / 10**9


def show_duration(seconds: float) -> str:
    """The shortest text that ``parse_duration`` reads back as the same number."""
    thousandths = round(seconds * 1000)
    if thousandths / 1000 != seconds:
        return f"{seconds!r}s"
    if thousandths == 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, thousandths = divmod(thousandths, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_size(value: object) -> int:
    """Bytes, from a number of bytes or a text such as ``512MiB``."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Refused(f'{shown(value)} is no size; write bytes, or a text like "512MiB"')
    size = _text_bytes(value) if isinstance(value, str) else value
    if size < 0:
        raise Refused(f"{shown(value)} is negative")
    if size >= 2**63:
        raise Refused(f"{shown(value)} is too large")
    return size


def _text_bytes(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Refused(f'{shown(text)} is no size; write it like "512MiB" or "2GB"')
    number, unit = match.groups()
    if unit not in _UNIT_BYTES:
        letter = unit[0].upper() if unit[0].upper() in "KMGT" else "M"
        near = f"{letter}iB" if len(unit) == 1 else nearest(unit, tuple(_UNIT_BYTES)) or "MiB"
        raise Refused(f'{shown(text)} is no size; did you mean "{number}{near}"?')
    whole, _, fraction = number.partition(".")
    scale: int = 10 ** len(fraction)
    return int(whole + fraction) * _UNIT_BYTES[unit] // scale


def show_size(size: int) -> str:
    """The shortest text that ``parse_size`` reads back as the same number."""
    for letter, power in (("T", 4), ("G", 3), ("M", 2), ("K", 1)):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{letter}iB"
    return f"{size}B"


def parse_label(value: object) -> str:
    """A name that is safe as a file's name, in the balancer's configuration and in metrics."""
    text = parse_text(value)
    if _LABEL.fullmatch(text) is None:
        raise Refused(
            f"{shown(text)} is no name; use lower-case letters, digits and hyphens, "
            "a letter first, 63 at most"
        )
    return text


def parse_text(value: object) -> str:
    """A text that is not empty and holds no NUL, which no path, argument or variable can."""
    if not isinstance(value, str):
        raise Refused(f"{shown(value)} is no text; texts stand in quotes")
    if not value:
        raise Refused("is empty")
    if "\0" in value:
        raise Refused("holds a NUL character")
    return value


def parse_port(value: object) -> int:
    """A TCP port."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"{shown(value)} is no port; write a whole number")
    if not 1 <= value <= 65535:
        raise Refused(f"port {shown(value)} is out of range; ports go from 1 to 65535")
    return value


def parse_ports(value: object) -> tuple[int, int]:
    """A range of ports, both ends included: ``[21000, 31999]`` or ``"21000-31999"``."""
    ends = value
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}-\d{1,9}", value, re.ASCII):
        ends = [int(end) for end in value.split("-")]
    if not isinstance(ends, list) or len(ends) != 2:
        raise Refused(f"{shown(value)} is no range of ports; write [21000, 31999]")
    first, last = (parse_port(end) for end in ends)
    if first > last:
        raise Refused(f"the range is upside down: {first} is above {last}")
    return first, last


def split_address(text: str, example: str) -> tuple[str, int]:
    """Host and port of ``host:port``, an IPv6 address in brackets."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not re.fullmatch(r"\d{1,6}", port, re.ASCII) or (":" in host and not bracketed):
        raise Refused(f"{shown(text)} is no address with a port; write it like {example}")
    return host[1:-1] if bracketed else host, parse_port(int(port))


def ip_address(text: str) -> str | None:
    """The usual spelling of an IP address; None if the text is none."""
    import ipaddress

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def is_wildcard(address: str) -> bool:
    """Whether this IP address stands for all of a machine's addresses."""
    return address in ("0.0.0.0", "::")


def parse_host_address(value: object) -> str:
    """Where other workers reach a host: a name or an IP address, and a port."""
    text = parse_text(value)
    host, _port = split_address(text, '"10.0.0.1:7700"')
    address = ip_address(host)
    if address is None and (_HOST_NAME.fullmatch(host) is None or len(host) > 253):
        raise Refused(f'{shown(text)} names no host; write it like "10.0.0.1:7700"')
    if address is not None and is_wildcard(address):
        raise Refused(f"{shown(text)} is no address that another host can reach")
    return text


def check_placeholders(text: str, known: tuple[str, ...]) -> None:
    """Refuse a name in braces that stands for nothing, and a lone brace."""
    try:
        names = placeholders_in(text)
    except StrayBrace as brace:
        raise Refused(
            f"a lone {brace} in {shown(text)}; double the brace if it is meant as such"
        ) from None
    for name in names:
        if name not in known:
            near = nearest(name, known)
            advice = (
                f"did you mean {{{near}}}?"
                if near
                else "the known ones are " + ", ".join(f"{{{word}}}" for word in known)
            )
            raise Refused(
                f"nothing is known by {{{name[:60]}}}; {advice} (double the braces to keep them)"
            )


def parse_command(value: object, known: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments of a command: a text, split as a shell would, or a list of texts."""
    if isinstance(value, str):
        arguments = _split(value)
    elif isinstance(value, list):
        arguments = []
        for number, item in enumerate(value, 1):
            if not isinstance(item, str):
                raise Refused(f"argument {number}, {shown(item)}, is no text; put it in quotes")
            arguments.append(item)
    else:
        raise Refused(f"{shown(value)} is no command; write a text, or a list of texts")
    if not arguments or not arguments[0].strip():
        raise Refused("is empty; write the program to run")
    for argument in arguments:
        if "\0" in argument:
            raise Refused("holds a NUL character")
        check_placeholders(argument, known)
    return tuple(arguments)


def _split(command: str) -> list[str]:
    import shlex

    try:
        return shlex.split(command)
    except ValueError as error:
        quote = (
            "a quotation is not closed" if "quotation" in str(error) else "it ends in a backslash"
        )
        raise Refused(f"{shown(command)} cannot be split into arguments: {quote}") from None


def shell_word(command: tuple[str, ...]) -> str | None:
    """The first argument that only a shell would understand, if there is one."""
    if command[0].rpartition("/")[2] in ("sh", "bash", "dash", "zsh"):
        return None
    for argument in command:
        if argument in _SHELL_WORDS or re.fullmatch(r"\$\w+|\$\{\w+\}|\$\(.*\)", argument):
            return argument
    return None
