"""No two coordinators ever use the same epoch, and none is promised or led before it is on disk."""

import msgspec
import pytest

from interrex.core.errors import InvariantViolation
from interrex.core.ids import WorkerName
from interrex.core.storage import SetFact
from interrex.core.time import MS, US
from interrex.elections.bully import BullySettings
from interrex.elections.bully.epochs import next_epoch, seat_of
from interrex.elections.bully.messages import Coordinator, Copied, Halted, Message, decode
from interrex.elections.bully.node import PROMISE, StoredPromise
from interrex.elections.interface import LeaderChanged, SendPayload
from tests.elections.bully.network import BullyNetwork, BullyServer


def stored(server: BullyServer) -> StoredPromise:
    return msgspec.msgpack.decode(server.disk.facts[PROMISE], type=StoredPromise)


def test_an_epoch_names_its_maker_and_is_above_all_that_was_seen() -> None:
    assert next_epoch(0, 3) == 1003
    assert next_epoch(1003, 1) == 2001
    assert next_epoch(4999, 7) == 5007
    assert seat_of(5007) == 7


def test_a_new_coordinators_epoch_is_above_that_of_everybody_in_reach() -> None:
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.divide([1], [2, 3])
    network.run_for(1000)
    for _ in range(3):  # the lone one goes through epochs of its own
        network.kill(network[1])
        network.boot(network[1])
        network.run_until(lambda: network[1].bully.leading)
    lone = network[1].bully.epoch
    assert lone > network[3].bully.epoch
    network.unite()
    network.run_until(network.agree)
    assert network[3].bully.epoch > lone


def test_an_epoch_and_a_promise_are_on_disk_before_the_message_that_says_so_leaves() -> None:
    network = BullyNetwork(3)
    checked: list[type[Message]] = []

    def check(server: BullyServer, effect: SendPayload) -> None:
        message = decode(effect.payload)
        if isinstance(message, Halted | Coordinator):
            assert stored(server).epoch >= message.epoch
            checked.append(type(message))
        if isinstance(message, Copied):
            assert server.disk.entries[-1].index >= message.matched
            checked.append(type(message))

    network.senders.append(check)
    network.start()
    network.elect()
    network.write("a")
    network.die(3)
    network.elect()
    network.run_for(100)
    assert {Halted, Coordinator, Copied} <= set(checked)


def test_nobody_leads_while_its_epoch_is_being_written() -> None:
    network, standing = _two_of_three_halted_by_a_slow_disk()
    assert stored(network[1]).epoch == 2002
    assert network.leader() is None
    network.finish_write(standing)
    assert network.leader() is standing
    assert standing.bully.epoch == stored(standing).epoch == 2002


def test_who_dies_within_that_write_leads_in_an_epoch_that_is_newer_than_it() -> None:
    network, standing = _two_of_three_halted_by_a_slow_disk()
    network.kill(standing, notice=200 * US)
    network.run_for(1)
    network.disk_time = lambda _server: 500 * US
    network.boot(standing)
    assert stored(standing).epoch == 1003
    network.run_until(lambda: standing.bully.leading and network.agree())
    assert standing.bully.epoch > 2002


def test_a_disk_that_does_not_answer_within_a_timeout_ends_the_election() -> None:
    network, standing = _two_of_three_halted_by_a_slow_disk()
    why = "its disk does not answer"
    network.run_until(lambda: standing.bully._server.reason == why, limit=300 * MS)
    assert not standing.bully.leading


@pytest.mark.parametrize("quorum", [False, True])
def test_one_whose_disk_is_too_slow_to_lead_leaves_the_lead_to_those_below_it(quorum: bool) -> None:
    """It was awake again just before those that it had halted, and halted them again, for ever."""
    network = BullyNetwork(5, settings=BullySettings(quorum=quorum))
    network.start()
    network.elect()
    network.run_for(200)
    network.disk_time = lambda server: 300 * MS if server is network[4] else 1 * MS
    network.die(5)
    network.run_until(lambda: network[3].bully.leading, 2_000 * MS)


def _two_of_three_halted_by_a_slow_disk() -> tuple[BullyNetwork, BullyServer]:
    """The leader is dead, one worker has halted the other, and writes its epoch down meanwhile."""
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.run_for(100)
    network.disk_time = lambda server: None if server is network[2] else 500 * US
    network.kill(network[3], notice=200 * US)
    network.run_for(5)
    return network, network[2]


def test_epochs_grow_over_restarts_of_everybody() -> None:
    network = BullyNetwork(3)
    epochs = []
    for _ in range(4):
        network.start()
        epochs.append(network.elect().bully.epoch)
        for server in network.alive():
            network.kill(server)
    assert epochs == sorted(set(epochs))


def test_a_worker_that_made_an_epoch_and_crashed_makes_another() -> None:
    network = BullyNetwork(1)
    network.start()
    first = network.elect().bully.epoch
    network.kill(network[1])
    network.boot(network[1])
    assert network.elect().bully.epoch > first


def test_a_restarted_worker_obeys_nobody_of_an_older_epoch_than_it_promised() -> None:
    network = BullyNetwork(3)
    network.start()
    network.elect()
    network.die(3)
    network.elect()
    promised = network[1].bully.epoch
    network.kill(network[1])
    network.boot(network[1])
    assert network[1].bully.epoch == promised == stored(network[1]).epoch


def test_both_sides_of_a_partition_use_epochs_of_their_own() -> None:
    network = BullyNetwork(4)
    led: dict[int, str] = {}

    def watch(server: BullyServer, _event: object, effects: object) -> None:
        for effect in effects:  # type: ignore[attr-defined]
            if isinstance(effect, LeaderChanged) and effect.leader == server.name:
                assert led.setdefault(effect.epoch, server.name) == server.name

    network.watchers.append(watch)
    network.start()
    network.elect()
    for groups in (([1, 2], [3, 4]), ([1, 3], [2, 4]), ([1], [2], [3], [4])):
        network.divide(*groups)
        network.run_for(1000)
        network.unite()
        network.run_for(1000)
    assert len(led) >= 8


def test_another_members_disk_is_refused() -> None:
    network = BullyNetwork(1)
    value = msgspec.msgpack.encode(StoredPromise(2, 7002, 2))
    network[1].disk.write(SetFact(PROMISE, value))
    with pytest.raises(InvariantViolation, match="the disk is of 2, this is 1"):
        network.start()
    assert network[1].name == WorkerName("w1")
