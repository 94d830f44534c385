"""Questions to workers end, whatever the other side does."""

import socket
import threading
from pathlib import Path

import msgspec
import pytest

from interrex.cli.asking import NoAnswer, ask, decode_status, status_bytes, status_of_cluster
from interrex.cli.exits import CommandError
from interrex.core.ids import WorkerName
from interrex.runtime.layout import Layout
from tests.cli.fake_worker import FakeWorker, a_status

ONE, TWO = WorkerName("worker-1"), WorkerName("worker-2")


def test_an_answer_comes_with_its_code_and_body(state: Path) -> None:
    with FakeWorker(state / "api.sock") as worker:
        worker.says("POST", "/v1/changes", b"no", code=409)
        answer = ask(state / "api.sock", "POST", "/v1/changes", b"{}")
        assert (answer.code, answer.body) == (409, b"no")
        assert worker.heard[0].body == b"{}"


def test_a_socket_that_is_not_there_gives_no_answer(state: Path) -> None:
    with pytest.raises(NoAnswer):
        ask(state / "api.sock", "GET", "/v1/status")


def test_a_dead_workers_socket_gives_no_answer(state: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(state / "api.sock"))
    with pytest.raises(NoAnswer):
        ask(state / "api.sock", "GET", "/v1/status")


def test_a_hung_worker_is_waited_for_no_longer_than_said(state: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(state / "api.sock"))
        hung.listen()
        with pytest.raises(NoAnswer):
            ask(state / "api.sock", "GET", "/v1/status", timeout_s=0.05)


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\0\0\0\0",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n12",
    ],
)
def test_garbage_is_no_answer(state: Path, noise: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state / "api.sock"))
        listener.listen()

        def talk() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(noise)

        speaker = threading.Thread(target=talk)
        speaker.start()
        with pytest.raises(NoAnswer):
            ask(state / "api.sock", "GET", "/v1/status")
        speaker.join()


def test_the_next_worker_is_asked_when_one_does_not_answer(shop: Layout) -> None:
    with socket.socket(socket.AF_UNIX) as hung, FakeWorker(shop.api_socket(TWO)) as worker:
        hung.bind(str(shop.api_socket(ONE)))
        hung.listen()
        worker.says("GET", "/v1/status", a_status(epoch=9))
        status = status_of_cluster(shop)
        assert status is not None
        assert status.epoch == 9


def test_workers_that_are_only_slow_are_asked_once_more(shop: Layout) -> None:
    body = msgspec.json.encode(a_status(epoch=9))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(shop.api_socket(ONE)))
        listener.listen()

        def answer_the_second() -> None:
            first, second = listener.accept()[0], listener.accept()[0]
            with first, second:
                second.recv(1000)
                second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        answering = threading.Thread(target=answer_the_second)
        answering.start()
        status = status_of_cluster(shop)
        answering.join()
    assert status is not None
    assert status.epoch == 9


def test_a_worker_that_refuses_to_tell_is_passed_over(shop: Layout) -> None:
    with FakeWorker(shop.api_socket(ONE)) as one, FakeWorker(shop.api_socket(TWO)) as two:
        one.says("GET", "/v1/status", b"", code=500)
        two.hangs_up("GET", "/v1/status")
        assert status_bytes(shop, [ONE, TWO]) is None


def test_a_status_of_another_version_is_explained() -> None:
    with pytest.raises(CommandError, match="another version"):
        decode_status(b'{"cluster": "shop"}')


@pytest.mark.parametrize("body", [b"{}", b"[", b'{"cluster": "\xff"}'])
def test_a_status_that_is_none_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(CommandError, match="no status"):
        decode_status(body)


def test_a_worker_that_knows_a_leader_is_believed_before_one_that_knows_none(shop: Layout) -> None:
    with FakeWorker(shop.api_socket(ONE)) as refused, FakeWorker(shop.api_socket(TWO)) as led:
        refused.says("GET", "/v1/status", a_status(leader=None, source=ONE))
        led.says("GET", "/v1/status", a_status(source=TWO))
        found = status_of_cluster(shop, [ONE, TWO])
        assert found is not None
        assert found.source == TWO
        led.says("GET", "/v1/status", a_status(leader=None, source=TWO))
        found = status_of_cluster(shop, [ONE, TWO])
        assert found is not None
        assert found.source == ONE
