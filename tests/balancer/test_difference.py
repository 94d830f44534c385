"""Commands, tried on a model of HAProxy that knows only what its documentation says of them."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interrex.balancer.answers import HeldServer
from interrex.balancer.difference import Command, Verdict, commands
from interrex.core.ids import SlotName
from interrex.core.routes import Endpoint, EndpointState, RouteTable
from tests.balancer.tables import DOWN, DRAIN, READY, endpoint, route, table, web


@dataclass
class Server:
    address: str
    port: int
    admin: str
    up: bool = True
    checked: bool = True


@dataclass
class Model:
    """A running process: its servers by (backend, name), and those that have requests."""

    servers: dict[tuple[str, str], Server]
    busy: set[str] = field(default_factory=set)

    def held(self) -> tuple[HeldServer, ...]:
        return tuple(
            HeldServer(
                backend=backend,
                name=name,
                address=server.address,
                port=server.port,
                maintenance=server.admin == "maint",
                draining=server.admin == "drain",
                up=server.up,
            )
            for (backend, name), server in self.servers.items()
        )

    def obey(self, command: Command) -> Verdict:
        words = command.text.split()
        backend, _, name = words[2].partition("/")
        key = backend, name
        match words[0], words[1]:
            case "add", "server":
                assert key not in self.servers, "Already exists a server with the same name"
                address, _, port = words[3].rpartition(":")
                self.servers[key] = Server(
                    address.strip("[]"), int(port), "maint", up=False, checked=False
                )
                return command.verdict("New server registered.\n")
            case "del", "server":
                assert self.servers[key].admin == "maint", "Only servers in maintenance mode"
                if name in self.busy:
                    return command.verdict("Server still has connections attached to it.\n")
                del self.servers[key]
                return command.verdict("Server deleted.\n")
            case "enable", "health":
                self.servers[key].checked = True
            case "set", "server":
                if words[3] == "state":
                    self.servers[key].admin = words[4]
                else:
                    self.servers[key].up = words[4] == "up"
            case _:
                raise AssertionError(command.text)
        return command.verdict("\n")


def _model(routes: RouteTable) -> Model:
    admin = {READY: "ready", DRAIN: "drain", DOWN: "maint"}
    model = Model({("to:web", "waiting-room"): Server("-", 0, "ready")})
    for service in routes.services:
        for e in service.endpoints:
            key = f"to:{service.service}", str(e.slot)
            model.servers[key] = Server(e.address, e.port, admin[e.state])
    return model


def _texts(held: RouteTable, wanted: RouteTable) -> list[str]:
    return [command.text for command in commands(_model(held).held(), wanted)]


def test_nothing_is_said_when_nothing_differs() -> None:
    same = web(READY, DRAIN, DOWN)
    assert _texts(same, same) == []


def test_a_new_slot_is_added_checked_and_used() -> None:
    add, check, use = _texts(web(READY), web(READY, READY))
    assert add.startswith("add server to:web/web.1 127.0.0.1:21001 check inter 2000 ")
    assert add.endswith(" observe layer4 error-limit 1 on-error mark-down")
    assert check == "enable health to:web/web.1"
    assert use == "set server to:web/web.1 state ready"


def test_a_new_slot_that_is_not_ready_is_added_and_not_used() -> None:
    assert len(_texts(web(READY), web(READY, DOWN))) == 2
    assert _texts(web(), web(DRAIN))[-1] == "set server to:web/web.0 state drain"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (READY, DRAIN, ["state drain"]),
        (READY, DOWN, ["state maint"]),
        (DRAIN, READY, ["state ready"]),
        (DRAIN, DOWN, ["state maint"]),
        (DOWN, DRAIN, ["state drain"]),
        (DOWN, READY, ["state ready", "health up"]),
    ],
)
def test_a_change_of_state_is_said_in_as_few_words_as_it_takes(
    before: EndpointState, after: EndpointState, said: list[str]
) -> None:
    assert _texts(web(before), web(after)) == [f"set server to:web/web.0 {word}" for word in said]


def test_a_vanished_slot_is_removed_after_everything_else() -> None:
    assert _texts(web(DOWN, READY, READY), web(READY)) == [
        "set server to:web/web.0 state ready",
        "set server to:web/web.0 health up",
        "set server to:web/web.1 state maint",
        "set server to:web/web.2 state maint",
        "del server to:web/web.1",
        "del server to:web/web.2",
    ]


def test_a_server_marked_down_by_checks_is_raised_when_its_supervisor_says_so() -> None:
    model = _model(web(READY, READY))
    for server in model.servers.values():
        server.up = False
    risen = frozenset({SlotName("web.1")})
    (command,) = commands(model.held(), web(READY, READY), risen)
    assert command.text == "set server to:web/web.1 health up"


def test_a_slot_at_another_address_is_removed_first_and_added_by_the_next_call() -> None:
    moved = table(route(endpoint("web.0", 21000, address="10.0.0.2")))
    model = _model(web(READY))
    for command in commands(model.held(), moved):
        assert model.obey(command) is Verdict.DONE
    assert ("to:web", "web.0") not in model.servers
    for command in commands(model.held(), moved):
        assert model.obey(command) is Verdict.DONE
    assert model.servers["to:web", "web.0"].address == "10.0.0.2"


def test_a_removal_refused_for_connections_is_no_failure() -> None:
    model = _model(web(READY, READY))
    model.busy = {"web.1"}
    verdicts = [model.obey(command) for command in commands(model.held(), web(READY))]
    assert verdicts == [Verdict.DONE, Verdict.BUSY]
    model.busy.clear()
    (again,) = commands(model.held(), web(READY))
    assert again.text == "del server to:web/web.1"
    assert model.obey(again) is Verdict.DONE


def test_an_unexpected_answer_is_a_failure() -> None:
    add, *_ = commands((), web(READY))
    assert add.verdict("No such backend.\n") is Verdict.FAILED


_ENDPOINTS = st.lists(
    st.builds(
        lambda number, address, state: endpoint(f"web.{number}", 21000 + number, state, address),
        st.integers(0, 5),
        st.sampled_from(["127.0.0.1", "10.0.0.2", "fd00::2"]),
        st.sampled_from(list(EndpointState)),
    ),
    unique_by=lambda e: e.slot,
    max_size=6,
)


@given(_ENDPOINTS, _ENDPOINTS)
def test_from_any_table_to_any_other_in_at_most_two_calls(
    before: list[Endpoint], after: list[Endpoint]
) -> None:
    model = _model(table(route(*before)))
    wanted = table(route(*after))
    for _ in range(2):
        for command in commands(model.held(), wanted):
            assert model.obey(command) is Verdict.DONE
    assert commands(model.held(), wanted) == ()
    for key, server in _model(wanted).servers.items():
        found = model.servers[key]
        assert (found.address, found.port, found.admin) == (
            server.address,
            server.port,
            server.admin,
        )
        assert found.checked
    assert len(model.servers) == len(after) + 1
