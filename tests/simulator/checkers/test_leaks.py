"""Replicas that have taken all the memory that they may have."""

from interrex.core.ids import HostName
from interrex.simulator.checkers.leaks import Leaks
from interrex.simulator.observation import Cause, OutOfMemory

from .histories import HOST, WEB_0, Told, healed, process, process_ended, refuses, show


def runs_out(pid: int = 100, host: str = HOST) -> OutOfMemory:
    return OutOfMemory(HostName(host), WEB_0, 1, pid)


def test_one_that_has_ended_is_fine() -> None:
    for cause in (Cause.OWN, Cause.SIGNAL):
        show(Leaks(), healed(process(), runs_out(), process_ended(cause)))


def test_one_that_runs_on_is_seen() -> None:
    history = healed(process(), runs_out())
    refuses(Leaks(), history, r"web\.0 on local \(pid 100\) runs on, 0.0 s after")


def test_the_end_of_another_one_does_not_count() -> None:
    another: list[Told] = [process(host="other"), process_ended(Cause.OWN, host="other")]
    refuses(Leaks(), healed(process(), runs_out(), *another), "runs on")


def test_while_there_are_faults_it_may_run_on() -> None:
    show(Leaks(), [process(), runs_out()])
