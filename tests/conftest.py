"""Whatever a run of the tests starts ends with it: asked to end it cleans up, killed the next does.

The fixtures end what they have started. SIGTERM and a terminal's end count as Ctrl-C, so that they
do; what is left even so, by a run that was killed, is found by ``bench.run_folder``.
"""

import os
import signal
import threading
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from bench.run_folder import end_run, run_folder, sweep

# A busy machine is no fault, and temporary folders may be shared by a test's examples.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("untimed")

SWEPT = pytest.StashKey[list[Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Before any test, in each process of the run; only the first one has no ``workerinput``."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
        # A job that a script's shell starts behind it ignores Ctrl-C, and so would all that tests
        # start and interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Else whatever a test starts compiles all that it imports: three times a worker's own start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    config.stash[SWEPT] = [] if hasattr(config, "workerinput") else sweep()
    run_folder()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Tell of what was found."""
    return [f"a killed run's processes and files: removed ({path})" for path in config.stash[SWEPT]]


def pytest_unconfigure() -> None:
    """After the last fixture has ended."""
    end_run()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
