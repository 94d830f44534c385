"""``python -m interrex.runtime.entry ROOT CLUSTER WORKER HOST``: one worker's process."""

import gc
import sys
from pathlib import Path

if __name__ == "__main__":
    # What is loaded stays: looking for garbage in it took a fifth of the CPU time of a start.
    gc.disable()
    from interrex.runtime.huge_pages import make_room

    make_room()

    from interrex.core.ids import HostName, WorkerName
    from interrex.runtime.layout import Layout
    from interrex.runtime.without_tls import leave_tls_out

    root, cluster, worker, host = sys.argv[1:]
    layout = Layout(Path(root), cluster)
    leave_tls_out(layout)  # before asyncio is loaded, which main does

    from interrex.runtime.main import main

    sys.exit(main(layout, WorkerName(worker), HostName(host)))
