"""Two files mean the same, and one of them writes out what the other leaves out."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from interrex.config.schema import SECTIONS
from interrex.core.spec import Bully, ClusterSpec, Etcd, Health, HostSpec, Spec, ZooKeeper
from interrex.runtime.genesis import new_genesis
from tests.config.cluster_files import checked


class Written(NamedTuple):
    """A key of a section, and its default as a file has it."""

    section: str
    spec: type[Any]
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.section}.{self.key}"


def toml(value: object) -> str:
    match value:
        case msgspec.Struct() | {}:
            return "{}"
        case tuple():
            return f"[{', '.join(map(toml, value))}]"
        case _:
            return msgspec.json.encode(value).decode()


def written_defaults() -> list[Written]:
    """Of every key that has one which can be written: nothing at all cannot, nor can no health."""
    found = []
    for section in SECTIONS:
        if section.spec is None or not issubclass(section.spec, Spec):
            continue
        fields = {field.name: field for field in msgspec.structs.fields(section.spec)}
        for key in section.keys:
            field = fields[key.field or key.name]
            if field.default_factory is not msgspec.NODEFAULT:
                found.append(Written(section.name, section.spec, key.name, "{}"))
            elif field.default not in (msgspec.NODEFAULT, None, "", (), Health()):
                value = toml(field.default)
                found.append(Written(section.name, section.spec, key.name, value))
    return found


def file_of(written: Written, line: str) -> str:
    """A file to which the line is added, where its section can stand."""
    name = written.section.replace("NAME", "web")
    line = line and f"{name}.{line}"
    elections: dict[type[Any], list[str]] = {
        Bully: ['cluster.election = "bully"'],
        Etcd: ['cluster.election.etcd.endpoints = ["http://127.0.0.1:2379"]'],
        ZooKeeper: ['cluster.election.zookeeper.hosts = ["127.0.0.1:2181"]'],
    }
    lines = ['cluster.name = "shop"', 'service.web.command = "serve {port}"', line]
    if written.spec is HostSpec:
        host = ", ".join(['name = "a"', *([line.removeprefix("host.")] if line else [])])
        lines[2] = f"host = [{{{host}}}]"
    return "\n".join([*lines, *elections.get(written.spec, []), ""])


def spec_of(folder: Path, text: str) -> ClusterSpec:
    result = checked(folder, text)
    assert result.spec is not None, result.problems
    return result.spec


def beginning(spec: ClusterSpec) -> bytes:
    return new_genesis(spec, "id").beginning


@pytest.mark.parametrize("written", written_defaults(), ids=str)
def test_a_default_that_is_written_out_changes_no_byte(tmp_path: Path, written: Written) -> None:
    without = spec_of(tmp_path, file_of(written, ""))
    with_it = spec_of(tmp_path, file_of(written, f"{written.key} = {written.value}"))
    assert with_it == without
    assert beginning(with_it) == beginning(without)
    assert msgspec.msgpack.encode(with_it) == msgspec.msgpack.encode(without)


def test_every_table_with_defaults_is_among_them() -> None:
    tables = {
        section.name
        for section in SECTIONS
        if section.spec and issubclass(section.spec, Spec) and section.name != "tls"
    }
    assert {written.section for written in written_defaults()} == tables - {"service.NAME.limits"}


def test_what_an_earlier_version_wrote_out_is_left_out_again() -> None:
    data = b'{"name":"shop","workers":3,"balancer":{},"ports":[21000,31999],"election":"raft"}'
    assert msgspec.json.encode(msgspec.json.decode(data, type=ClusterSpec)) == b'{"name":"shop"}'


def test_the_order_of_services_and_variables_changes_no_byte(tmp_path: Path) -> None:
    one = file_in_order("ab", "XY")
    two = file_in_order("ba", "YX")
    assert beginning(spec_of(tmp_path, one)) == beginning(spec_of(tmp_path, two))


def file_in_order(services: str, variables: str) -> str:
    env = ", ".join(f'{variable} = "1"' for variable in variables)
    tables = [f'[service.{name}]\ncommand = "serve"\nenv = {{{env}}}\n' for name in services]
    return "\n".join(['cluster.name = "shop"', *tables])


def test_another_value_changes_the_bytes(tmp_path: Path) -> None:
    head = 'cluster.name = "shop"\n[service.web]\ncommand = "serve"\n'
    texts = [head, f"{head}stop_timeout = 9.0\n", f"{head}replicas = 2\n"]
    assert len({beginning(spec_of(tmp_path, text)) for text in texts}) == len(texts)
