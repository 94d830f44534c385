"""The kinds of value that keys have."""

import os.path
import re
import signal
from collections.abc import Callable
from typing import TypeVar

from interrex.config.positions import Path
from interrex.config.problems import Refused, nearest, shown
from interrex.config.reading import Reading
from interrex.config.tables import Kind, Noted, as_table
from interrex.config.values import (
    check_placeholders,
    ip_address,
    parse_command,
    parse_duration,
    parse_host_address,
    parse_label,
    parse_port,
    parse_ports,
    parse_size,
    parse_text,
    show_duration,
    show_size,
    split_address,
)
from interrex.core.ids import BALANCER, WorkerName
from interrex.core.placeholders import PLACEHOLDERS
from interrex.core.spec import Expose

T = TypeVar("T")

HIGHEST_PRIORITY = 1000
"""Of a worker; the lowest is as far below 0."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_UNSTOPPABLE = {"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCONT", "SIGCHLD"}
SIGNALS = tuple(sorted({name.name for name in signal.Signals} - _UNSTOPPABLE))
"""The signals that can ask a program to stop."""


def plain(words: str, parse: Callable[[object], T], show: Callable[[T], str] = str) -> Kind[T]:
    """A kind whose value needs nothing but itself to be read."""
    return Kind(words, lambda reading, path, value: parse(value), show)


def whole(least: int, most: int | None = None) -> Kind[int]:
    """A whole number within bounds."""
    bounds = f"{least} to {most}" if most is not None else f"{least} or more"

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused(f"{shown(value)} is no whole number")
        if value < least or value > (2**31 - 1 if most is None else most):
            raise Refused(f"{shown(value)} is out of range; it can be {bounds}")
        return value

    return plain(f"whole number, {bounds}", parse)


def number(least: float, most: float) -> Kind[float]:
    """A number within bounds."""

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(f"{shown(value)} is no number")
        if not least <= value <= most:
            raise Refused(f"{shown(value)} is out of range; it can be {least:g} to {most:g}")
        return float(value)

    return plain(f"number, {least:g} to {most:g}", parse, lambda value: f"{value:g}")


def duration(least: float = 0.001) -> Kind[float]:
    """A duration of at least so many seconds."""

    def parse(value: object) -> float:
        seconds = parse_duration(value)
        if seconds < least:
            raise Refused(f"{shown(value)} is too short; the least is {show_duration(least)}")
        return seconds

    return plain("duration", parse, show_duration)


def _parse_truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"{shown(value)} is neither true nor false")
    return value


def _read_ranks(reading: Reading, place: Path, value: object) -> dict[WorkerName, int]:
    ranks = {}
    sound = True
    for name, rank in as_table(value).items():
        if isinstance(rank, bool) or not isinstance(rank, int) or abs(rank) > HIGHEST_PRIORITY:
            sound = False
            bounds = f"-{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}"
            reading.refuse((*place, name), f"{shown(rank)} is no whole number, {bounds}")
        ranks[WorkerName(name)] = rank
    if not sound:
        raise Noted
    return ranks


def size(least: int) -> Kind[int]:
    """A size of at least so many bytes."""

    def parse(value: object) -> int:
        count = parse_size(value)
        if count < least:
            raise Refused(f"{shown(value)} is too small; the least is {show_size(least)}")
        return count

    return plain("size", parse, show_size)


def choice(words: str, known: tuple[str, ...], usual: tuple[str, ...]) -> Kind[str]:
    """One of several words; ``usual`` are named when none is near to what was written."""

    def parse(value: object) -> str:
        text = parse_text(value)
        if text in known:
            return text
        near = nearest(text, known)
        advice = f"did you mean {near}?" if near else f"write {' or '.join(usual)}"
        raise Refused(f"{shown(text)} is not known; {advice}")

    return plain(words, parse)


def path(words: str, placeholders: tuple[str, ...] = ()) -> Kind[str]:
    """A path, made absolute: the file's own folder is what it is relative to.

    With placeholders it stays a text to be filled in, so the folder's own braces are doubled.
    """

    def read(reading: Reading, place: Path, value: object) -> str:
        text = parse_text(value)
        folder = reading.folder
        if placeholders:
            check_placeholders(text, placeholders)
            folder = folder.replace("{", "{{").replace("}", "}}")
        return os.path.normpath(os.path.join(folder, text))

    return Kind(words, read, str)


def _read_program(reading: Reading, place: Path, value: object) -> str:
    text = parse_text(value)
    return os.path.normpath(os.path.join(reading.folder, text)) if "/" in text else text


def _parse_name(value: object) -> str:
    text = parse_text(value)
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?", text, re.ASCII) is None:
        raise Refused(f"{shown(text)} is no user's name")
    return text


def _read_env(reading: Reading, place: Path, value: object) -> dict[str, str]:
    variables = {}
    sound = True
    for name, content in as_table(value).items():
        try:
            variables[name] = _variable(name, content)
        except Refused as refusal:
            sound = False
            reading.refuse((*place, name), str(refusal))
    if not sound:
        raise Noted
    return variables


def _variable(name: str, content: object) -> str:
    if _VARIABLE.fullmatch(name) is None:
        raise Refused("is no variable's name; use letters, digits and _, no digit first")
    if name.startswith("INTERREX_"):
        raise Refused("Interrex sets the variables that begin with INTERREX_ itself")
    if name == "PORT" and content != "{port}":
        raise Refused('is the replica\'s own port; write "{port}", or leave it out')
    if isinstance(content, bool) or not isinstance(content, str | int):
        raise Refused(f"{shown(content)} is no text; put it in quotes")
    text = str(content)
    if "\0" in text:
        raise Refused("holds a NUL character")
    check_placeholders(text, PLACEHOLDERS)
    return text


def _parse_expose(value: object) -> Expose:
    if not isinstance(value, str):
        return Expose(port=parse_port(value))
    if value.isascii() and value.isdigit():
        raise Refused(f"{shown(value)} is a text; write the port alone without quotes")
    host, port = split_address(value, '8080, "0.0.0.0:8080" or "[::1]:8080"')
    address = ip_address(host)
    if address is None:
        raise Refused(f'{shown(host)} is no IP address; write it like "0.0.0.0:8080"')
    return Expose(port=port, address=address)


def show_expose(expose: Expose) -> str:
    """The address and port as they are written in the file."""
    host = f"[{expose.address}]" if ":" in expose.address else expose.address
    return f"{host}:{expose.port}"


def _parse_service_command(value: object) -> tuple[str, ...]:
    return parse_command(value, PLACEHOLDERS)


def show_command(command: tuple[str, ...]) -> str:
    """A command as one text that splits into the same arguments."""
    import shlex

    return shlex.join(command)


def _parse_service_name(value: object) -> str:
    name = parse_label(value)
    if name == BALANCER:
        raise Refused(f"{name} is the load balancer's own name; choose another")
    return name


truth = plain("true or false", _parse_truth, lambda value: str(value).lower())
ranks: Kind[dict[WorkerName, int]] = Kind("table of whole numbers", _read_ranks, lambda value: "")
label = plain("name", parse_label)
service_label = plain("name", _parse_service_name)
command = plain("text or list of texts", _parse_service_command, show_command)
program = Kind("path, or a name found on the PATH", _read_program, str)
user_name = plain("text", _parse_name)
environment: Kind[dict[str, str]] = Kind("table of texts", _read_env, lambda value: "")
expose = plain("port, or address:port", _parse_expose, show_expose)
host_address = plain("host:port", parse_host_address)
port_range = plain("two ports", parse_ports, lambda ports: f"[{ports[0]}, {ports[1]}]")
stop_signal = choice("signal's name", SIGNALS, ("SIGTERM", "SIGINT", "SIGQUIT"))
