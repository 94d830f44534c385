"""One worker's process, from taking its lock to its end; ``entry`` loads and runs it."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time

from interrex.core.errors import InterrexError
from interrex.core.ids import HostName, WorkerName
from interrex.runtime.genesis import genesis_of_worker
from interrex.runtime.launching import locked_worker
from interrex.runtime.layout import Layout
from interrex.runtime.lifeline import hold_lifeline
from interrex.runtime.node import Ending, Node
from interrex.runtime.opening import open_log

AGAIN_AFTER_S = 0.5

_log = logging.getLogger("interrex")


def main(layout: Layout, worker: WorkerName, host: HostName) -> int:
    """Run one worker until it ends.

    Returns:
        0 when it was asked to end, or another process already is this worker; 1 when it could not
        go on.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    # A terminal's end is no reason to leave the services unsupervised.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with locked_worker(layout, worker) as locked:
            if not locked or layout.stopping.exists():
                return 0
            os.chdir(layout.home)  # not the folder of whoever ran a command: it may be removed
            return _run(layout, worker, host)
    except (InterrexError, OSError) as error:
        _log.error("%s cannot run: %s", worker, error)
        return 1


def _run(layout: Layout, worker: WorkerName, host: HostName) -> int:
    lifeline = hold_lifeline()

    async def work() -> Ending:
        genesis = genesis_of_worker(layout, worker)  # another one, where it was told of that
        opened = open_log(layout, genesis, worker)
        return await Node(layout, genesis, worker, host, opened, lifeline).run()

    gc.freeze()
    gc.enable()
    again = True
    while again:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            reason, again = runner.run(work())
        _log.info("%s ended: %s", worker, reason)
        if again:
            # Nobody else may be there to start this worker: it does so itself, in no hurry.
            time.sleep(AGAIN_AFTER_S)
    return 0


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()
