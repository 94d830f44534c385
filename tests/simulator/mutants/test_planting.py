"""A planted bug is in the module that the process then loads, and in no other process."""

import subprocess
import sys

import pytest

from interrex.core.quorum import majority
from interrex.simulator.mutants.catalogue import MUTANTS
from interrex.simulator.mutants.planting import plant

PLANTED = """
from interrex.simulator.mutants.catalogue import MUTANTS
from interrex.simulator.mutants.planting import plant
plant(MUTANTS["half-a-quorum"])
from interrex.core.quorum import majority
print(majority(3))
"""


def test_the_process_that_planted_it_has_it() -> None:
    command = [sys.executable, "-c", PLANTED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"


def test_no_other_process_has_it() -> None:
    assert majority(3) == 2


def test_a_module_that_is_loaded_already_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match=r"half-a-quorum: interrex\.core\.quorum is loaded"):
        plant(MUTANTS["half-a-quorum"])


def test_the_catalogue_loads_no_core() -> None:
    check = "import sys; import interrex.simulator.mutants.catalogue; import interrex.cli.mutants; "
    check += "print(*(name for name in sys.modules if name.startswith('interrex.')))"
    command = [sys.executable, "-c", check]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.split(".")[1] for name in done.stdout.split()}
    assert loaded == {"simulator", "cli"}
