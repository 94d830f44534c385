"""What HAProxy answers, read."""

import pytest

from interrex.balancer.answers import HeldServer, parse_servers, parse_sessions, parse_shape

SERVERS = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_fqdn srv_port
3 to:web 1 web.0 127.0.0.1 2 0 1 - 21000
3 to:web 2 web.1 ::1 0 0 1 - 21001
3 to:web 3 web.2 10.0.0.2 0 5 1 h2 21002
3 to:web 4 web.3 127.0.0.1 2 8 1 - 21003
3 to:web 5 waiting-room - 2 0 1 - 0

"""


def test_the_list_of_servers_tells_state_and_address() -> None:
    servers = {server.name: server for server in parse_servers(SERVERS)}
    assert servers["web.0"] == HeldServer(
        backend="to:web",
        name="web.0",
        address="127.0.0.1",
        port=21000,
        maintenance=False,
        draining=False,
        up=True,
    )
    assert not servers["web.1"].up
    assert servers["web.2"].maintenance
    assert servers["web.3"].draining
    assert servers["waiting-room"].port == 0


@pytest.mark.parametrize("answer", ["", "Unknown command.", "2\n# be_id\n"])
def test_anything_else_is_no_list_of_servers(answer: str) -> None:
    with pytest.raises(ValueError, match="no list of servers"):
        parse_servers(answer)


def test_statistics_tell_the_requests_under_way_of_each_server() -> None:
    answer = (
        "# pxname,svname,qcur,qmax,scur,smax,\n"
        "from:web,FRONTEND,,,7,9,\n"
        "to:web,web.0,0,0,3,4,\n"
        "to:web,web.1,0,0,,4,\n"
        "to:web,BACKEND,0,0,3,4,\n"
    )
    assert parse_sessions(answer) == {("to:web", "web.0"): 3, ("to:web", "web.1"): 0}


def test_anything_else_is_no_statistics() -> None:
    with pytest.raises(ValueError, match="no statistics"):
        parse_sessions("Unknown command.")


def test_the_description_is_the_shape() -> None:
    assert parse_shape("Name: HAProxy\ndescription: 12ab \nTasks: 3\n") == "12ab"
    assert parse_shape("Name: HAProxy\n") is None
