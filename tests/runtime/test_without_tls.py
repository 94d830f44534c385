"""Which workers load OpenSSL: those that may have to speak TLS."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from bench.fleet import Fleet
from bench.specs import bare
from interrex.core.ids import HostName
from interrex.core.spec import ClusterSpec, HostSpec
from interrex.runtime.genesis import new_genesis, write_genesis
from interrex.runtime.layout import Layout
from interrex.runtime.without_tls import leave_tls_out

SPEAKING = {
    "hosts": ClusterSpec(name="shop", hosts=(HostSpec(name=HostName("a")),)),
    "etcd": ClusterSpec(name="shop", election="etcd"),
    "zookeeper": ClusterSpec(name="shop", election="zookeeper"),
}


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """An empty one; what the process then has for ``ssl`` goes with the test."""
    monkeypatch.setitem(sys.modules, "ssl", ssl)
    layout = Layout(tmp_path, "shop")
    layout.make()
    return layout


def found(layout: Layout, spec: ClusterSpec) -> None:
    write_genesis(layout.genesis, new_genesis(spec, "id"))


def test_a_worker_without_tls_has_no_openssl_in_its_memory() -> None:
    with Fleet(bare(1)) as fleet:
        fleet.wait_ready()
        maps = Path(f"/proc/{fleet.pid_of(fleet.workers[0])}/maps").read_text()
    assert "uvloop" in maps
    assert "libssl" not in maps
    assert "libcrypto" not in maps


def test_tls_is_left_out_where_all_workers_are_on_one_host(layout: Layout) -> None:
    found(layout, ClusterSpec(name="shop"))
    leave_tls_out(layout)
    assert sys.modules["ssl"] is not ssl


@pytest.mark.parametrize("spec", SPEAKING.values(), ids=SPEAKING)
def test_tls_stays_where_it_may_be_spoken(layout: Layout, spec: ClusterSpec) -> None:
    found(layout, spec)
    leave_tls_out(layout)
    assert sys.modules["ssl"] is ssl


def test_tls_stays_where_it_is_not_known_whether_it_is_spoken(layout: Layout) -> None:
    layout.genesis.write_text("torn")
    leave_tls_out(layout)
    assert sys.modules["ssl"] is ssl


def test_a_name_that_the_stand_in_lacks_is_the_real_ones(layout: Layout) -> None:
    found(layout, ClusterSpec(name="shop"))
    program = (
        "import sys; from pathlib import Path; from interrex.runtime.layout import Layout\n"
        "from interrex.runtime.without_tls import leave_tls_out\n"
        "leave_tls_out(Layout(Path(sys.argv[1]), 'shop'))\n"
        "import ssl; print(hasattr(ssl, 'no_such_name'), ssl.PROTOCOL_TLS_CLIENT.name)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(layout.root)], capture_output=True, text=True
    )
    assert ran.stdout.split() == ["False", "PROTOCOL_TLS_CLIENT"], ran.stderr
