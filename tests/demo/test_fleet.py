"""Where the demo's fleet lives: ports of its own, and a folder that sockets fit in."""

import os
import socket
from pathlib import Path

import pytest

from interrex.config import load
from interrex.core.errors import InterrexError
from interrex.demo import fleet as fleet_module
from interrex.demo.fleet import LONGEST_FOLDER, Fleet, election_line, new_folder, reserved_port


def test_two_demos_at_once_get_two_ports(tmp_path: Path) -> None:
    with reserved_port() as one, reserved_port() as two:
        assert one != two
        ranges = []
        for number, port in enumerate((one, two)):
            folder = tmp_path / str(number)
            folder.mkdir()
            fleet = Fleet(folder)
            fleet.prepare(port)
            first, last = fleet.spec.ports
            ranges.append(range(first, last + 1))
        assert set(ranges[0]).isdisjoint(ranges[1])


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    with reserved_port() as free:
        pass
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # past demos linger there
        taken.bind(("127.0.0.1", free))
        taken.listen()
        with reserved_port() as port:
            assert port > free


def test_no_port_at_all_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "PORTS_TRIED", 0)
    with pytest.raises(InterrexError, match="are all taken"), reserved_port():
        pass


def test_the_last_demos_ports_are_still_ports(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.prepare(fleet_module.FIRST_PORT + fleet_module.PORTS_TRIED - 1)
    assert fleet.spec.ports[1] < 32768  # the kernel's own begin there
    assert load(fleet.file).services


def test_a_deep_temporary_folder_is_left_for_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * LONGEST_FOLDER)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    folder = new_folder()
    assert len(os.fsencode(folder)) <= LONGEST_FOLDER
    assert list(deep.iterdir()) == []
    folder.rmdir()


@pytest.mark.parametrize(
    ("words", "election"),
    [
        ("paxos", "paxos"),
        ("bully", "bully"),
        ("etcd=http://127.0.0.1:2379", "etcd"),
        ("zookeeper=127.0.0.1:2181,127.0.0.1:2182", "zookeeper"),
    ],
)
def test_the_demos_fleet_elects_by_what_was_asked_for(
    tmp_path: Path, words: str, election: str
) -> None:
    fleet = Fleet(tmp_path)
    fleet.prepare(fleet_module.FIRST_PORT, election_line(words))
    assert fleet.spec.election == election


@pytest.mark.parametrize(
    ("words", "said"),
    [("etcd", "etcd needs to know where it is"), ("zab", "'zab' is no election"), ("raft=x", "no")],
)
def test_an_election_that_cannot_be_had_is_refused_in_words(words: str, said: str) -> None:
    with pytest.raises(InterrexError, match=said):
        election_line(words)
