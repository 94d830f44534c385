"""A bench that left something out has not met its goals, and says what it left out."""

import pytest

from bench import tools
from bench.__main__ import verdict
from bench.figures import Figure, at_most
from bench.tools import MissingTool, leave_out, where_installed


def figure(value: float) -> Figure:
    return Figure(measure="how long it took", value=value, unit="ms", goal=at_most(5.0))


@pytest.fixture(autouse=True)
def nothing_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_left_out", [])


def test_only_where_all_was_measured_and_met_the_exit_code_is_0(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verdict([figure(4.0)], []) == 0
    assert capsys.readouterr().out == "\nevery goal met\n"
    assert verdict([figure(6.0)], []) == 1
    assert verdict([figure(4.0)], ["failover"]) == 1


def test_what_is_left_out_is_told_once_when_it_happens_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        with where_installed():
            raise MissingTool("etcd is not installed")
    leave_out("network namespaces need root")
    assert capsys.readouterr().out.splitlines() == [
        "  left out: etcd is not installed",
        "  left out: network namespaces need root",
    ]
    assert verdict([figure(4.0)], []) == 1
    assert capsys.readouterr().out.splitlines() == [
        "",
        "every goal that was measured is met",
        "left out: etcd is not installed; network namespaces need root",
    ]
