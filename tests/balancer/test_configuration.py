"""The file a balancer process starts from."""

import msgspec
import pytest

from interrex.balancer.configuration import configuration, parse_header, server_arguments
from interrex.core.errors import InterrexError
from interrex.core.ids import SlotName
from interrex.core.routes import RouteTable
from interrex.core.spec import BalancerSpec, Check, CheckKind
from tests.balancer.tables import CHECK, DOWN, DRAIN, READY, endpoint, route, table, web

SLOT = SlotName("balancer.0")
SPEC = BalancerSpec()


def _text(routes: RouteTable) -> str:
    return configuration(routes, SPEC, SLOT).text


def _shape(routes: RouteTable, spec: BalancerSpec = SPEC) -> str:
    return configuration(routes, spec, SLOT).shape


def test_the_header_tells_epoch_and_version() -> None:
    text = _text(table(epoch=7, version=12))
    assert text.splitlines()[0] == "# routes epoch=7 version=12"
    assert parse_header(text) == (7, 12)


@pytest.mark.parametrize("text", ["", "global\n", "# routes epoch=x version=1\n"])
def test_a_file_without_a_header_tells_nothing(text: str) -> None:
    assert parse_header(text) is None


def test_only_a_ready_slot_is_sent_requests_by_a_process_that_starts() -> None:
    lines = {
        line.split()[1]: line.endswith(" disabled")
        for line in _text(web(READY, DRAIN, DOWN)).splitlines()
        if line.startswith("    server web.")
    }
    assert lines == {"web.0": False, "web.1": True, "web.2": True}


def test_only_exposed_ports_are_listened_on() -> None:
    binds = [line.split()[1] for line in _text(web(READY)).splitlines() if " bind " in line]
    assert [bind for bind in binds if not bind.startswith("unix@balancer.0/")] == ["127.0.0.1:8080"]


def test_every_socket_is_for_its_owner_only() -> None:
    sockets = [
        line
        for line in _text(web(READY)).splitlines()
        if line.startswith(("    bind unix@", "    stats socket unix@"))
    ]
    assert len(sockets) == 3
    assert all(" mode 600" in line for line in sockets)


def test_servers_do_not_change_the_shape_and_all_else_does() -> None:
    shape = _shape(web(READY, READY))
    assert _shape(web(READY, DOWN, READY, version=9)) == shape
    assert _shape(table(*web(READY).services, epoch=5)) == shape
    another_port = table(route(port=8081))
    another_check = table(route(check=msgspec.structs.replace(CHECK, path="/ready")))
    slower_check = table(route(check=msgspec.structs.replace(CHECK, interval=9.0)))
    two_services = table(route(), route(service="api", port=8081))
    more_threads = _shape(web(READY), BalancerSpec(threads=2))
    shapes = {_shape(t) for t in (another_port, another_check, slower_check, two_services)}
    assert len(shapes | {shape, more_threads}) == 6


def test_the_shape_stands_in_the_file_where_show_info_tells_it() -> None:
    made = configuration(web(READY), SPEC, SLOT)
    assert f"    description {made.shape}\n" in made.text


@pytest.mark.parametrize("kind", [None, CheckKind.TCP, CheckKind.EXEC])
def test_what_haproxy_cannot_ask_is_checked_by_connecting(kind: CheckKind | None) -> None:
    check = None if kind is None else Check(kind=kind)
    text = _text(table(route(endpoint("web.0", 21000), check=check)))
    assert "httpchk" not in text
    assert " check inter 2000 " in text


def test_a_path_cannot_break_out_of_its_line() -> None:
    check = Check(kind=CheckKind.HTTP, path="/a b\n    bind :1\"'#\\ä%20", status=(200, 299))
    text = _text(table(route(check=check)))
    assert "uri /a%20b%0A%20%20%20%20bind%20:1%22%27%23%5C%C3%A4%20 ver HTTP/1.1" in text
    assert "http-check expect status 200-299" in text


@pytest.mark.parametrize("address", ["", "10.0.0.1 backup", "a\nb", "::1]:80"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InterrexError, match="is no address for the load balancer"):
        _text(table(route(endpoint("web.0", 21000, address=address))))


def test_a_check_faster_than_the_eager_one_stays_as_fast_when_a_server_is_down() -> None:
    fast = route(check=Check(kind=CheckKind.TCP, interval=0.02))
    arguments = server_arguments(fast, endpoint("web.0", 21000, address="::1"))
    assert arguments.startswith("[::1]:21000 check inter 20 fastinter 20 downinter 20 ")
