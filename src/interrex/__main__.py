"""``python -m interrex``: the same as ``interrex``."""

import sys

from interrex.cli.entry import run

sys.exit(run())
