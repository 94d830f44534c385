"""What this machine lacks of what a file names."""

import os
import pwd
from pathlib import Path

import pytest

from interrex.config import check_environment, load
from interrex.config import environment as module
from interrex.core.ids import HostName
from tests.config.cluster_files import HEAD, SOUND, service

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(autouse=True)
def _kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose port ranges are known, and a PATH with one program."""
    (tmp_path / "ports").write_text("32768\t60999\n")
    (tmp_path / "first").write_text("1024\n")
    monkeypatch.setattr(module, "_KERNEL_PORTS", str(tmp_path / "ports"))
    monkeypatch.setattr(module, "_FIRST_FREE_PORT", str(tmp_path / "first"))
    programs = tmp_path / "bin"
    programs.mkdir()
    program(programs / "serve")
    monkeypatch.setenv("PATH", str(programs))


def program(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def lacking(folder: Path, text: str, host: str | None = None) -> list[str]:
    """Problems and warnings, with the test's folder shortened to a dot."""
    file = folder / "shop.toml"
    file.write_text(text)
    found = check_environment(load(file), file, HostName(host) if host else None)
    return [
        str(problem).replace(f"{folder}/", "./") for problem in (*found.problems, *found.warnings)
    ]


def test_a_machine_that_has_everything_lacks_nothing(tmp_path: Path) -> None:
    assert lacking(tmp_path, SOUND) == []


def test_without_the_file_problems_have_no_line(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(service().replace("serve", "swerve"))
    found = check_environment(load(tmp_path / "shop.toml"))
    assert [str(problem) for problem in found.problems] == [
        "service.web.command: there is no program swerve on the PATH, which is "
        f"{os.environ['PATH']}"
    ]


def test_a_missing_program_is_told_with_the_path_that_was_searched(tmp_path: Path) -> None:
    assert lacking(tmp_path, service().replace("serve", "swerve")) == [
        "./shop.toml:5: service.web.command: there is no program swerve on the PATH, which is ./bin"
    ]


def test_the_path_of_the_service_is_the_one_searched(tmp_path: Path) -> None:
    assert lacking(tmp_path, service('env.PATH = "/nowhere"')) == [
        "./shop.toml:5: service.web.command: there is no program serve on the PATH, which is "
        "/nowhere"
    ]


def test_a_program_with_a_slash_is_relative_to_the_directory(tmp_path: Path) -> None:
    text = service('directory = "srv"').replace('"serve"', '"./app"')
    (tmp_path / "srv").mkdir()
    assert lacking(tmp_path, text) == [
        "./shop.toml:5: service.web.command: there is no program ./srv/./app"
    ]
    (tmp_path / "srv" / "app").write_text("not to be run")
    assert lacking(tmp_path, text) == [
        "./shop.toml:5: service.web.command: ./srv/./app is no program that this user may run"
    ]
    program(tmp_path / "srv" / "app")
    assert lacking(tmp_path, text) == []


def test_a_program_that_depends_on_the_replica_is_not_looked_for(tmp_path: Path) -> None:
    assert lacking(tmp_path, service().replace('"serve"', '"./app-{number}"')) == []


def test_the_programs_of_exec_checks_are_looked_for(tmp_path: Path) -> None:
    assert lacking(tmp_path, service('health.exec = "alive"', 'health.liveness.exec = "./a"')) == [
        "./shop.toml:6: service.web.health.exec: there is no program alive on the PATH, which is "
        "./bin",
        "./shop.toml:7: service.web.health.liveness.exec: there is no program ././a",
    ]


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert lacking(tmp_path, service('directory = "srv"')) == [
        "./shop.toml:6: service.web.directory: there is no folder ./srv"
    ]
    (tmp_path / "srv").write_text("")
    assert lacking(tmp_path, service('directory = "srv"')) == [
        "./shop.toml:6: service.web.directory: ./srv is no folder"
    ]


def test_an_unknown_user_is_refused(tmp_path: Path) -> None:
    assert lacking(tmp_path, service('user = "nobody-knows"')) == [
        "./shop.toml:6: service.web.user: this machine has no user nobody-knows"
    ]
    assert lacking(tmp_path, service(f'user = "{ME}"')) == []


def test_only_root_can_do_what_only_root_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "getpriority", lambda which, who: 0)
    monkeypatch.setattr("resource.getrlimit", lambda limit: (1024, 4096))
    text = service(
        'user = "root"',
        "limits.open_files = 8192",
        "limits.nice = -5",
        "expose = 80",
        "health.tcp = true",
        'env.PORT = "{port}"',
    )
    assert lacking(tmp_path, text) == [
        "./shop.toml:6: service.web.user: only root can run a service as root",
        "./shop.toml:7: service.web.limits.open_files: 8192 is above 4096, this user's own limit; "
        "only root can raise it",
        "./shop.toml:8: service.web.limits.nice: only root can give a higher priority",
        "./shop.toml:9: service.web.expose: port 80 is below 1024: only root can listen there",
    ]


def test_an_address_of_another_machine_is_refused_on_a_single_host(tmp_path: Path) -> None:
    assert lacking(tmp_path, SOUND.replace("8080", '"203.0.113.1:8080"')) == [
        "./shop.toml:7: service.web.expose: this machine has no address 203.0.113.1"
    ]


def test_a_missing_balancer_is_refused(tmp_path: Path) -> None:
    assert lacking(tmp_path, f'{HEAD}[balancer]\nbinary = "./haproxy"\n') == [
        "./shop.toml:4: balancer.binary: there is no program ./haproxy"
    ]


def test_ports_that_the_kernel_gives_away_are_warned_of(tmp_path: Path) -> None:
    assert lacking(tmp_path, f"{HEAD}ports = [32000, 33000]\n") == [
        "./shop.toml:3: cluster.ports: 32000 to 33000 overlap 32768 to 60999, which the kernel "
        "gives to outgoing connections: a replica may find its port taken"
    ]


def test_the_kernel_is_taken_at_its_manuals_word_where_it_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KERNEL_PORTS", "/nowhere")
    assert len(lacking(tmp_path, f"{HEAD}ports = [32000, 33000]\n")) == 1


TWO_HOSTS = (
    f'{HEAD}[tls]\nca = "ca.pem"\ncertificate = "{{host}}.pem"\nkey = "{{host}}.key"\n'
    + "".join(f'[[host]]\nname = "h{n}"\naddress = "h{n}:1"\n' for n in (1, 2))
)


def test_missing_certificates_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    assert lacking(tmp_path, TWO_HOSTS, host="h2") == [
        "./shop.toml:5: tls.certificate: there is no file ./h2.pem",
        "./shop.toml:6: tls.key: there is no file ./h2.key",
    ]


def test_the_certificates_of_any_host_do_where_this_host_is_not_known(tmp_path: Path) -> None:
    for name in ("ca.pem", "h2.pem", "h2.key"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    assert lacking(tmp_path, TWO_HOSTS) == []
    (tmp_path / "h2.key").chmod(0o640)
    assert lacking(tmp_path, TWO_HOSTS) == [
        "./shop.toml:6: tls.key: ./h2.key is open to others; chmod 600 it"
    ]
    (tmp_path / "ca.pem").unlink()
    (tmp_path / "ca.pem").mkdir()
    assert lacking(tmp_path, TWO_HOSTS)[0] == (
        "./shop.toml:4: tls.ca: ./ca.pem cannot be read by this user"
    )


@pytest.mark.parametrize(
    ("name", "servers"), [("etcd", 'endpoints = "https://h:1"'), ("zookeeper", 'hosts = "h:1"')]
)
def test_missing_certificates_for_a_coordination_service_are_refused(
    tmp_path: Path, name: str, servers: str
) -> None:
    files = 'ca = "ca.pem"\ncertificate = "{host}.pem"\nkey = "{host}.key"\n'
    text = f"{HEAD}[cluster.election.{name}]\n{servers}\n{files}"
    (tmp_path / "local.pem").write_text("")
    assert lacking(tmp_path, text) == [
        f"./shop.toml:5: cluster.election.{name}.ca: there is no file ./ca.pem",
        f"./shop.toml:7: cluster.election.{name}.key: there is no file ./local.key",
    ]
