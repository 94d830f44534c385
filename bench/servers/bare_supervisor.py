"""The least a supervisor can do, as a floor: wait for its one child, start it again.

python bare_supervisor.py PROGRAM ARGUMENT ...
"""

import os
import sys


def main(command: list[str]) -> None:
    """Runs until it is killed."""
    while True:
        os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)


if __name__ == "__main__":
    main(sys.argv[1:])
