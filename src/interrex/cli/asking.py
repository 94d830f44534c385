"""Asking workers over their HTTP sockets: one question, one answer, never for longer than said."""

import http.client
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from interrex.cli.exits import CommandError
from interrex.core.ids import WorkerName
from interrex.runtime.layout import Layout
from interrex.runtime.questions import Outcome
from interrex.worker.status import Status

PATIENCE_S = 1.0
"""How long a worker may take to answer what it knows already; a hung one answers never."""
LAST_PATIENCE_S = 4.0
"""The same once all have been asked and none has answered: the machine may only be busy."""


class NoAnswer(Exception):  # noqa: N818
    """A worker is dead, hung, or answers nonsense."""


class Answer(NamedTuple):
    """What came back: HTTP's status code and the body."""

    code: int
    body: bytes


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("interrex", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(
    path: Path, method: str, target: str, body: bytes | None = None, timeout_s: float = PATIENCE_S
) -> Answer:
    """One request to a worker's socket.

    Raises:
        NoAnswer: nobody listens, or nothing sensible came in time.
    """
    connection = _Connection(path, timeout_s)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        if response.length is None:  # http.client takes half a head for a whole one
            raise NoAnswer("it hung up in mid-answer")
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(str(error) or type(error).__name__) from error
    finally:
        connection.close()


def status_bytes(
    layout: Layout, workers: Iterable[WorkerName], timeout_s: float = PATIENCE_S
) -> bytes | None:
    """The status document of the first worker that answers and knows a leader, or of the first that
    answers: one that all others refuse knows the least. None where none answers."""
    leaderless: bytes | None = None
    for worker in workers:
        try:
            answer = ask(layout.api_socket(worker), "GET", "/v1/status", timeout_s=timeout_s)
        except NoAnswer:
            continue
        if answer.code != 200:
            continue
        if _names_a_leader(answer.body):
            return answer.body
        leaderless = leaderless or answer.body
    return leaderless


class _Led(msgspec.Struct):
    leader: WorkerName | None


def _names_a_leader(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=_Led).leader is not None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def status_of_cluster(layout: Layout, workers: Iterable[WorkerName] | None = None) -> Status | None:
    """The same, decoded."""
    body = patient_status(layout, workers)
    return None if body is None else decode_status(body)


def patient_status(layout: Layout, workers: Iterable[WorkerName] | None = None) -> bytes | None:
    """The status document of a cluster, whose workers may only be slow: where none answers in time
    each is asked once more, and waited for longer. One that is dead costs no time."""
    names = list(layout.worker_names() if workers is None else workers)
    return status_bytes(layout, names) or status_bytes(layout, names, LAST_PATIENCE_S)


def decode_status(body: bytes) -> Status:
    """Raises CommandError where it is no status document."""
    try:
        return msgspec.json.decode(body, type=Status)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CommandError(
            f"a worker answered with something that is no status: {error}\n"
            "it may run another version of interrex: bring the fleet down and up again"
        ) from error


def outcome_of(answer: Answer) -> Outcome:
    """The answer to a POST.

    Raises:
        NoAnswer: it is none.
    """
    try:
        return msgspec.json.decode(answer.body, type=Outcome)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoAnswer(f"not an outcome: {error}") from error
