"""``python -m interrex.runtime.entry ROOT CLUSTER WORKER HOST``: one worker's process."""

import gc
import sys

if __name__ == "__main__":
    # What is loaded stays: looking for garbage in it took a fifth of the CPU time of a start.
    gc.disable()
    from interrex.runtime.main import main

    sys.exit(main(sys.argv[1:]))
