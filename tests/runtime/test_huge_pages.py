"""A worker's memory in huge pages: nothing of it changes, and there is little more of it."""

import subprocess
import sys

from interrex.runtime.huge_pages import HUGE

PROGRAM = """
from interrex.runtime.huge_pages import gather, make_room
from pathlib import Path

def kib(field):
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(field))

make_room()
things = {number: (str(number), [number]) for number in range(40_000)}
before = kib("Rss:")
gather().join()
assert things == {number: (str(number), [number]) for number in range(40_000)}
print(before, kib("Rss:"), kib("AnonHugePages:"))
"""


def test_memory_is_gathered_unchanged_and_does_not_grow_by_much() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    before, after, huge = (1024 * int(kib) for kib in ran.stdout.split())
    assert huge % HUGE == 0
    assert after <= before + huge // 2 + (1 << 20)
