"""Programs and the servers that they elect by, each in a network of its own and cut off from there.

Whoever is cut off hears of nothing: its session or its lease expires unseen.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.postgresql_server import PostgresServer
from bench.specs import bare
from interrex.core.spec import COORDINATED as REPLICATED
from interrex.elections.embedding import EMBEDDED
from interrex.library.backends import COORDINATED, LOCAL
from tests.library.members import QUICK
from tests.library.programs import Program, Programs
from tests.system.machines import Namespace, Service, machines, networks_on, service_on, switched

NUMBERS = count()
ONE_WAY = ["input", "output"]
LEASE = {"etcd": "lease=2", "zookeeper": "session=1"}


class Stand(NamedTuple):
    """Networks for three programs, and where they meet."""

    networks: list[Namespace]
    url: Callable[[int], str]
    """The program's of a place, 0 to 2."""
    service: Service | None = None
    """The servers that they elect by, where there are several."""
    directions: Sequence[str] = ONE_WAY
    """In which holders are cut off."""


@pytest.fixture(scope="module")
def stand(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stand]:
    assert os.geteuid() == 0, "network namespaces: tools/as-root .venv/bin/pytest, or make test"
    scheme: str = request.param
    if scheme == LOCAL:
        with machines(bare()) as made:
            hosts = list(made.values())
            urls = [f"interrex:///bench/cut?state={host.fleet.root}" for host in hosts]
            # The holder's worker is heard all the while, and goes on asking for its lease.
            yield Stand(list(hosts), urls.__getitem__, directions=["input"])
        return
    with switched() as switch, ExitStack() as stack:
        networks = networks_on(switch, stack, "p", range(1, 4))
        if scheme in EMBEDDED:
            secret = tmp_path_factory.mktemp("cut") / "secret"
            yield Stand(networks, members(scheme, networks, secret))
        elif scheme in REPLICATED:
            service = stack.enter_context(service_on(switch, scheme))
            url = f"{scheme}://{','.join(service.hosts)}/cut?{LEASE[scheme]}"
            service.wait_whole(networks[0])
            yield Stand(networks, lambda place: url, service)
        else:
            (network,) = networks_on(switch, stack, "s", range(11, 12))
            server = stack.enter_context(PostgresServer(place=network.place))
            yield Stand(networks, lambda place: f"{server.url}/cut?lease=1")


def members(scheme: str, networks: list[Namespace], secret: Path) -> Callable[[int], str]:
    """Each of them listens in its own network."""
    secret.write_text("nobody is to know this")
    peers = ",".join(f"{network.address}:7000" for network in networks)
    return lambda place: f"{scheme}://{peers}/cut?self={place}&secret_file={secret}&{QUICK}"


def start(stand: Stand, programs: Programs, place: int) -> Program:
    """A candidate in the network of its place."""
    name, network = f"n{next(NUMBERS)}", stand.networks[place]
    return programs.start(stand.url(place), name, place=network.place)


@pytest.mark.parametrize("stand", [LOCAL, *EMBEDDED, *COORDINATED], indirect=True)
def test_a_holder_cut_off_in_one_direction_believes_in_itself_no_longer_than_until_another_leads(
    stand: Stand, programs: Programs
) -> None:
    running = {start(stand, programs, place): stand.networks[place] for place in range(3)}
    led = programs.leads()
    for direction in stand.directions:
        network = running[led.process]
        network.cut(direction)
        following = programs.leads(but=led.process)
        assert following.epoch > led.epoch
        until = int(led.process.line_that_begins("ended").split()[1])
        assert until < following.at
        network.heal()
        led = following


@pytest.mark.parametrize("stand", REPLICATED, indirect=True)
@pytest.mark.parametrize("direction", ONE_WAY)
def test_a_killed_holder_is_followed_while_the_server_that_leads_the_others_is_cut_off(
    stand: Stand, programs: Programs, direction: str
) -> None:
    """In test_services each server is killed, so whichever leads is too."""
    assert stand.service is not None
    start(stand, programs, 0)
    led = programs.leads()
    start(stand, programs, 1).line_that_begins("waiting")
    network = stand.service.networks[stand.service.wait_whole(stand.networks[0])]
    network.cut(direction)
    led.process.signal(signal.SIGKILL)
    assert programs.leads(but=led.process).epoch > led.epoch
    network.heal()
    stand.service.wait_whole(stand.networks[0])
