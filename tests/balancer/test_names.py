"""Names that HAProxy takes, from any name."""

import re

from hypothesis import given
from hypothesis import strategies as st

from interrex.balancer.names import (
    WAITING_ROOM,
    escaped,
    server_name,
    slot_of,
    unescaped,
    waiting_socket,
)
from interrex.core.ids import ServiceName, SlotName


@given(st.text())
def test_any_name_becomes_one_that_haproxy_takes_and_back(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._:-]*", escaped(name))
    assert unescaped(escaped(name)) == name


def test_an_ordinary_name_stays_as_it_is() -> None:
    assert server_name(SlotName("my-web_2.11")) == "my-web_2.11"
    assert slot_of("my-web_2.11") == "my-web_2.11"


def test_no_slot_is_called_like_the_waiting_room() -> None:
    assert "." not in WAITING_ROOM


@given(st.text(min_size=1, max_size=200))
def test_the_name_of_a_waiting_rooms_socket_is_always_short(service: str) -> None:
    assert re.fullmatch(r"waiting\.[0-9a-f]{12}\.sock", waiting_socket(ServiceName(service)))
