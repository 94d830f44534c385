"""What the URL of an embedded election says."""

import ipaddress
from pathlib import Path

import msgspec

from interrex.core.ids import WorkerName
from interrex.core.spec import ClusterSpec, Tls
from interrex.elections.embedding import embedded_spec
from interrex.elections.registry import times_problem
from interrex.library.errors import BadSecret, BadTimes, MalformedUrl, UnknownOption, WrongPeers
from interrex.library.urls import ElectionUrl, is_place

HEARTBEAT_S = 0.2
ELECTION_TIMEOUT_S = 1.0
LEAST_S = 0.001
"""Longer than between workers: a program's loop has other things to do."""
LEASE_SHARE = 0.9
MAX_PEERS = 7
MIN_SECRET_BYTES = 16


class Options(msgspec.Struct, frozen=True):
    """``peers`` are the members' addresses as listed; ``me`` is this one's, ``own`` its place."""

    spec: ClusterSpec
    peers: tuple[WorkerName, ...]
    own: int
    state: Path | None
    secret: bytes
    tls: Tls | None

    @property
    def me(self) -> WorkerName:
        return self.peers[self.own]


def host_and_port(address: str) -> tuple[str, int]:
    """An address taken apart. Raises ValueError."""
    host, _, port = address.rpartition(":")
    if not is_place(host, port):
        raise ValueError(f"{address!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


def options_from(url: ElectionUrl) -> Options:
    """Raises MalformedUrl, UnknownOption, WrongPeers, BadTimes, BadSecret."""
    url.only(
        "self", "state", "secret_file", "ca", "certificate", "key", "heartbeat", "election_timeout"
    )
    if len(url.path) != 1:
        raise MalformedUrl(url.text, f"it is to be {url.scheme}://HOST:PORT,.../NAME")
    peers = tuple(WorkerName(address) for address in url.addresses)
    own = _own_place(url, peers)
    spec = _spec(url)
    secret, tls = _secret(url), _tls(url)
    if not secret and tls is None and not all(map(_is_loopback, peers)):
        raise BadSecret(
            "members on other machines have to prove who they are\n"
            "give all of them the same ?secret_file=FILE, or ca=, certificate= and key= for TLS"
        )
    state = url.options.get("state")
    return Options(spec, peers, own, None if state is None else Path(state), secret, tls)


def _own_place(url: ElectionUrl, peers: tuple[WorkerName, ...]) -> int:
    for address in peers:
        try:
            host_and_port(address)
        except ValueError as error:
            raise WrongPeers(f"in {url.text!r}: {error}") from None
    if not 0 < len(peers) <= MAX_PEERS or len(set(peers)) != len(peers):
        raise WrongPeers(
            f"{url.text!r} lists {len(peers)} members, {len(set(peers))} different ones\n"
            f"list each of them once, 1 to {MAX_PEERS}, in the same order everywhere"
        )
    own = url.whole("self", range(len(peers)))
    if own is None:
        raise WrongPeers(
            f"{url.text!r} does not say which member this is\n"
            f"add ?self=N, its place in the list, 0 to {len(peers) - 1}"
        )
    return own


def _spec(url: ElectionUrl) -> ClusterSpec:
    heartbeat = url.duration("heartbeat", HEARTBEAT_S, LEAST_S)
    timeout = url.duration("election_timeout", ELECTION_TIMEOUT_S, LEAST_S)
    spec = embedded_spec(url.scheme, url.path[0], heartbeat, timeout)
    problem = times_problem(spec)
    if problem:
        times = f"heartbeat={heartbeat:g} and election_timeout={timeout:g} (s)"
        raise BadTimes(f"{times} leave a leader no room to stop in: {problem}")
    return spec


def _secret(url: ElectionUrl) -> bytes:
    path = url.options.get("secret_file")
    if path is None:
        return b""
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        raise BadSecret(f"the secret cannot be read from {path}: {error.strerror}") from error
    if len(secret) < MIN_SECRET_BYTES:
        raise BadSecret(
            f"the secret in {path} has {len(secret)} bytes, and {MIN_SECRET_BYTES} are the least\n"
            f"make one with: head -c 32 /dev/urandom | base64 > {path}"
        )
    return secret


def _tls(url: ElectionUrl) -> Tls | None:
    given = {
        name: url.options[name] for name in ("ca", "certificate", "key") if name in url.options
    }
    if not given:
        return None
    if len(given) != 3:
        raise UnknownOption(", ".join(given), "ca, certificate and key are needed together")
    return Tls(ca=given["ca"], certificate=given["certificate"], key=given["key"])


def _is_loopback(address: str) -> bool:
    host, _ = host_and_port(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
