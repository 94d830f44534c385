"""Lifelines: broken by every kind of end, and by nothing else."""

import asyncio
import fcntl
import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from interrex.runtime.greeting import Hello
from interrex.runtime.lifeline import Lifeline, Watch, watch_lifeline
from interrex.runtime.peer_process import PeerProcesses
from interrex.runtime.pidfd import ProcessIdentity, is_dead
from tests.runtime.workers_on_sockets import A, hello_of

HOLDER = """
import os, sys, time
from interrex.runtime.lifeline import hold_lifeline
print(hold_lifeline(), flush=True)
sys.stdin.readline()
{end}
"""
WAITER = """
import sys, threading
from interrex.runtime.lifeline import watch_lifeline
broken = threading.Event()
assert watch_lifeline(int(sys.argv[1]), int(sys.argv[2]), broken.set)
print("waiting", flush=True)
assert broken.wait(60)
print("broken", flush=True)
"""
WITHIN_S = 60


class Holder:
    """A process with a lifeline, that ends in a given way when it is told to."""

    def __init__(self, end: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER.format(end=end)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout
        self.descriptor = int(self.process.stdout.readline())
        self.broken = threading.Event()

    def watch(self) -> Watch | None:
        return watch_lifeline(self.process.pid, self.descriptor, self.broken.set)

    def tell_to_end(self) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def holder() -> Iterator[Holder]:
    one = Holder()
    yield one
    one.close()


@pytest.mark.parametrize(
    "end",
    [
        "",
        "os._exit(3)",
        "os.abort()",
        "os.execv('/bin/sleep', ['sleep', '1000'])",
        "import threading; threading.Thread(target=time.sleep, args=(1000,)).start(); os._exit(0)",
    ],
)
def test_every_end_of_the_main_thread_breaks_it(end: str) -> None:
    holder = Holder(end)
    assert holder.watch()
    assert not holder.broken.is_set()
    holder.tell_to_end()
    assert holder.broken.wait(WITHIN_S)
    holder.close()


def test_a_kill_breaks_it(holder: Holder) -> None:
    watch = holder.watch()
    assert watch
    assert not watch.is_broken
    holder.process.kill()
    assert holder.broken.wait(WITHIN_S)
    assert watch.is_broken


def test_a_stopped_process_keeps_it(holder: Holder) -> None:
    assert holder.watch()
    holder.process.send_signal(signal.SIGSTOP)
    os.waitpid(holder.process.pid, os.WUNTRACED)
    assert not holder.broken.wait(0.1)
    holder.process.kill()
    assert holder.broken.wait(WITHIN_S)


def test_everybody_who_waits_is_told(holder: Holder) -> None:
    command = [sys.executable, "-c", WAITER, str(holder.process.pid), str(holder.descriptor)]
    waiters = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    for waiter in waiters:
        assert waiter.stdout
        assert waiter.stdout.readline() == b"waiting\n"
    waiters[0].send_signal(signal.SIGSTOP)  # who is asleep keeps nobody else waiting
    holder.process.kill()
    for waiter in waiters[1:]:
        assert waiter.communicate(timeout=WITHIN_S)[0] == b"broken\n"
    waiters[0].send_signal(signal.SIGCONT)
    assert waiters[0].communicate(timeout=WITHIN_S)[0] == b"broken\n"


def test_two_waiters_in_one_process_are_both_told(holder: Holder) -> None:
    again = threading.Event()
    assert holder.watch()
    assert watch_lifeline(holder.process.pid, holder.descriptor, again.set)
    holder.process.kill()
    assert holder.broken.wait(WITHIN_S)
    assert again.wait(WITHIN_S)


def test_a_dead_process_cannot_be_watched(holder: Holder) -> None:
    holder.process.kill()
    holder.process.wait()
    assert not holder.watch()


def test_what_is_no_lifeline_is_not_waited_for(tmp_path: Path) -> None:
    fail = partial(pytest.fail, "nothing broke")
    me = os.getpid()
    plain = os.open(tmp_path / "plain", os.O_RDWR | os.O_CREAT)
    os.ftruncate(plain, mmap.PAGESIZE)
    unsealed = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    os.ftruncate(unsealed, mmap.PAGESIZE)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    empty, unheld = (os.memfd_create(name, os.MFD_ALLOW_SEALING) for name in ("empty", "unheld"))
    os.ftruncate(unheld, mmap.PAGESIZE)
    for descriptor in (empty, unheld):
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    for descriptor in (plain, unsealed, empty, unheld, 10_000):
        assert not watch_lifeline(me, descriptor, fail), descriptor
    for descriptor in (plain, unsealed, empty, unheld):
        os.close(descriptor)


def test_another_threads_mutexes_prove_nothing_of_the_process() -> None:
    made: list[Lifeline] = []
    maker = threading.Thread(target=lambda: made.append(Lifeline()))
    maker.start()
    maker.join()
    fail = partial(pytest.fail, "this process lives")
    assert not watch_lifeline(os.getpid(), made[0].descriptor, fail)


async def test_a_peers_death_is_told_once_and_its_end_afterwards(holder: Holder) -> None:
    deaths: asyncio.Queue[Hello] = asyncio.Queue()
    ends: asyncio.Queue[Hello] = asyncio.Queue()
    processes = PeerProcesses(deaths.put_nowait, ends.put_nowait)
    identity = ProcessIdentity.of(holder.process.pid)
    assert identity
    hello = msgspec.structs.replace(
        hello_of(A),
        pid=identity.pid,
        start_time=identity.start_time,
        lifeline=holder.descriptor,
    )
    pidfd = os.pidfd_open(identity.pid)
    assert processes.watch(hello, identity.pid, os.dup(pidfd))
    holder.process.kill()
    assert await asyncio.wait_for(deaths.get(), WITHIN_S) == hello
    assert await asyncio.wait_for(ends.get(), WITHIN_S) == hello
    assert is_dead(pidfd)
    assert deaths.empty()
    os.close(pidfd)
    processes.close()
