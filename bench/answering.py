"""Killing a ``tiny`` server and waiting until another process answers in its place."""

import http.client
import os
import signal
import time

PATIENCE_S = 30.0
PAUSE_S = 0.00005


def who_answers(port: int) -> int | None:
    """The pid of the process that answers on this port; None where nobody does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/pid")
        return int(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def wait_answer(port: int, other_than: int | None = None) -> int:
    """Waits for a process (another one than that pid) to answer; returns its pid.

    Raises:
        TimeoutError: none does.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        pid = who_answers(port)
        if pid is not None and pid != other_than:
            return pid
        time.sleep(PAUSE_S)
    raise TimeoutError(f"nobody answers on port {port}")


def replace_ms(port: int) -> float:
    """Kill who answers on a port; milliseconds until another process answers there."""
    victim = wait_answer(port)
    begin = time.perf_counter()
    os.kill(victim, signal.SIGKILL)
    wait_answer(port, other_than=victim)
    return (time.perf_counter() - begin) * 1e3
