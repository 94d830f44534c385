"""Folders short enough for sockets, and ``interrex`` as a function."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.run_folder import run_folder
from interrex.cli.main import main
from interrex.config import load
from interrex.core.ids import HostName, WorkerName
from interrex.core.state import workers_of
from interrex.runtime.genesis import new_genesis, write_genesis
from interrex.runtime.layout import Layout
from tests.cli.fake_worker import FakeWorker
from tests.cli.real_fleet import RealFleet, a_fleet

FILE = """\
[cluster]
name = "{name}"

[service.web]
command = "sleep 1000"
replicas = 2
env.PORT = "{{port}}"
"""


class Said(NamedTuple):
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


Interrex = Callable[..., Said]


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="ixc-", dir=run_folder()))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def interrex(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Interrex:
    """Run a command in this process, on that state folder."""
    monkeypatch.setenv("INTERREX_STATE", str(state))

    def run(*words: str | Path) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def file(state: Path) -> Path:
    """A cluster file, in a folder of its own beside the clusters'."""
    return write_file(state, "shop")


def write_file(state: Path, name: str) -> Path:
    folder = state / "files"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(FILE.format(name=name))
    return path


def found(state: Path, name: str) -> Layout:
    """A cluster that was founded and never started."""
    spec = load(write_file(state, name))
    layout = Layout(state, name)
    layout.make()
    for worker in workers_of(spec):
        layout.worker(worker).mkdir(parents=True)
    (layout.host(HostName("local")) / "replicas").mkdir(parents=True)
    write_genesis(layout.genesis, new_genesis(spec, "id"))
    return layout


@pytest.fixture
def shop(state: Path) -> Layout:
    """The cluster ``shop``, founded and not started."""
    return found(state, "shop")


@pytest.fixture
def workers(shop: Layout) -> Iterator[list[FakeWorker]]:
    """Its three workers' sockets, which so far know nothing."""
    names = [WorkerName(f"worker-{number}") for number in (1, 2, 3)]
    fakes = [FakeWorker(shop.api_socket(name)) for name in names]
    yield fakes
    for fake in fakes:
        fake.__exit__()


@pytest.fixture
def fleet(worker_id: str) -> Iterator[RealFleet]:
    """A file and a state folder; nothing runs yet, and nothing is left afterwards."""
    with a_fleet(worker_id) as fleet:
        yield fleet
