"""What is no epoch is not taken for one: it could be the newest for ever."""

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from interrex.library.guards import sql
from interrex.library.guards.asgi import MemoryEpochs
from interrex.library.guards.epochs import whole_epoch
from interrex.library.guards.files import EpochFile, GuardedFile

NONE: list[Any] = ["7", b"7", "abc", None, 1.5, 7.0, math.inf, math.nan, -1, 2**63, []]


@pytest.mark.parametrize("epoch", NONE, ids=repr)
def test_no_guard_takes_what_is_no_epoch(epoch: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an epoch is"):
        EpochFile(tmp_path / "epoch").admit(epoch)
    with pytest.raises(ValueError, match="an epoch is"):
        GuardedFile(tmp_path / "file").write(b"stale", epoch)
    with pytest.raises(ValueError, match="an epoch is"):
        MemoryEpochs().admit(epoch)
    assert list(tmp_path.iterdir()) == []
    database = sqlite3.connect(":memory:")
    database.execute(sql.SCHEMA)
    with pytest.raises(ValueError, match="an epoch is"):
        sql.admit(database.cursor(), "x", epoch)
    sql.admit(database.cursor(), "x", 0)
    database.close()


def test_the_highest_that_an_election_gives_is_one() -> None:
    assert whole_epoch(2**63 - 1) == 2**63 - 1


@pytest.mark.parametrize("name", [None, "", 5, b"x"], ids=repr)
def test_what_is_guarded_in_sql_has_a_name_as_each_null_would_be_another(name: Any) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(sql.SCHEMA)
        with pytest.raises(ValueError, match="what is guarded has a name"):
            sql.admit(database.cursor(), name, 7)
        assert database.execute("SELECT count(*) FROM interrex_epochs").fetchone() == (0,)
