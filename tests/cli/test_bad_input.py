"""Whatever a user gets wrong is told in a line or two, with a code and without a traceback."""

import os
from pathlib import Path

import pytest

from interrex.cli.exits import Exit
from interrex.config import load
from interrex.runtime.layout import Layout
from tests.cli.conftest import Interrex, Said, found
from tests.cli.fake_worker import FakeWorker, a_status


def refused(said: Said, code: Exit, *words: str, lines: int = 2) -> None:
    assert said.code == code, said
    assert all(line.startswith("interrex: ") for line in said.err.splitlines()), said
    assert said.err, said
    assert "Traceback" not in said.err
    assert said.err.count("\n") <= lines, said.err
    for word in words:
        assert word in said.err, said.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["staus"], 'Did you mean "status"?'),
        (["status", "--jsn"], "Did you mean --json?"),
        (["status", "--cluster"], "--cluster requires an argument"),
        (["up"], "FILE requires an argument"),
        (["down", "now"], "now"),
        (["check"], "FILE requires an argument"),
        (["apply"], "FILE requires an argument"),
        (["apply", "a", "b"], "b"),
        (["scale", "web"], "N requires an argument"),
        (["scale", "web", "many"], '"many"'),
        (["scale", "web", "1.5"], '"1.5"'),
        (["restart"], "requires an argument"),
        (["logs"], "requires an argument"),
        (["logs", "web", "-n", "all"], '"all"'),
        (["logs", "web", "-n", "-1"], "-1 lines"),
        (["events", "-n", ""], "-n"),
        (["events", "-n", "-5"], "-5 lines"),
        (["step-down", "worker-1"], "worker-1"),
        (["install"], "FILE requires an argument"),
        (["demo", "--seed", "x"], '"x"'),
    ],
)
def test_wrong_words_are_refused_with_where_to_look(
    interrex: Interrex, words: list[str], hint: str
) -> None:
    refused(interrex(*words), Exit.USAGE, hint, "see: interrex")


def test_up_cannot_both_stay_and_return(interrex: Interrex, file: Path) -> None:
    said = interrex("up", str(file), "--guard", "--detach")
    refused(said, Exit.USAGE, "--guard stays and --detach returns")


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["down"],
        ["events"],
        ["logs", "web"],
        ["scale", "web", "3"],
        ["restart", "web"],
        ["step-down"],
        ["status", "--cluster", "shop"],
    ],
)
def test_without_a_cluster_there_is_nothing_to_ask(interrex: Interrex, words: list[str]) -> None:
    refused(interrex(*words), Exit.NO_CLUSTER, "interrex up FILE")


@pytest.mark.parametrize(
    "words", [["scale", "web", "3"], ["restart", "web"], ["step-down"], ["apply", "FILE"]]
)
def test_a_fleet_that_is_down_takes_no_change(
    interrex: Interrex, shop: Layout, file: Path, words: list[str]
) -> None:
    said = interrex(*(file if word == "FILE" else word for word in words))
    refused(said, Exit.FAILED, "no worker of shop answers", "interrex up FILE")


@pytest.mark.parametrize("words", [["scale", "web", "3"], ["restart", "web"], ["step-down"]])
def test_a_fleet_that_is_being_taken_down_takes_no_change(
    interrex: Interrex, shop: Layout, words: list[str]
) -> None:
    shop.stopping.touch()
    refused(interrex(*words), Exit.FAILED, "is being taken down", "interrex down --cluster shop")


@pytest.mark.parametrize("command", ["up", "check", "apply", "install"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no such file"),
        ("[cluster", "file.toml:1"),
        ('[cluster]\nname = "shop"\nworkrs = 3\n', "did you mean workers?"),
        ("\xff", "not written in UTF-8"),
    ],
)
def test_a_bad_file_is_refused_whole_with_its_line(
    interrex: Interrex, state: Path, command: str, text: str | None, message: str
) -> None:
    file = state / "file.toml"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    said = interrex(command, file)
    assert said.code == Exit.USAGE
    assert message in said.out + said.err
    assert "Traceback" not in said.err
    assert not [path for path in state.iterdir() if path.is_dir()]


@pytest.mark.parametrize("command", ["up", "check", "apply", "install"])
def test_an_election_that_is_not_fenced_is_refused_where_the_file_requires_it(
    interrex: Interrex, state: Path, file: Path, command: str
) -> None:
    text = file.read_text()
    required = '[cluster]\nelection = "bully"\nrequire = "fenced"\n'
    file.write_text(text.replace("[cluster]\n", required))
    said = interrex(command, file)
    assert said.code == Exit.USAGE
    words = "cluster.require: bully is not fenced as it is configured: where the network falls"
    assert f"{file}:3: {words}" in said.out + said.err
    assert "bully.quorum = true" in said.out + said.err
    assert "Traceback" not in said.err
    assert not (state / "shop").exists()


@pytest.mark.parametrize("command", ["up", "apply", "install"])
def test_a_folder_is_no_cluster_file(interrex: Interrex, state: Path, command: str) -> None:
    refused(interrex(command, state), Exit.USAGE, "is a folder")


def test_a_pipe_is_not_waited_for(interrex: Interrex, state: Path) -> None:
    pipe = state / "shop.toml"
    os.mkfifo(pipe)
    refused(interrex("up", pipe), Exit.USAGE, "is a pipe, not a file")
    said = interrex("check", pipe)
    assert (said.code, said.out) == (Exit.USAGE, f"{pipe}: is a pipe, not a file\n")


def test_every_line_of_an_error_is_marked(interrex: Interrex, state: Path) -> None:
    file = state / "file.toml"
    file.write_text("[cluster]\nworkers = 0\nname = 3\nmore = 1\n[service.web]\n")
    said = interrex("up", file)
    assert said.err.count("\n") > 2
    refused(said, Exit.USAGE, f"interrex: {file}:2: ", f"interrex: {file}:3: ", lines=9)


def test_a_program_that_does_not_exist_is_named(interrex: Interrex, state: Path) -> None:
    file = state / "file.toml"
    file.write_text('[cluster]\nname = "shop"\n[service.web]\ncommand = "no-such-thing {port}"\n')
    refused(interrex("up", file, "--detach"), Exit.USAGE, "file.toml:4", "no-such-thing")
    assert not (state / "shop" / "genesis.json").exists()


def test_a_duration_is_a_duration(interrex: Interrex, file: Path) -> None:
    said = interrex("up", file, "--detach", "--timeout", "soon")
    refused(said, Exit.USAGE, '--timeout: "soon" is no duration')


def test_a_host_is_one_of_the_file(interrex: Interrex, file: Path) -> None:
    refused(interrex("up", file, "--host", "a"), Exit.USAGE, "lists no hosts", "leave --host out")


def test_a_state_folder_that_is_a_file_is_told(interrex: Interrex, file: Path) -> None:
    said = interrex("up", file, "--state", file)
    refused(said, Exit.FAILED, "cannot make the state folder", "--state DIR")


def test_a_state_folder_of_somebody_else_is_told(
    interrex: Interrex, file: Path, shop: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interrex.runtime.layout.os.geteuid", lambda: 4711)
    refused(interrex("up", file), Exit.FAILED, "belongs to uid", "--state DIR")


def test_a_state_folder_with_too_long_a_path_is_told(
    interrex: Interrex, file: Path, state: Path
) -> None:
    said = interrex("up", file, "--state", state / ("x" * 80))
    refused(said, Exit.FAILED, "allows a socket 107", "--state DIR")


def test_a_broken_genesis_is_told(interrex: Interrex, file: Path, shop: Layout) -> None:
    shop.genesis.write_text("{")
    refused(interrex("status"), Exit.FAILED, "genesis.json cannot be read", "start anew")
    refused(interrex("up", file, "--detach"), Exit.FAILED, "genesis.json cannot be read")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scale", "wbe", "3"], "there is no service wbe; did you mean web?"),
        (["scale", "web", "-1"], "-1 replicas cannot be asked for"),
        (["scale", "web", "99999"], "say a number from 0 to 10000"),
        (["scale", "balancer", "3"], "set balancer.processes"),
        (["scale", "web.1", "3"], "there is no service web.1; did you mean web?"),
        (["restart", "web.9"], "there is no service or replica web.9; did you mean web."),
        (["restart", "we"], "did you mean web?"),
        (["step-down", "--to", "worker-9"], "there is no worker worker-9; did you mean worker-"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(
    interrex: Interrex, workers: list[FakeWorker], file: Path, words: list[str], message: str
) -> None:
    for worker in workers:
        worker.says("GET", "/v1/status", a_status())
        worker.says("GET", "/v1/spec", load(file))
    refused(interrex(*words), Exit.USAGE, message)
    assert not any(heard.method == "POST" for worker in workers for heard in worker.heard)


@pytest.mark.parametrize("command", ["logs", "events"])
def test_unknown_names_in_files_are_answered_with_the_nearest(
    interrex: Interrex, shop: Layout, command: str
) -> None:
    logs = shop.home / "hosts" / "local" / "logs"
    logs.mkdir()
    (logs / "web.0.log").write_text("hello\n")
    refused(interrex(command, "worker-11"), Exit.USAGE, "there is no service")


def test_down_asks_before_it_removes(interrex: Interrex, shop: Layout) -> None:
    refused(interrex("down", "--purge"), Exit.USAGE, "add --yes")
    assert shop.genesis.exists()
    assert interrex("down", "--purge", "--yes").code == Exit.OK
    assert not shop.home.exists()


def test_down_knows_its_hosts(interrex: Interrex, shop: Layout) -> None:
    refused(interrex("down", "--host", "lokal"), Exit.USAGE, "did you mean local?")


def test_what_is_down_is_down(interrex: Interrex, state: Path) -> None:
    found(state, "shop")
    said = interrex("down")
    assert (said.code, said.out) == (Exit.OK, "shop is not running\n")


@pytest.mark.parametrize("command", ["down", "status"])
def test_a_file_where_none_is_taken_names_the_option_that_is(
    interrex: Interrex, command: str
) -> None:
    said = interrex(command, "shop.toml")
    assert said.code == Exit.USAGE
    assert "shop.toml is more than it takes" in said.err
    assert "--cluster NAME" in said.err
