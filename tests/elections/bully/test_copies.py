"""The state: stamped, copied to all in reach, gathered by who leads, merged with a report."""

from typing import Any

from interrex.core.ids import ChangeId
from interrex.core.time import MS
from interrex.elections.bully import BullySettings
from interrex.elections.bully.copy import agreement, epoch_in
from interrex.elections.bully.messages import Copy, Fetch, WholeCopy, decode
from interrex.elections.interface import ConfirmRead, SendPayload
from tests.elections.bully.network import BullyNetwork, BullyServer


def started(size: int = 3, settings: BullySettings | None = None) -> BullyNetwork:
    network = BullyNetwork(size, settings=settings)
    network.start()
    network.elect()
    return network


def copies(network: BullyNetwork) -> list[tuple[str, str, Copy | WholeCopy | Fetch]]:
    """Collects the copies that are sent from now on."""
    said: list[tuple[str, str, Copy | WholeCopy | Fetch]] = []

    def hear(server: BullyServer, effect: SendPayload) -> None:
        message = decode(effect.payload)
        if isinstance(message, Copy | WholeCopy | Fetch):
            said.append((server.name, effect.to, message))

    network.senders.append(hear)
    return said


def stamp_of(server: BullyServer) -> tuple[int, int]:
    return server.bully._server.node.copy.stamp


def test_a_change_is_acknowledged_once_every_worker_in_reach_has_it_on_disk() -> None:
    network = started()
    network.disk_time = lambda server: None if server is network[1] else 1 * MS
    network.propose(network[3], "a")
    network.run_for(100)
    assert network.settled_at(network[3], "a") is None
    network.finish_write(network[1])
    network.run_for(1)
    assert network.settled_at(network[3], "a") is not None


def test_a_change_is_handed_out_only_when_it_is_acknowledged() -> None:
    network = started()
    network.disk_time = lambda server: None if server is network[1] else 1 * MS
    network.propose(network[3], "a")
    network.run_for(100)
    assert [server.data for server in network.alive()] == [[], [], []]


def test_who_is_not_in_reach_is_not_waited_for_and_learns_it_later() -> None:
    network = started()
    network.die(1)
    network.run_for(5)
    before = network.now
    network.write("a")
    assert network.now - before < 5 * MS
    network.boot(network[1])
    network.run_until(lambda: network[1].data == [b"a"])


def test_every_copy_is_stamped_with_epoch_identity_and_version() -> None:
    network = started()
    network.write("a")
    network.write("b")
    network.run_for(60)
    epoch = network[3].bully.epoch
    assert {stamp_of(server) for server in network.alive()} == {(epoch, 2)}
    assert epoch % 1000 == 3


def test_increments_go_to_those_that_hold_the_version_before() -> None:
    network = started()
    said = copies(network)
    for number in range(5):
        network.write(f"c{number}")
    entries = [
        message.entries for _, to, message in said if isinstance(message, Copy) and to == "w1"
    ]
    assert [len(found) for found in entries if found] == [1] * 5
    assert not any(isinstance(message, WholeCopy) for _, _, message in said)


def test_changes_in_flight_share_increments() -> None:
    network = started()
    said = copies(network)
    for number in range(64):
        network.propose(network[3], f"c{number}")
    network.run_for(100)
    sent = [m for _, to, m in said if isinstance(m, Copy) and to == "w1" and m.entries]
    assert len(sent) <= 3
    assert len(network[1].data) == 64


def test_the_whole_goes_to_who_lacks_what_was_compacted() -> None:
    network = started(
        settings=BullySettings(snapshot_after=5, trailing_entries=1, snapshot_chunk_bytes=50)
    )
    network.die(1)
    for number in range(20):
        network.write(f"c{number}")
    said = copies(network)
    network.boot(network[1])
    network.run_until(lambda: len(network[1].data) == 20)
    assert len([m for _, to, m in said if isinstance(m, WholeCopy) and to == "w1"]) > 1
    assert network[1].lost == []


def test_a_new_coordinator_gathers_the_newest_copy_before_its_first_command() -> None:
    """It is the highest, but was away: what it leads with is what the others hold."""
    network = started()
    network.die(3)
    network.elect()
    network.write("while it was away")
    network.divide([1, 2], [3])
    network.boot(network[3])
    network.run_for(5)
    said = copies(network)
    network.unite()
    network.run_until(lambda: network[3].bully.leading)
    assert stamp_of(network[3]) == stamp_of(network[2])
    network.step(network[3], ConfirmRead(1))
    network.run_until(lambda: network[3].reads.get(1))
    assert network[3].data == [b"while it was away"]
    assert said


def test_what_a_dead_coordinator_left_on_one_disk_is_kept() -> None:
    network = started()
    network.cut.add((network[3].name, network[1].name))
    network.propose(network[3], "half way")
    network.run_for(3)
    network.die(3)
    network.heal()
    network.elect()
    network.run_for(100)
    assert [server.data for server in network.alive()] == [[b"half way"]] * 2


def test_the_newest_stamp_wins_when_sides_merge_and_what_the_other_had_is_reported() -> None:
    network = started(4)
    network.write("common")
    network.divide([1, 2], [3, 4])
    network.run_for(1000)
    for number in range(3):
        network.propose(network[4], f"higher {number}")
    network.run_for(50)
    network.propose(network[2], "lower, of a newer epoch")
    network.run_for(50)
    assert network.settled_at(network[2], "lower, of a newer epoch") is not None
    network.unite()
    network.run_until(network.agree)
    network.run_for(500)
    assert network.leader() is network[4]
    expected = [b"common", b"lower, of a newer epoch"]
    assert [server.data for server in network.alive()] == [expected] * 4
    lost = [ChangeId(f"higher {number}") for number in range(3)]
    assert network[4].lost == lost
    assert network[3].lost == lost
    assert network[1].lost == network[2].lost == []


def test_a_side_that_changed_nothing_takes_nothing_from_the_other() -> None:
    """Leading alone makes an epoch, but no version: the stamp says who changed something last."""
    network = started()
    network.divide([1], [2, 3])
    network.run_for(1000)
    for number in range(3):
        network.propose(network[3], f"c{number}")
    network.run_for(50)
    network.kill(network[1])
    network.boot(network[1])
    network.run_until(lambda: network[1].bully.leading)
    network.unite()
    network.run_until(network.agree)
    network.run_for(500)
    assert len(network[1].data) == 3
    assert not any(server.lost for server in network.alive())


def test_an_older_copy_that_led_on_alone_makes_the_others_report_what_it_did_not_know() -> None:
    network = started()
    network.die(1)
    network.run_for(5)
    network.write("known to two")
    network.die(2, 3)
    network.boot(network[1])
    network.run_until(lambda: network[1].bully.leading)
    network.write("alone")
    network.boot(network[2])
    network.boot(network[3])
    network.run_until(network.agree)
    network.run_for(1000)
    assert [server.data for server in network.alive()] == [[b"alone"]] * 3
    assert network[3].lost == ["known to two"]


def test_a_restored_state_may_be_older_than_the_one_it_replaces() -> None:
    settings = BullySettings(snapshot_after=3, trailing_entries=0)
    network = started(settings=settings)
    network.divide([1], [2, 3])
    network.run_for(1000)
    for number in range(10):
        network.propose(network[3], f"long {number}")
        network.run_for(5)
    network.kill(network[1])
    network.boot(network[1])
    network.run_until(lambda: network[1].bully.leading)
    network.write("short")
    network.unite()
    network.run_until(network.agree)
    network.run_for(500)
    assert [server.data for server in network.alive()] == [[b"short"]] * 3
    assert set(network[2].lost) == {f"long {number}" for number in range(10)}
    for server in list(network.alive()):
        network.kill(server)
    network.start()
    network.elect()
    network.run_for(100)
    assert [server.data for server in network.alive()] == [[b"short"]] * 3


def test_a_lost_increment_is_sent_again() -> None:
    network = started()
    network.latency = lambda _from, _to, message: None if isinstance(message, Copy) else MS // 10
    network.propose(network[3], "a")
    network.run_for(60)
    network.latency = lambda _from, _to, _message: MS // 10
    network.run_for(200)
    assert network[1].data == [b"a"]


def test_a_read_is_confirmed_only_when_everybody_in_reach_still_obeys() -> None:
    network = started()
    network.write("a")
    network.step(network[3], ConfirmRead(1))
    assert 1 not in network[3].reads
    network.run_for(1)
    assert network[3].reads[1]
    network.step(network[1], ConfirmRead(2))
    assert network[1].reads[2] is False


def test_how_far_two_copies_agree_is_told_by_their_epochs() -> None:
    mine = ((1001, 1), (2002, 4), (5001, 9))
    theirs = ((1001, 1), (2002, 4), (3003, 6))
    assert agreement(mine, 12, theirs, 20) == 5
    assert agreement(mine, 12, mine, 10) == 10
    assert agreement((), 0, mine, 12) == 0
    assert [epoch_in(mine, 12, index) for index in (0, 1, 3, 4, 8, 9, 12, 13)] == [
        0, 1001, 1001, 2002, 2002, 5001, 5001, None,
    ]  # fmt: skip


def test_who_holds_all_and_was_not_told_that_it_is_the_same_is_told_again() -> None:
    """Found by the simulator: one message was lost, and the worker stayed as it had begun."""
    network = started()
    network.write("a")
    network.run_for(60)
    network.die(1)
    network.run_for(5)
    usual, lost, until = network.latency, [], network.now + 20 * MS

    def latency(sender: BullyServer, target: BullyServer, message: Any) -> int | None:
        if isinstance(message, Copy) and target is network[1] and network.now < until:
            lost.append(message)
            return None
        return usual(sender, target, message)

    network.latency = latency
    network.boot(network[1])
    network.run_until(lambda: network[1].data == [b"a"])
    assert {message.entries for message in lost} == {()}


def grown_since(network: BullyNetwork) -> bytes:
    """A whole copy that the third worker sent the second one before its last twelve changes."""
    network.die(2)
    for number in range(12):
        network.write(f"c{number}")
    wholes: list[bytes] = []

    def keep(_server: BullyServer, effect: SendPayload) -> None:
        if isinstance(decode(effect.payload), WholeCopy):
            wholes.append(effect.payload)

    network.senders.append(keep)
    network.boot(network[2])
    network.run_until(lambda: len(network[2].data) == 12)
    for number in range(12, 24):
        network.write(f"c{number}")
    network.run_for(100)
    return wholes[0]


def test_an_older_state_of_the_same_leader_takes_nothing_back() -> None:
    """Found by the simulator, where mail is overtaken: a worker's state went back."""
    network = started(settings=BullySettings(snapshot_after=5, trailing_entries=0))
    older = grown_since(network)
    network.deliver(network[3].name, network[1].name, older)
    network.write("another")
    network.run_until(lambda: len(network[1].data) == 25)
    assert network[1].lost == []


def test_nor_does_one_that_comes_once_the_worker_has_lost_that_leader_and_found_it_again() -> None:
    """What it holds of the leader's epoch shows how far the two copies are the same."""
    network = started(settings=BullySettings(snapshot_after=5, trailing_entries=0))
    older = grown_since(network)
    epoch = network[3].bully.epoch
    network[1].bully._server.become_waiting("it lost its coordinator for a moment")
    network.deliver(network[3].name, network[1].name, older)
    network.write("another")
    network.run_until(lambda: len(network[1].data) == 25)
    assert network[1].lost == []
    assert network[3].bully.epoch == epoch
