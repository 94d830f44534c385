"""Candidates in processes of their own, and what they say."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Led(NamedTuple):
    """``at`` is ns on CLOCK_BOOTTIME."""

    epoch: int
    at: int


class Program:
    """One ``tests.library.candidate``."""

    def __init__(self, url: str, identity: str, priority: int) -> None:
        command = [sys.executable, "-m", "tests.library.candidate", url, identity, str(priority)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self._next = ""

    def line(self) -> str:
        """What it says next; empty when it has ended."""
        assert self._process.stdout is not None
        line, self._next = self._next or self._process.stdout.readline(), ""
        return line.strip()

    def stands(self) -> None:
        """It says next that it waits, or leads at once."""
        self._next = self.line()
        if self._next == "waiting":
            self._next = ""
        else:
            assert self._next.startswith("lead "), self._next

    def leads(self) -> Led:
        """It says so next."""
        line = self.line()
        word, *numbers = line.split()
        assert word == "lead", line
        return Led(*map(int, numbers))

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Programs:
    """Those of one test, for one URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._all: list[Program] = []

    def start(self, identity: str, priority: int = 0, *, stand: bool = True) -> Program:
        program = Program(self._url, identity, priority)
        self._all.append(program)
        if stand:
            program.stands()
        return program

    def end(self) -> None:
        for program in self._all:
            program.end()


@contextmanager
def programs(url: str) -> Iterator[Programs]:
    """Ends whatever was started."""
    running = Programs(url)
    try:
        yield running
    finally:
        running.end()
