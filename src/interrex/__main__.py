"""``python -m interrex``: the same as ``interrex``."""

import sys

from interrex.cli.main import main

sys.exit(main())
