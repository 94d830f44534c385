"""Host names in a table."""

from interrex.balancer.addresses import (
    host_names,
    parse_remembered,
    remembered_lines,
    resolved,
)
from tests.balancer.tables import endpoint, route, table

ROUTES = table(
    route(
        endpoint("web.0", 21000),
        endpoint("web.1", 21001, address="b.example"),
        endpoint("web.2", 21002, address="::0:1"),
        endpoint("web.3", 21003, address="a.example"),
    )
)


def test_names_are_found_and_addresses_are_not_names() -> None:
    assert host_names(ROUTES) == ("a.example", "b.example")


def test_an_endpoint_whose_name_is_unknown_is_left_out() -> None:
    (found,) = resolved(ROUTES, {"b.example": "10.0.0.2"}).services
    assert [(e.slot, e.address) for e in found.endpoints] == [
        ("web.0", "127.0.0.1"),
        ("web.1", "10.0.0.2"),
        ("web.2", "::1"),
    ]


def test_a_file_remembers_what_was_found() -> None:
    known = {"a.example": "10.0.0.1", "b.example": "fd00::2"}
    assert parse_remembered("# routes\n" + remembered_lines(known) + "global\n") == known
