"""Candidates in processes of their own, and what they say."""

import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from bench.processes import LOOPBACK, Place

PATIENCE_S = 60.0


class Led(NamedTuple):
    """``at`` is ns on CLOCK_BOOTTIME."""

    process: "Program"
    epoch: int
    at: int


class Program:
    """One ``tests.library.candidate``."""

    def __init__(self, led: "SimpleQueue[Led]", command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._led = led
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())
            word, *numbers = line.split()
            if word == "lead":
                self._led.put(Led(self, *map(int, numbers)))
        self._lines.put("")

    def line(self) -> str:
        """What it says next; empty when it has ended."""
        return self._lines.get(timeout=PATIENCE_S)

    def line_that_begins(self, word: str) -> str:
        """What it says next of this kind; what comes before is passed over."""
        while not (line := self.line()).startswith(word):
            assert line, f"it has ended before it said {word!r}"
        return line

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Programs:
    """Those of one test; use as a context."""

    def __init__(self) -> None:
        self._all: list[Program] = []
        self._led: SimpleQueue[Led] = SimpleQueue()

    def start(
        self,
        url: str,
        identity: str,
        priority: int = 0,
        guarded: Path | None = None,
        place: Place = LOOPBACK,
    ) -> Program:
        """A candidate, which writes its epochs to a guarded file where one is named."""
        command = [*place.enter, sys.executable, "-m", "tests.library.candidate"]
        command += [url, identity, str(priority), str(guarded or "")]
        program = Program(self._led, command)
        self._all.append(program)
        return program

    def leads(self, program: Program | None = None, but: Program | None = None) -> Led:
        """The next to lead; that of one program, or of another than one."""
        while True:
            led = self._led.get(timeout=PATIENCE_S)
            if program in (None, led.process) and but != led.process:
                return led

    def end(self) -> None:
        for program in self._all:
            program.end()
